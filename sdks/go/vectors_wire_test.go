package towline

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
)

// wireReport is what the service of these tests says of a request.
type wireReport struct {
	TraceID, ParentID, Flags, Tracestate string
	SentParent, SentState                string // to a host that gets no clock
	Dropped                              []string
}

func wireService(t *testing.T) string {
	tow, seen := newTowline()
	return serve(t, tow.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		place := FromContext(r.Context())
		header := http.Header{}
		var dropped []string
		seen.add(func() { dropped = seen.drops })
		place.Call("far.example.org").Inject(header)
		seen.add(func() { seen.drops = nil })
		out := wireReport{place.TraceID().String(), place.ParentID().String(), place.Flags().String(), place.Tracestate(),
			header.Get(keyTraceparent), header.Get(keyTracestate), dropped}
		if err := json.NewEncoder(w).Encode(out); err != nil {
			t.Error(err)
		}
	}))).Listener.Addr().String()
}

// cased writes the name of a field as some client might.
func cased(name string, way int) string {
	switch way {
	case 0:
		return name
	case 1:
		return strings.ToUpper(name)
	default:
		var b strings.Builder
		for i, c := range name {
			if i%2 == 0 {
				b.WriteString(strings.ToUpper(string(c)))
			} else {
				b.WriteString(strings.ToLower(string(c)))
			}
		}
		return b.String()
	}
}

// raw sends one request byte by byte, and returns the status and what the service says.
func raw(t *testing.T, address string, fields [][2]string, way int) (int, wireReport) {
	t.Helper()
	conn, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	var head strings.Builder
	head.WriteString("GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n")
	for i, field := range fields {
		blanks := [...]string{" ", "", "\t ", "  "}[(i+way)%4]
		fmt.Fprintf(&head, "%s:%s%s%s\r\n", cased(field[0], way), blanks, field[1], blanks)
	}
	head.WriteString("\r\n")
	if _, err := io.WriteString(conn, head.String()); err != nil {
		t.Fatal(err)
	}
	response, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	var out wireReport
	if response.StatusCode == http.StatusOK {
		if err := json.NewDecoder(response.Body).Decode(&out); err != nil {
			t.Fatal(err)
		}
	}
	return response.StatusCode, out
}

// refusedByServer reports whether a value has characters that net/http answers with 400 by itself.
func refusedByServer(fields [][2]string) bool {
	for _, field := range fields {
		for _, c := range []byte(strings.Trim(field[1], " \t")) {
			if c < ' ' && c != '\t' || c == 0x7f {
				return true
			}
		}
	}
	return false
}

// TestVectorsTraceContextOverHTTP sends every vector over a socket: several fields of one name, odd
// blanks, names in each case.
func TestVectorsTraceContextOverHTTP(t *testing.T) {
	var file struct {
		vectorHead
		Cases []struct {
			Name     string      `json:"name"`
			Fields   [][2]string `json:"fields"`
			Restart  string      `json:"restart"`
			Continue *struct {
				TraceID  string  `json:"trace_id"`
				ParentID string  `json:"parent_id"`
				Flags    string  `json:"flags_out"`
				Own      *string `json:"own"`
				Dropped  *string `json:"tracestate_dropped"`
				Out      *string `json:"tracestate_out"`
				OutOwn   *string `json:"tracestate_out_with_own"`
			} `json:"continue"`
		} `json:"cases"`
	}
	readVectors(t, "trace-context", &file)
	atLeast(t, "cases", len(file.Cases), 110)
	address := wireService(t)
	refused := 0
	for _, v := range file.Cases {
		t.Run(v.Name, func(t *testing.T) {
			for way := range 3 {
				status, got := raw(t, address, v.Fields, way)
				if refusedByServer(v.Fields) {
					refused++
					if status != http.StatusBadRequest {
						t.Errorf("answered %d", status)
					}
					continue
				}
				if status != http.StatusOK {
					t.Fatalf("answered %d", status)
				}
				drops := strings.Join(got.Dropped, " ")
				if v.Continue == nil {
					if want := "traceparent/" + strings.ReplaceAll(v.Restart, " ", "_"); drops != want || got.ParentID != (SpanID{}).String() || got.Flags != "03" || got.SentState != "" {
						t.Errorf("way %d: %+v, not a restart: %s", way, got, want)
					}
					continue
				}
				var state string
				if v.Continue.Out != nil {
					state = *v.Continue.Out
				}
				if got.TraceID != v.Continue.TraceID || got.ParentID != v.Continue.ParentID || got.Flags != v.Continue.Flags || got.SentState != state ||
					!strings.HasPrefix(got.SentParent, "00-"+got.TraceID+"-") || !strings.HasSuffix(got.SentParent, "-"+got.Flags) {
					t.Errorf("way %d: %+v, not %+v", way, got, v.Continue)
				}
				if isDropped := strings.Contains(drops, "tracestate/"); isDropped != (v.Continue.Dropped != nil) {
					t.Errorf("way %d: dropped %q", way, drops)
				}
			}
		})
	}
	if refused > 3*len(file.Cases)/10 {
		t.Errorf("%d requests were refused by the server itself", refused)
	}
}
