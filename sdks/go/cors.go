package towline

// CORSHeaders returns what a server has to say to browsers of other origins that trace their calls: the
// names for Access-Control-Allow-Headers, and those for Access-Control-Expose-Headers.
//
// Source: spec/edge.md, "Safe by default".
func (t *Towline) CORSHeaders() (allow, expose []string) {
	if t.config.Disabled {
		return nil, nil
	}
	allow = []string{"traceparent", "tracestate", headerClock}
	expose = []string{headerClock}
	if t.beside.baggage {
		allow = append(allow, "baggage")
	}
	if t.beside.anyB3() {
		allow = append(allow, "b3", "x-b3-traceid", "x-b3-spanid", "x-b3-sampled", "x-b3-flags")
	}
	if t.config.Deadlines {
		allow = append(allow, "towline-timeout")
	}
	if t.config.TraceResponse {
		expose = append(expose, "traceresponse", "server-timing")
	}
	return allow, expose
}

// CORSHeaders is [Towline.CORSHeaders] of the [Default] instance.
func CORSHeaders() (allow, expose []string) { return Default().CORSHeaders() }
