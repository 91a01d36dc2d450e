package towline

import (
	"strings"
	"unicode/utf8"
)

// labelSafe are the bytes that stand for themselves in a label: RFC 9110 token characters other than
// "%" and "#".
var labelSafe = func() (safe [256]bool) {
	for _, c := range "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789!$&'*+-.^_`|~" {
		safe[c] = true
	}
	return safe
}()

const upperHex = "0123456789ABCDEF"

func isControl(r rune) bool { return r < ' ' || r >= 0x7f && r <= 0x9f }

// quoteLabel writes a service or an instance as it stands in a clock. Control characters become "_".
func quoteLabel(label string) string {
	var b strings.Builder
	for _, r := range cleanLabel(label) {
		if r < utf8.RuneSelf && labelSafe[r] {
			b.WriteByte(byte(r))
			continue
		}
		var bytes [utf8.UTFMax]byte
		for _, c := range bytes[:utf8.EncodeRune(bytes[:], r)] {
			b.WriteByte('%')
			b.WriteByte(upperHex[c>>4])
			b.WriteByte(upperHex[c&15])
		}
	}
	return b.String()
}

// cleanLabel makes a label UTF-8 without control characters, as readers demand it.
func cleanLabel(label string) string {
	return strings.Map(func(r rune) rune {
		if isControl(r) {
			return '_'
		}
		return r
	}, label)
}

// joinLabel writes "service#instance"; an empty service is written "_".
func joinLabel(service, instance string) string {
	if service == "" {
		service = "_"
	}
	return quoteLabel(service) + "#" + quoteLabel(instance)
}

// unquoteLabel reads a service or an instance of a clock; not ok where it is not UTF-8, or holds
// control characters or bad escapes.
func unquoteLabel(text string) (label string, ok bool) {
	if strings.IndexByte(text, '%') < 0 {
		return text, true
	}
	b := make([]byte, 0, len(text))
	for i := 0; i < len(text); i++ {
		if text[i] != '%' {
			b = append(b, text[i])
			continue
		}
		if i+2 >= len(text) {
			return "", false
		}
		high, low := strings.IndexByte(upperHex, text[i+1]), strings.IndexByte(upperHex, text[i+2])
		if high < 0 || low < 0 {
			return "", false
		}
		b = append(b, byte(high<<4|low))
		i += 2
	}
	label = string(b)
	return label, utf8.ValidString(label) && strings.IndexFunc(label, isControl) < 0
}
