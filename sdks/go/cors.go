package towline

// CORSHeaders returns what a server has to say to browsers of other origins that trace their calls: the
// names for Access-Control-Allow-Headers, and those for Access-Control-Expose-Headers, beside those
// that the application needs. The caller owns the lists.
//
// Source: spec/edge.md, "Safe by default".
func CORSHeaders() (allow, expose []string) {
	return []string{"traceparent", "tracestate", headerClock, "baggage", "towline-timeout"},
		[]string{headerClock, "traceresponse", "server-timing"}
}
