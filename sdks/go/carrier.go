package towline

import (
	"net/http"
	"strings"
)

// Carrier is what the headers of a message are kept in, such as a map of texts. It has the same methods
// as OpenTelemetry's TextMapCarrier. Where it also has Delete(key string), fields of the same name in
// another case are taken out before one is set.
type Carrier interface {
	Get(key string) string
	Set(key, value string)
	Keys() []string
}

// MapCarrier carries in a map of texts, such as the attributes of SQS. Names are written in lower case.
type MapCarrier map[string]string

// Get implements [Carrier].
func (m MapCarrier) Get(key string) string { return m[key] }

// Set implements [Carrier].
func (m MapCarrier) Set(key, value string) { m[key] = value }

// Delete takes a field out.
func (m MapCarrier) Delete(key string) { delete(m, key) }

// Keys implements [Carrier].
func (m MapCarrier) Keys() []string { return keysOf(m) }

// HeaderCarrier carries in headers of several values, such as http.Header and nats.Header:
//
//	message := nats.NewMsg("orders")
//	towline.SendMessage(ctx, towline.HeaderCarrier(message.Header))
type HeaderCarrier map[string][]string

// Get implements [Carrier].
func (h HeaderCarrier) Get(key string) string {
	if values := h[key]; len(values) > 0 {
		return values[0]
	}
	return ""
}

// Values returns all values of a field.
func (h HeaderCarrier) Values(key string) []string { return h[key] }

// Set implements [Carrier]. The name is written as net/http has it.
func (h HeaderCarrier) Set(key, value string) {
	h[http.CanonicalHeaderKey(key)] = []string{value}
}

// Delete takes a field out.
func (h HeaderCarrier) Delete(key string) { delete(h, key) }

// Keys implements [Carrier].
func (h HeaderCarrier) Keys() []string { return keysOf(h) }

func keysOf[V any](m map[string]V) []string {
	out := make([]string, 0, len(m))
	for key := range m {
		out = append(out, key)
	}
	return out
}

// messageKeys are the headers that are read of a message.
var messageKeys = [...]string{keyTraceparent, keyTracestate, keyClock, keyBaggage, keyB3, keyB3Trace, keyB3Span, keyB3Sampled, keyB3Flags}

// messageKey is the key as net/http has it of a name in any case; empty for another name.
func messageKey(name string) string {
	for _, key := range messageKeys {
		if strings.EqualFold(key, name) {
			return key
		}
	}
	return ""
}

// headerOf takes what is read of a message out of its carrier, by names in any case. A name that is
// there in two cases is there twice.
func headerOf(carrier Carrier) http.Header {
	out := http.Header{}
	several, hasSeveral := carrier.(interface{ Values(key string) []string })
	for _, name := range carrier.Keys() {
		switch key := messageKey(name); {
		case key == "":
		case hasSeveral:
			out[key] = append(out[key], several.Values(name)...)
		default:
			out[key] = append(out[key], carrier.Get(name))
		}
	}
	return out
}

// put sets the fields that a message is sent with, and takes others of their names out. A carrier that
// cannot delete gets them under the names that are there.
func put(carrier Carrier, fields [3]field) {
	deleter, deletes := carrier.(interface{ Delete(key string) })
	there := map[string]string{}
	for _, name := range carrier.Keys() {
		if !isOurs(name) {
			continue
		}
		if deletes {
			deleter.Delete(name)
		} else {
			there[strings.ToLower(name)] = name
		}
	}
	for _, f := range fields {
		name, isThere := there[f.key]
		if !isThere {
			name = f.key
		}
		if isThere || f.values[0] != "" {
			carrier.Set(name, f.values[0])
		}
	}
}

// takes reports whether something can be set: a map that was not made cannot.
func takes(carrier Carrier) bool {
	switch c := carrier.(type) {
	case nil:
		return false
	case MapCarrier:
		return c != nil
	case HeaderCarrier:
		return c != nil
	default:
		return true
	}
}
