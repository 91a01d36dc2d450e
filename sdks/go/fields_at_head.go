package towline

import "net/http"

// fieldsAtHead remembers a header as it was when the handler called WriteHeader or first wrote: what it
// changes later has no effect on the head, though that is held back, but may be meant for trailers.
type fieldsAtHead []field

type field struct {
	key    string
	values []string
}

func (f *fieldsAtHead) keep(header http.Header) {
	for key, values := range header {
		*f = append(*f, field{key, values})
	}
}

// forget empties f, but keeps its memory.
func (f *fieldsAtHead) forget() {
	clear(*f)
	*f = (*f)[:0]
}

// restore makes header what it was, and returns what it had become; nil where nothing was changed.
func (f fieldsAtHead) restore(header http.Header) (late http.Header) {
	if f.unchanged(header) {
		return nil
	}
	late = make(http.Header, len(header))
	for key, values := range header {
		late[key] = values
	}
	clear(header)
	for _, was := range f {
		header[was.key] = was.values
	}
	return late
}

func (f fieldsAtHead) unchanged(header http.Header) bool {
	if len(header) != len(f) {
		return false
	}
	for _, was := range f {
		now := header[was.key]
		if len(now) != len(was.values) || len(now) > 0 && &now[0] != &was.values[0] {
			return false
		}
	}
	return true
}
