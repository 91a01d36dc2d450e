package towline

import (
	"encoding/base64"
	"encoding/json"
	"net/http"
	"reflect"
	"strings"
	"testing"
)

func TestVectorsTraceContext(t *testing.T) {
	type going struct {
		TraceID  string  `json:"trace_id"`
		ParentID string  `json:"parent_id"`
		Flags    string  `json:"flags_out"`
		Own      *string `json:"own"`
		Dropped  *string `json:"tracestate_dropped"`
		Out      *string `json:"tracestate_out"`
		OutOwn   *string `json:"tracestate_out_with_own"`
	}
	var file struct {
		vectorHead
		Cases []struct {
			Name     string      `json:"name"`
			Fields   [][2]string `json:"fields"`
			Restart  string      `json:"restart"`
			Continue *going      `json:"continue"`
		} `json:"cases"`
	}
	readVectors(t, "trace-context", &file)
	atLeast(t, "cases", len(file.Cases), 110)
	const own = "v2;t=1c80319c, _#/77b0e190:4"
	text := func(s string) *string {
		if s == "" {
			return nil
		}
		return &s
	}
	for _, v := range file.Cases {
		t.Run(v.Name, func(t *testing.T) {
			header := http.Header{}
			for _, field := range v.Fields {
				header.Add(field[0], field[1])
			}
			c, err := ParseTraceContext(header["Traceparent"], header["Tracestate"])
			if v.Continue == nil {
				if want := Reason(strings.ReplaceAll(v.Restart, " ", "_")); err == nil || reasonOf(err) != want {
					t.Errorf("read as %+v, %v; expected a restart: %s", c, err, want)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			withOwn, _ := writeTracestate(c.Tracestate, own)
			got := going{c.TraceID.String(), c.ParentID.String(), c.Flags.String(), text(c.Own),
				text(strings.ReplaceAll(string(c.TracestateDropped), "_", " ")), text(c.Tracestate), text(withOwn)}
			if !reflect.DeepEqual(got, *v.Continue) {
				t.Errorf("read as %+v,\nexpected %+v", c, v.Continue)
			}
			parent := SpanID{1, 2, 3}
			if out := c.Traceparent(parent); out != "00-"+v.Continue.TraceID+"-"+parent.String()+"-"+v.Continue.Flags {
				t.Errorf("goes on as %q", out)
			}
		})
	}
}

func vectorMap(c ClockV1) map[string]uint32 {
	out := map[string]uint32{}
	for _, component := range c.Components() {
		out[component.Name] = component.Count
	}
	return out
}

// orderedVector reads a JSON object in the order of the file, which a v1 clock keeps.
type orderedVector struct{ ClockV1 }

func (v *orderedVector) UnmarshalJSON(text []byte) error {
	var counts map[string]uint32
	if err := json.Unmarshal(text, &counts); err != nil {
		return err
	}
	decoder := json.NewDecoder(strings.NewReader(string(text)))
	for decoder.More() {
		token, err := decoder.Token()
		if err != nil {
			return err
		}
		if name, isName := token.(string); isName {
			v.components = append(v.components, ComponentV1{name, counts[name]})
			continue
		}
	}
	return nil
}

func TestVectorsClockV1(t *testing.T) {
	var file struct {
		vectorHead
		TraceID string `json:"trace_id"`
		Read    []struct {
			Header string            `json:"header"`
			Vector map[string]uint32 `json:"vector"`
		} `json:"read"`
		Refused []struct {
			Header string `json:"header"`
			Reason string `json:"reason"`
		} `json:"refused"`
		Send []struct {
			Vector orderedVector `json:"vector"`
			Own    string        `json:"own"`
			After  orderedVector `json:"after"`
		} `json:"send"`
		Write []struct {
			Vector       orderedVector `json:"vector"`
			SpanID       string        `json:"span_id"`
			ParentSpanID string        `json:"parent_span_id"`
			Service      string        `json:"service"`
			Instance     string        `json:"instance"`
			Payload      any           `json:"payload"`
		} `json:"write"`
		Compare []struct {
			A     orderedVector `json:"a"`
			B     orderedVector `json:"b"`
			Order Order         `json:"order"`
		} `json:"compare"`
	}
	readVectors(t, "clock-v1", &file)
	atLeast(t, "read", len(file.Read), 11)
	atLeast(t, "refused", len(file.Refused), 45)
	atLeast(t, "send", len(file.Send), 2)
	atLeast(t, "write", len(file.Write), 1)
	atLeast(t, "compare", len(file.Compare), 49)
	var trace TraceID
	if !parseHex(trace[:], file.TraceID) {
		t.Fatalf("trace id %q", file.TraceID)
	}
	for _, v := range file.Read {
		c, err := ReadClockV1(v.Header, trace)
		if err != nil || !reflect.DeepEqual(vectorMap(c), v.Vector) {
			t.Errorf("%q is read as %v, %v; not %v", v.Header, c, err, v.Vector)
		}
	}
	for _, v := range file.Refused {
		if c, err := ReadClockV1(v.Header, trace); err == nil {
			t.Errorf("%q is read as %v; expected %q", v.Header, c, v.Reason)
		}
	}
	for _, v := range file.Send {
		if got, err := v.Vector.Send(v.Own); err != nil || !reflect.DeepEqual(got, v.After.ClockV1) {
			t.Errorf("%v of %s sends %v, %v; not %v", v.Vector, v.Own, got, err, v.After)
		}
	}
	for _, v := range file.Write {
		var span, parent SpanID
		if !parseHex(span[:], v.SpanID) || !parseHex(parent[:], v.ParentSpanID) {
			t.Fatalf("ids of %+v", v)
		}
		header := v.Vector.Write(trace, span, parent, v.Service, v.Instance)
		raw, err := base64.RawURLEncoding.DecodeString(strings.TrimPrefix(header, "v1;"))
		var got any
		if err != nil || json.Unmarshal(raw, &got) != nil || !reflect.DeepEqual(got, v.Payload) {
			t.Errorf("written %s, %v; not %v", raw, err, v.Payload)
		}
		if back, err := ReadClockV1(header, trace); err != nil || !reflect.DeepEqual(back, v.Vector.ClockV1) {
			t.Errorf("read back as %v, %v", back, err)
		}
	}
	for _, v := range file.Compare {
		if got := v.A.Compare(v.B.ClockV1); got != v.Order {
			t.Errorf("%v is %s to %v, not %s", v.A, got, v.B, v.Order)
		}
	}
}
