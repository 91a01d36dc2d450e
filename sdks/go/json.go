package towline

import (
	"math"
	"strconv"
	"unicode/utf16"
	"unicode/utf8"
)

// A strict reader of JSON (RFC 8259). The standard library's is too kind for a header from a stranger:
// it replaces invalid UTF-8 and unpaired surrogates, and takes names whatever their case.

// jsonLevelsMax is how deep values may nest, a plain value being one level.
const jsonLevelsMax = 32

type jsonKind int

const (
	jsonNull jsonKind = iota
	jsonBool
	jsonNumber
	jsonString
	jsonArray
	jsonObject
)

// jsonValue is a value: text of a number (as written) or a string, items of an array or an object,
// names of an object.
type jsonValue struct {
	kind  jsonKind
	text  string
	items []jsonValue
	names []string
}

// member returns the value of that name, the last one where there are several; nil where there is none.
func (v *jsonValue) member(name string) *jsonValue {
	for i := len(v.names) - 1; i >= 0; i-- {
		if v.names[i] == name {
			return &v.items[i]
		}
	}
	return nil
}

// parseJSON reads one value and nothing else.
func parseJSON(text []byte) (v jsonValue, ok bool) {
	if !utf8.Valid(text) {
		return v, false
	}
	r := jsonReader{text: text}
	r.blanks()
	ok = r.value(&v, 1)
	r.blanks()
	return v, ok && r.at == len(text)
}

type jsonReader struct {
	text []byte
	at   int
}

func (r *jsonReader) peek() byte {
	if r.at < len(r.text) {
		return r.text[r.at]
	}
	return 0
}

func (r *jsonReader) take(c byte) bool {
	if r.peek() == c && r.at < len(r.text) {
		r.at++
		return true
	}
	return false
}

func (r *jsonReader) blanks() {
	for c := r.peek(); c == ' ' || c == '\t' || c == '\n' || c == '\r'; c = r.peek() {
		r.at++
	}
}

func (r *jsonReader) value(v *jsonValue, level int) bool {
	if level > jsonLevelsMax {
		return false
	}
	switch c := r.peek(); c {
	case '{':
		v.kind = jsonObject
		return r.list('}', v, level)
	case '[':
		v.kind = jsonArray
		return r.list(']', v, level)
	case '"':
		v.kind = jsonString
		return r.string(&v.text)
	case 't':
		v.kind = jsonBool
		return r.word("true")
	case 'f':
		v.kind = jsonBool
		return r.word("false")
	case 'n':
		return r.word("null")
	default:
		v.kind = jsonNumber
		return r.number(&v.text)
	}
}

func (r *jsonReader) word(word string) bool {
	for i := range len(word) {
		if !r.take(word[i]) {
			return false
		}
	}
	return true
}

// list reads an array or an object, up to its closing bracket.
func (r *jsonReader) list(closing byte, v *jsonValue, level int) bool {
	r.at++
	r.blanks()
	if r.take(closing) {
		return true
	}
	for {
		if v.kind == jsonObject && !r.name(v) {
			return false
		}
		var item jsonValue
		if !r.value(&item, level+1) {
			return false
		}
		v.items = append(v.items, item)
		r.blanks()
		if r.take(closing) {
			return true
		}
		if !r.take(',') {
			return false
		}
		r.blanks()
	}
}

func (r *jsonReader) name(v *jsonValue) bool {
	var name string
	if !r.string(&name) {
		return false
	}
	v.names = append(v.names, name)
	r.blanks()
	if !r.take(':') {
		return false
	}
	r.blanks()
	return true
}

func (r *jsonReader) string(out *string) bool {
	if !r.take('"') {
		return false
	}
	var b []byte
	for r.at < len(r.text) {
		c := r.text[r.at]
		r.at++
		switch {
		case c == '"':
			*out = string(b)
			return true
		case c < ' ':
			return false
		case c != '\\':
			b = append(b, c)
		default:
			var ok bool
			if b, ok = r.escape(b); !ok {
				return false
			}
		}
	}
	return false
}

// escape reads what stands behind a backslash; both halves of a surrogate pair.
func (r *jsonReader) escape(b []byte) ([]byte, bool) {
	c := r.peek()
	r.at++
	switch c {
	case '"', '\\', '/':
		return append(b, c), true
	case 'b':
		return append(b, '\b'), true
	case 'f':
		return append(b, '\f'), true
	case 'n':
		return append(b, '\n'), true
	case 'r':
		return append(b, '\r'), true
	case 't':
		return append(b, '\t'), true
	case 'u':
		unit, ok := r.hex4()
		if utf16.IsSurrogate(unit) {
			if !r.word(`\u`) {
				return b, false
			}
			var low rune
			low, ok = r.hex4()
			if unit = utf16.DecodeRune(unit, low); unit == utf8.RuneError {
				return b, false
			}
		}
		return utf8.AppendRune(b, unit), ok
	default:
		return b, false
	}
}

func (r *jsonReader) hex4() (unit rune, ok bool) {
	if len(r.text)-r.at < 4 {
		return 0, false
	}
	n, err := strconv.ParseUint(string(r.text[r.at:r.at+4]), 16, 16)
	r.at += 4
	return rune(n), err == nil
}

// number reads a number that is finite as a double, and keeps it as written.
func (r *jsonReader) number(out *string) bool {
	start := r.at
	r.take('-')
	if !r.take('0') && !r.digits() {
		return false
	}
	if r.take('.') && !r.digits() {
		return false
	}
	if r.take('e') || r.take('E') {
		if !r.take('+') {
			r.take('-')
		}
		if !r.digits() {
			return false
		}
	}
	*out = string(r.text[start:r.at])
	n, _ := strconv.ParseFloat(*out, 64)
	return !math.IsInf(n, 0)
}

func (r *jsonReader) digits() bool {
	start := r.at
	for c := r.peek(); '0' <= c && c <= '9'; c = r.peek() {
		r.at++
	}
	return r.at > start
}
