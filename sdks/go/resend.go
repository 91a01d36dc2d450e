package towline

import (
	"context"
	"net/http"
)

type resendKey struct{}

// Resend says how many attempts of the same request went before the calls of the context returned, for
// clients that retry by themselves; observers are told it as http.request.resend_count. Redirects that
// an [http.Client] follows are counted without it.
//
//	for attempt := range 3 {
//		response, err = client.Do(request.WithContext(towline.Resend(ctx, attempt)))
//		…
//	}
func Resend(ctx context.Context, count int) context.Context {
	return context.WithValue(ctx, resendKey{}, count)
}

// resendCount is how many attempts went before request.
func resendCount(request *http.Request) int {
	count, _ := request.Context().Value(resendKey{}).(int)
	// Each request that a client makes of a redirect holds the response that led to it.
	for at := request; at.Response != nil && at.Response.Request != nil; at = at.Response.Request {
		count++
	}
	return count
}
