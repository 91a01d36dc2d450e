package towline

import (
	"encoding/binary"
	"encoding/hex"
	"math/rand/v2"
)

// TraceID names a trace: 16 bytes, not all zero where there is one.
type TraceID [16]byte

// String returns 32 lower-case hex digits.
func (id TraceID) String() string { return hex.EncodeToString(id[:]) }

// IsZero reports whether there is none.
func (id TraceID) IsZero() bool { return id == TraceID{} }

// Tail returns the low 32 bits, by which a clock names its trace.
func (id TraceID) Tail() uint32 { return binary.BigEndian.Uint32(id[12:]) }

// SpanID names a span: 8 bytes, not all zero where there is one.
type SpanID [8]byte

// String returns 16 lower-case hex digits.
func (id SpanID) String() string { return hex.EncodeToString(id[:]) }

// IsZero reports whether there is none.
func (id SpanID) IsZero() bool { return id == SpanID{} }

// nonce returns the low 32 bits, by which a clock names a strand of that span.
func (id SpanID) nonce() uint32 { return binary.BigEndian.Uint32(id[4:]) }

func newTraceID() (id TraceID) {
	binary.BigEndian.PutUint64(id[:8], rand.Uint64())
	binary.BigEndian.PutUint64(id[8:], randomID())
	return id
}

func newSpanID() (id SpanID) {
	binary.BigEndian.PutUint64(id[:], randomID())
	return id
}

// randomID is never zero, which both kinds of id forbid.
func randomID() uint64 {
	for {
		if n := rand.Uint64(); n != 0 {
			return n
		}
	}
}
