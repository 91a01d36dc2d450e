package towline

import (
	"strings"
	"unicode/utf8"
)

const (
	keyBaggage        = "Baggage"
	baggageBytesMax   = 8192
	baggageMembersMax = 64
)

var (
	errBaggageTooLong   = &RefusedError{ReasonTooLong, "baggage is longer than 8192 bytes"}
	errBaggageTooMany   = &RefusedError{ReasonTooManyMembers, "baggage has more than 64 members"}
	errBaggageMalformed = &RefusedError{ReasonMalformed, "baggage breaks the grammar"}
)

// readBaggage reads all fields of the name, and returns the text that is passed on; empty where there
// is none. It is taken whole or not at all.
//
// Source: spec/edge.md, "Beside other propagators"; W3C Baggage, "Header Value"; vectors/carriers.json.
func readBaggage(fields []string) (string, error) {
	whole := strings.Join(fields, ",")
	if len(whole) > baggageBytesMax {
		return "", errBaggageTooLong
	}
	members := baggageMembers(whole)
	if len(members) > baggageMembersMax {
		return "", errBaggageTooMany
	}
	for _, member := range members {
		if _, _, ok := readBaggageMember(member); !ok {
			return "", errBaggageMalformed
		}
	}
	return strings.Join(members, ","), nil
}

// baggageMembers are those of a list that are not empty, without blanks around them.
func baggageMembers(text string) []string {
	var out []string
	for member := range strings.SplitSeq(text, ",") {
		if member = strings.Trim(member, " \t"); member != "" {
			out = append(out, member)
		}
	}
	return out
}

// readBaggageMember takes a member apart; its value is still percent-encoded.
func readBaggageMember(member string) (key, value string, ok bool) {
	pair, properties, more := strings.Cut(member, ";")
	key, value, found := strings.Cut(pair, "=")
	key, value = strings.TrimRight(key, " \t"), strings.Trim(value, " \t")
	if !found || !isToken(key) || !isBaggageValue(value) {
		return "", "", false
	}
	for more {
		var property string
		property, properties, more = strings.Cut(properties, ";")
		name, its, has := strings.Cut(property, "=")
		if !isToken(strings.Trim(name, " \t")) || has && !isBaggageValue(strings.Trim(its, " \t")) {
			return "", "", false
		}
	}
	return key, value, true
}

// isToken reports whether text is a token of RFC 9110: what labels are written in, and "%" and "#".
func isToken(text string) bool {
	for _, c := range []byte(text) {
		if !labelSafe[c] && c != '%' && c != '#' {
			return false
		}
	}
	return text != ""
}

// isBaggageValue reports whether text is printable ASCII without blanks, quotes, commas, semicolons and
// backslashes. It may be empty.
func isBaggageValue(text string) bool {
	for _, c := range []byte(text) {
		if c <= ' ' || c >= 0x7f || c == '"' || c == ',' || c == ';' || c == '\\' {
			return false
		}
	}
	return true
}

// percentDecoded decodes %XX; what is no escape stays, what is no UTF-8 becomes U+FFFD.
func percentDecoded(text string) string {
	if strings.IndexByte(text, '%') < 0 {
		return text
	}
	b := make([]byte, 0, len(text))
	for i := 0; i < len(text); i++ {
		if text[i] == '%' && i+2 < len(text) && isHexDigit(text[i+1]) && isHexDigit(text[i+2]) {
			b = append(b, hexValue(text[i+1])<<4|hexValue(text[i+2]))
			i += 2
		} else {
			b = append(b, text[i])
		}
	}
	return withReplacements(b)
}

// withReplacements makes UTF-8 of bytes, with one U+FFFD for each longest run that begins a character
// but does not finish it (Unicode, "U+FFFD Substitution of Maximal Subparts").
func withReplacements(b []byte) string {
	if utf8.Valid(b) {
		return string(b)
	}
	out := make([]byte, 0, len(b)+utf8.UTFMax)
	for len(b) > 0 {
		r, size := utf8.DecodeRune(b)
		if r == utf8.RuneError && size == 1 {
			for size < len(b) && !utf8.FullRune(b[:size+1]) {
				size++
			}
		}
		out, b = utf8.AppendRune(out, r), b[size:]
	}
	return string(out)
}

func isHexDigit(c byte) bool { return '0' <= c && c <= '9' || 'a' <= c|0x20 && c|0x20 <= 'f' }

func hexValue(c byte) byte {
	if c <= '9' {
		return c - '0'
	}
	return c | 0x20 - 'a' + 10
}

// Baggage returns the baggage that came with the request, as it is passed on to hosts that may have it;
// empty where there is none.
func (p *Place) Baggage() string {
	if p == nil || p.carried == nil {
		return ""
	}
	return p.carried.baggage
}

// BaggageValue returns the percent-decoded value of the first baggage member with that key.
func (p *Place) BaggageValue(key string) (value string, ok bool) {
	for _, member := range baggageMembers(p.Baggage()) {
		if k, v, valid := readBaggageMember(member); valid && k == key {
			return percentDecoded(v), true
		}
	}
	return "", false
}
