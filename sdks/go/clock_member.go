package towline

import "strings"

// ToTracestate returns the clock without version and labels, as the value of our tracestate member;
// empty where it would be longer than 256 characters.
//
//	raceway-clock: v2;t=1c80319c, ts#1/a3f9c21b:2;f=1, py#1/77b0e190:5;d;x="3 4.2"
//	tracestate:    towline=a3f9c21b:2f1/77b0e190:5dx3 4.2
//
// Source: spec/strand-clocks.md, "Through services that know only W3C Trace Context".
func (c Clock) ToTracestate() string {
	if value := appendClockMember(nil, c.text); len(value) <= memberMax {
		return string(value)
	}
	return ""
}

func appendClockMember(b []byte, text string) []byte {
	for {
		slash := strings.IndexByte(text, '/') // a label's own slashes are escaped
		if slash < 0 {
			return b
		}
		text = text[slash+1:]
		end := strings.IndexByte(text, ',')
		if end < 0 {
			end = len(text)
		}
		for _, c := range []byte(text[:end]) {
			if c != ';' && c != '=' && c != '"' {
				b = append(b, c)
			}
		}
		if end == len(text) {
			return b
		}
		b = append(b, '/')
	}
}

// ClockFromTracestate reads the value of our tracestate member. The labels of its hops are unknown,
// "_#": services are found by nonce. The error is a [*RefusedError].
func ClockFromTracestate(value string, trace uint32) (Clock, error) {
	return DefaultLimits().clockFromTracestate(value, trace)
}

func (l Limits) clockFromTracestate(value string, trace uint32) (Clock, error) {
	if len(value) > memberMax {
		return Clock{}, &RefusedError{ReasonMalformed, "tracestate member is longer than 256"}
	}
	b := appendVersion(make([]byte, 0, 2*memberMax), trace)
	for _, short := range strings.Split(value, "/") {
		var ok bool
		if b, ok = appendLongMember(append(b, ", _#/"...), short); !ok {
			return Clock{}, &RefusedError{ReasonMalformed, "bad tracestate member"}
		}
	}
	l.HeaderBytesMax = max(l.HeaderBytesMax, len(b)) // what came was short enough
	return l.ParseClock(string(b), trace)
}

// appendLongMember puts a short member's punctuation back. What it lets pass is judged where the
// result is read; it refuses what would only look right there.
func appendLongMember(b []byte, short string) ([]byte, bool) {
	const head = len("a3f9c21b:")
	if len(short) < head {
		return b, false
	}
	b = append(b, short[:head]...)
	for i := head; i < len(short); i++ {
		switch c := short[i]; {
		case '0' <= c && c <= '9':
			b = append(b, c)
		case c == 'f':
			b = append(b, ";f="...)
		case c == 'd' || c == 'g' || c == 'e' || c == 'l':
			b = append(b, ';', c)
		case c == 'x' && strings.IndexByte(short[i:], '"') < 0:
			return append(append(append(b, `;x="`...), short[i+1:]...), '"'), true
		default:
			return b, false
		}
	}
	return b, true
}
