package main

import (
	"bufio"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os/exec"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
)

const (
	parent      = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
	otherParent = "00-0af7651916cd43dd8448eb211c80319c-00f067aa0ba902b7-01"
)

// through sends one request through a proxy that does what do says, and returns what came.
func through(t *testing.T, do, name string) http.Header {
	t.Helper()
	var came http.Header
	behind := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { came = r.Header.Clone() }))
	defer behind.Close()
	meddle, err := meddling(do, name)
	if err != nil {
		t.Fatal(err)
	}
	target, err := url.Parse(behind.URL)
	if err != nil {
		t.Fatal(err)
	}
	front := httptest.NewServer(newProxy(target, meddle))
	defer front.Close()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, front.URL, strings.NewReader("body"))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("traceparent", parent)
	r.Header.Set("tracestate", "a=1")
	r.Header.Set("TE", "trailers")
	response, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	_ = response.Body.Close()
	return came
}

func TestWhatIsDoneToHeaders(t *testing.T) {
	for _, c := range []struct {
		do, header          string
		traceparent, states []string
	}{
		{"pass", "traceparent", []string{parent}, []string{"a=1"}},
		{"strip", "traceparent", nil, []string{"a=1"}},
		{"strip", "TraceState", []string{parent}, nil},
		{"double", "traceparent", []string{parent, parent}, []string{"a=1"}},
		{"rewrite", "traceparent", []string{otherParent}, []string{"a=1"}},
		{"rewrite", "tracestate", []string{parent}, []string{"a=0"}},
		{"lowercase", "traceparent", []string{parent}, []string{"a=1"}},
		{"double", "x-absent", []string{parent}, []string{"a=1"}},
	} {
		came := through(t, c.do, c.header)
		if !slices.Equal(came["Traceparent"], c.traceparent) || !slices.Equal(came["Tracestate"], c.states) || came.Get("Te") != "trailers" {
			t.Errorf("%s %s: %v", c.do, c.header, came)
		}
	}
}

// TestLowercaseIsOnTheWire reads what the proxy sends, byte by byte: net/http's server hides the case.
func TestLowercaseIsOnTheWire(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	head := make(chan string, 1)
	go func() {
		conn, err := listener.Accept()
		if err != nil {
			return
		}
		defer conn.Close()
		var text strings.Builder
		for lines := bufio.NewScanner(conn); lines.Scan() && lines.Text() != ""; {
			text.WriteString(lines.Text() + "\n")
		}
		head <- text.String()
		_, _ = io.WriteString(conn, "HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n")
	}()
	meddle, err := meddling("lowercase", "Traceparent")
	if err != nil {
		t.Fatal(err)
	}
	front := httptest.NewServer(newProxy(&url.URL{Scheme: "http", Host: listener.Addr().String()}, meddle))
	defer front.Close()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, front.URL, nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("traceparent", parent)
	response, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	_ = response.Body.Close()
	if got := <-head; !strings.Contains(got, "\ntraceparent: "+parent+"\n") {
		t.Errorf("sent %q", got)
	}
}

func TestBadArgumentsAreRefused(t *testing.T) {
	for _, arguments := range [][]string{
		{}, {"-to", "nowhere"}, {"-to", "ftp://127.0.0.1"}, {"-to", "http://127.0.0.1:1", "-do", "guess"},
		{"-to", "http://127.0.0.1:1", "-header", "a b"}, {"-to", "http://127.0.0.1:1", "-header", ""},
		{"-to", "http://127.0.0.1:1", "more"}, {"-to", "http://127.0.0.1:1", "-listen", "nowhere:x"},
	} {
		if err := run(arguments); err == nil {
			t.Errorf("%q is accepted", arguments)
		}
	}
}

// TestItPrintsWhereItListens runs the program as others do.
func TestItPrintsWhereItListens(t *testing.T) {
	program := t.TempDir() + "/proxy"
	if output, err := exec.CommandContext(t.Context(), "go", "build", "-o", program, ".").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, output)
	}
	behind := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "behind") }))
	defer behind.Close()
	command := exec.Command(program, "-listen", "127.0.0.1:0", "-to", behind.URL)
	output, err := command.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	killer := time.AfterFunc(20*time.Second, func() { _ = command.Process.Kill() })
	defer killer.Stop()
	lines := bufio.NewScanner(output)
	if !lines.Scan() {
		t.Fatal("it said nothing")
	}
	address, found := strings.CutPrefix(lines.Text(), "proxy listening on ")
	if !found {
		t.Fatalf("it said %q", lines.Text())
	}
	response, err := http.Get("http://" + address)
	if err != nil {
		t.Fatal(err)
	}
	body, err := io.ReadAll(response.Body)
	_ = response.Body.Close()
	if err != nil || string(body) != "behind" {
		t.Errorf("read %q, %v", body, err)
	}
	if err := command.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if err := command.Wait(); err != nil {
		t.Errorf("stopped: %v", err)
	}
}
