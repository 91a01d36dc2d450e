package towline

import (
	"bytes"
	"encoding/json"
	"net/http"
	"reflect"
	"testing"
)

// outcomeOfReading is what a vector expects: a value, null, or the reason of a drop.
type outcomeOfReading struct {
	value   json.RawMessage
	dropped Reason
}

func (o *outcomeOfReading) UnmarshalJSON(text []byte) error {
	var drop struct {
		Dropped Reason `json:"dropped"`
	}
	if bytes.HasPrefix(text, []byte("{")) {
		if err := json.Unmarshal(text, &drop); err != nil {
			return err
		}
	}
	o.dropped, o.value = drop.Dropped, bytes.Clone(text)
	return nil
}

// matches compares what was read with the vector, as JSON.
func (o *outcomeOfReading) matches(t *testing.T, got any, err error) {
	t.Helper()
	if err != nil || o.dropped != "" {
		if err == nil || reasonOf(err) != o.dropped {
			t.Errorf("read as %+v, %v; not %s", got, err, o.value)
		}
		return
	}
	text, err := json.Marshal(got)
	if err != nil {
		t.Fatal(err)
	}
	var a, b any
	if json.Unmarshal(text, &a) != nil || json.Unmarshal(o.value, &b) != nil || !reflect.DeepEqual(a, b) {
		t.Errorf("read as %s, not %s", text, o.value)
	}
}

// headerOfVector has the fields under the keys of net/http.
func headerOfVector(fields map[string][]string) http.Header {
	header := http.Header{}
	for name, values := range fields {
		for _, value := range values {
			header.Add(name, value)
		}
	}
	return header
}

func TestVectorsCarriers(t *testing.T) {
	var file struct {
		vectorHead
		Timeout []struct {
			Name         string           `json:"name"`
			Own          []string         `json:"towline-timeout"`
			GRPC         []string         `json:"grpc-timeout"`
			Milliseconds outcomeOfReading `json:"milliseconds"`
		} `json:"timeout"`
		B3 []struct {
			Name  string              `json:"name"`
			B3    []string            `json:"b3"`
			Multi map[string][]string `json:"multi"`
			Read  outcomeOfReading    `json:"read"`
		} `json:"b3"`
		Baggage []struct {
			Name    string           `json:"name"`
			Baggage []string         `json:"baggage"`
			Read    outcomeOfReading `json:"read"`
		} `json:"baggage"`
	}
	readVectors(t, "carriers", &file)
	atLeast(t, "timeout", len(file.Timeout), 35)
	atLeast(t, "b3", len(file.B3), 40)
	atLeast(t, "baggage", len(file.Baggage), 28)
	for _, v := range file.Timeout {
		t.Run("timeout/"+v.Name, func(t *testing.T) {
			milliseconds, there, err := readTimeout(headerOfVector(map[string][]string{keyTimeout: v.Own, keyTimeoutGRPC: v.GRPC}))
			var got any
			if there {
				got = milliseconds
			}
			v.Milliseconds.matches(t, got, err)
		})
	}
	for _, v := range file.B3 {
		t.Run("b3/"+v.Name, func(t *testing.T) {
			v.Multi[keyB3] = v.B3
			c, there, err := readB3(headerOfVector(v.Multi))
			var got any
			if there {
				read := map[string]any{"trace_id": nil, "span_id": nil, "sampled": c.sampled}
				if !c.traceID.IsZero() {
					read["trace_id"], read["span_id"] = c.traceID.String(), c.spanID.String()
				}
				got = read
			}
			v.Read.matches(t, got, err)
		})
	}
	for _, v := range file.Baggage {
		t.Run("baggage/"+v.Name, func(t *testing.T) {
			text, err := readBaggage(v.Baggage)
			members := [][2]string{}
			for _, member := range baggageMembers(text) {
				key, value, _ := readBaggageMember(member)
				members = append(members, [2]string{key, percentDecoded(value)})
			}
			v.Read.matches(t, map[string]any{"text": text, "members": members}, err)
		})
	}
}
