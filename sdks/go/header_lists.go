package towline

import (
	"net/http"
	"strings"
)

// sharedCacheMayKeep reports whether a response may be given to others than its caller, to whom its
// clock would mean nothing.
func sharedCacheMayKeep(status int, header http.Header) bool {
	return status == http.StatusNotModified || listed(header["Cache-Control"], "public", "s-maxage")
}

// takesTrailers reports whether the caller reads what comes behind a streamed body.
func takesTrailers(r *http.Request) bool {
	return r.ProtoMajor >= 2 || r.ProtoAtLeast(1, 1) && listed(r.Header["Te"], "trailers")
}

// listed reports whether a list header has an element of one of these names, in any case and with
// whatever value or parameters.
func listed(fields []string, names ...string) bool {
	for _, field := range fields {
		for element := range strings.SplitSeq(field, ",") {
			if end := strings.IndexAny(element, ";="); end >= 0 {
				element = element[:end]
			}
			element = strings.Trim(element, " \t")
			for _, name := range names {
				if strings.EqualFold(element, name) {
					return true
				}
			}
		}
	}
	return false
}
