package towline

import (
	"bytes"
	"crypto/subtle"
	"encoding/json"
	"net/http"
	"net/netip"
	"strconv"
	"strings"
	"sync"
	"unicode"
	"unicode/utf16"
)

const (
	keyProbe = "Towline-Probe"
	keyHops  = "Towline-Hops"

	hopsBytesMax = 6000
)

// ProbeMode says which requests are told what this service saw.
type ProbeMode string

// The modes of probes: never; those with the token; those that carry "1" and come from this machine.
const (
	ProbeOff      ProbeMode = "off"
	ProbeToken    ProbeMode = "token"
	ProbeLoopback ProbeMode = "loopback"
)

// probeRule is a mode, and the token that no log and no status shows.
type probeRule struct {
	mode  ProbeMode
	token string
}

// probeRuleOf reads the setting; empty is the default.
func probeRuleOf(setting string) probeRule {
	switch mode := ProbeMode(strings.ToLower(setting)); mode {
	case "", ProbeLoopback:
		return probeRule{mode: ProbeLoopback}
	case ProbeOff:
		return probeRule{mode: ProbeOff}
	default:
		return probeRule{ProbeToken, setting}
	}
}

// allows reports whether a request may be told, and what its header said.
func (rule *probeRule) allows(r *http.Request) (value string, ok bool) {
	fields := r.Header[keyProbe]
	if len(fields) != 1 {
		return "", false
	}
	value = fields[0]
	switch rule.mode {
	case ProbeToken:
		ok = subtle.ConstantTimeCompare([]byte(value), []byte(rule.token)) == 1
	case ProbeLoopback:
		ok = value == "1" && isLoopback(r.RemoteAddr)
	default:
		ok = false
	}
	return value, ok
}

func isLoopback(peer string) bool {
	address, err := netip.ParseAddrPort(peer)
	return err == nil && address.Addr().Unmap().IsLoopback()
}

// probing is what a request that probes wants to know of the service, gathered while it is handled.
//
// Source: spec/edge.md, "Probe".
type probing struct {
	value     string // of the header, which goes on
	parent    SpanID // as received
	restarted Reason // empty: the trace went on
	clock     string

	mu    sync.Mutex
	calls []hopCall
	size  int // of the records of callees
	cut   bool
}

// The words of a record for what became of a clock, beside the reasons for which one is dropped.
const (
	clockContinued = "continued"
	clockFirst     = "first"
	clockMember    = "member"
)

// hopRecord is what a service says of itself.
type hopRecord struct {
	Service   string    `json:"service"`
	Instance  string    `json:"instance"`
	TraceID   string    `json:"trace_id"`
	SpanID    string    `json:"span_id"`
	ParentID  *string   `json:"parent_id"`
	Flags     string    `json:"flags"`
	Restarted *Reason   `json:"restarted"`
	Clock     string    `json:"clock"`
	Calls     []hopCall `json:"calls"`
	Cut       bool      `json:"cut,omitempty"`
}

// hopCall is what it says of one of its calls.
type hopCall struct {
	Host   string          `json:"host"`
	SpanID string          `json:"span_id"`
	Status *int            `json:"status"`
	Answer *string         `json:"answer"`
	Hops   json.RawMessage `json:"hops"`
}

// What became of an answer, in a record.
const (
	answerJoined = "joined"
	answerLost   = "lost"
)

// tellProbe records the call for whoever probes; answer is empty where there is none.
func (c *Call) tellProbe(answer string, header http.Header) {
	if probe := c.place.carried.probing(); probe != nil {
		probe.called(c, answer, header)
	}
}

// called records a call whose answer's head came, or of which it is known that none will.
func (p *probing) called(c *Call, answer string, header http.Header) {
	one := hopCall{Host: c.authority, SpanID: c.spanID.String(), Hops: calleesRecord(header)}
	if one.Host == "" {
		one.Host = c.host
	}
	if answer != "" {
		status := c.status
		one.Status, one.Answer = &status, &answer
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	// What will not fit is not kept: a handler may make any number of calls.
	p.size += len(one.Host) + len(one.SpanID) + len(one.Hops)
	if p.cut = p.cut || p.size > hopsBytesMax; p.cut {
		p.calls = nil
		return
	}
	p.calls = append(p.calls, one)
}

// calleesRecord is a callee's record as it came; nil where none came, or what came is no record.
func calleesRecord(header http.Header) json.RawMessage {
	fields := header[keyHops]
	if len(fields) != 1 || len(fields[0]) > hopsBytesMax || fields[0] == "" || fields[0][0] != '{' {
		return nil
	}
	record := json.RawMessage(fields[0])
	if !isASCII(record) || !json.Valid(record) {
		return nil
	}
	return record
}

// isASCII reports whether text can stand in a header as it is.
func isASCII(text []byte) bool {
	for _, c := range text {
		if c >= unicode.MaxASCII {
			return false
		}
	}
	return true
}

// text is the record of a place, as the header has it.
func (p *probing) text(place *Place) string {
	config := &place.towline.config
	record := hopRecord{
		Service: config.ServiceName, Instance: config.Instance,
		TraceID: place.traceID.String(), SpanID: place.spanID.String(), Flags: place.flags.String(), Clock: p.clock,
	}
	if !p.parent.IsZero() {
		parent := p.parent.String()
		record.ParentID = &parent
	}
	if p.restarted != "" {
		record.Restarted = &p.restarted
	}
	p.mu.Lock()
	record.Calls, record.Cut = append([]hopCall{}, p.calls...), p.cut
	p.mu.Unlock()
	text := asciiJSON(record)
	if len(text) > hopsBytesMax {
		record.Calls, record.Cut = []hopCall{}, true
		text = asciiJSON(record)
	}
	if len(text) > hopsBytesMax { // the names alone are too long
		record.Service, record.Instance = record.Service[:min(len(record.Service), 64)], record.Instance[:min(len(record.Instance), 64)]
		text = asciiJSON(record)
	}
	return string(text)
}

// asciiJSON is the JSON of a record of ours, with all other characters escaped.
func asciiJSON(record hopRecord) []byte {
	text, err := json.Marshal(record)
	if err != nil {
		panic("towline: a record cannot be written: " + err.Error()) // it has nothing that JSON has not
	}
	if isASCII(text) {
		return text
	}
	var out bytes.Buffer
	for _, r := range string(text) {
		switch {
		case r < unicode.MaxASCII:
			out.WriteByte(byte(r))
		case utf16.RuneLen(r) == 2:
			high, low := utf16.EncodeRune(r)
			writeUnit(&out, high)
			writeUnit(&out, low)
		default:
			writeUnit(&out, r)
		}
	}
	return out.Bytes()
}

func writeUnit(out *bytes.Buffer, unit rune) {
	out.WriteString(`\u`)
	digits := strconv.FormatInt(int64(unit), 16)
	out.WriteString("0000"[len(digits):] + digits)
}
