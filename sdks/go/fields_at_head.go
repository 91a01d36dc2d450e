package towline

import "net/http"

// fieldsAtHead remembers a header as it was when the handler called WriteHeader or first wrote: what it
// changes later has no effect on the head, though that is held back, but may be meant for trailers.
type fieldsAtHead struct {
	few  [4]field // without memory of its own for most responses
	many []field
	kept bool
}

type field struct {
	key    string
	values []string
}

func (f *fieldsAtHead) keep(header http.Header) {
	f.many, f.kept = f.few[:0], true
	for key, values := range header {
		f.many = append(f.many, field{key, values})
	}
}

// restore makes header what it was, and returns what it had become; nil where nothing was changed.
func (f *fieldsAtHead) restore(header http.Header) (late http.Header) {
	if !f.kept || f.unchanged(header) {
		return nil
	}
	late = make(http.Header, len(header))
	for key, values := range header {
		late[key] = values
	}
	clear(header)
	for _, was := range f.many {
		header[was.key] = was.values
	}
	return late
}

func (f *fieldsAtHead) unchanged(header http.Header) bool {
	if len(header) != len(f.many) {
		return false
	}
	for _, was := range f.many {
		now := header[was.key]
		if len(now) != len(was.values) || len(now) > 0 && &now[0] != &was.values[0] {
			return false
		}
	}
	return true
}
