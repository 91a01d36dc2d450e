package towline

import "strings"

const (
	ownKey              = "towline"
	tracestateMembers   = 32
	tracestateLengthMax = 512 // up to which our member is added
	tracestateKeyMax    = 256
)

// parseTracestate reads all fields of the name as one list. One bad member, or one too many, drops
// the whole of it.
func parseTracestate(fields []string) (others, own string, dropped Reason) {
	if len(fields) == 0 {
		return "", "", ""
	}
	text := fields[0]
	if len(fields) > 1 {
		text = strings.Join(fields, ",")
	}
	count, plain := 0, true // plain: text is what goes out, as far as it was read
	for rest, more := text, true; more; {
		var member string
		member, rest, more = strings.Cut(rest, ",")
		trimmed := strings.Trim(member, " \t")
		if trimmed == "" {
			plain = false
			continue
		}
		key, value, _ := strings.Cut(trimmed, "=")
		if !validKey(key) || !validValue(value) {
			return "", "", ReasonMalformed
		}
		count++
		if key == ownKey {
			if own == "" {
				own = value
			}
			plain = false
		} else if len(trimmed) != len(member) {
			plain = false
		}
	}
	if count > tracestateMembers {
		return "", "", ReasonTooManyMembers
	}
	if plain {
		return text, own, ""
	}
	return othersOf(text), own, ""
}

// othersOf joins the members of a valid list again, without our own and without blanks around them.
func othersOf(text string) string {
	b := make([]byte, 0, len(text))
	for rest, more := text, true; more; {
		var member string
		member, rest, more = strings.Cut(rest, ",")
		member = strings.Trim(member, " \t")
		if member == "" || strings.HasPrefix(member, ownKey+"=") {
			continue
		}
		if len(b) > 0 {
			b = append(b, ',')
		}
		b = append(b, member...)
	}
	return string(b)
}

func validKey(key string) bool {
	if key == "" || len(key) > tracestateKeyMax {
		return false
	}
	for i, c := range []byte(key) {
		switch {
		case 'a' <= c && c <= 'z', '0' <= c && c <= '9':
		case i > 0 && (c == '_' || c == '-' || c == '*' || c == '/' || c == '@'):
		default:
			return false
		}
	}
	return true
}

func validValue(value string) bool {
	if value == "" || len(value) > memberMax || value[len(value)-1] == ' ' {
		return false
	}
	for _, c := range []byte(value) {
		if c < ' ' || c > '~' || c == ',' || c == '=' {
			return false
		}
	}
	return true
}

// writeTracestate puts our member, made of a clock's text, in front of the members of others, if it
// fits beside them; fits is false where it does not. Nothing of others is ever left out.
func writeTracestate(others, clock string) (list string, fits bool) {
	const head = len(ownKey) + 1
	var scratch [tracestateLengthMax]byte
	b := appendClockMember(append(scratch[:0], ownKey+"="...), clock)
	if len(b)-head > memberMax {
		return others, false
	}
	if others != "" {
		if strings.Count(others, ",")+2 > tracestateMembers {
			return others, false
		}
		b = append(append(b, ','), others...)
	}
	if len(b) > tracestateLengthMax {
		return others, false
	}
	return string(b), true
}
