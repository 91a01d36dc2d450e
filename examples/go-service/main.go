// The Go demo service: a handler in a Towline middleware, and an http.Client that carries the context
// on. What it offers is described in spec/services.md.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log"
	"net"
	"net/http"
	"os"
	"os/signal"
	"strconv"
	"syscall"
	"time"

	towline "towline.invalid/go"
)

const (
	bodyBytesMax = 1 << 20
	callTime     = 5 * time.Second
	stopTime     = 5 * time.Second
)

// service is what the handlers share.
type service struct {
	name, instance string
	client         *http.Client
}

func main() {
	log.SetOutput(os.Stdout)
	if err := run(); err != nil {
		log.Fatal(err)
	}
}

func run() error {
	tow := towline.New(towline.WithFilter(func(_, path string) bool { return path != "/health" && path != towline.StatusPath }))
	config := tow.Config()
	faults, err := parseFaults(os.Getenv("TOWLINE_DEMO_FAULT"), config.ServiceName)
	if err != nil {
		return err
	}
	s := &service{
		name: config.ServiceName, instance: config.Instance,
		client: &http.Client{Timeout: callTime, Transport: tow.Transport(faults.transport(http.DefaultTransport))},
	}
	server := &http.Server{Handler: faults.handler(tow.Handler(s.routes(tow))), ReadHeaderTimeout: stopTime}

	port := os.Getenv("PORT")
	if port == "" {
		port = "6003"
	}
	listener, err := net.Listen("tcp", net.JoinHostPort("127.0.0.1", port))
	if err != nil {
		return err
	}
	fmt.Printf("%s listening on %s\n", s.name, listener.Addr())

	stop, cancel := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	defer cancel()
	context.AfterFunc(stop, func() {
		ending, cancel := context.WithTimeout(context.Background(), stopTime)
		defer cancel()
		if err := server.Shutdown(ending); err != nil {
			_ = server.Close() // what is still running has had its time
		}
	})
	if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

func (s *service) routes(tow *towline.Towline) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /health", s.health)
	mux.Handle("GET "+towline.StatusPath, towline.StatusHandler(tow))
	mux.HandleFunc("POST /process", s.process)
	mux.HandleFunc("POST /test", s.test)
	return mux
}

func (s *service) health(w http.ResponseWriter, _ *http.Request) {
	reply(w, http.StatusOK, map[string]string{"service": s.name, "instance": s.instance, "status": "healthy"})
}

func (s *service) process(w http.ResponseWriter, r *http.Request) {
	var job job
	if err := read(w, r, &job); err != nil {
		refuse(w, err)
		return
	}
	if err := job.check(); err != nil {
		refuse(w, err)
		return
	}
	reply(w, http.StatusOK, s.work(r.Context(), &job))
}

func (s *service) test(w http.ResponseWriter, r *http.Request) {
	var entries []struct {
		URL       string          `json:"url"`
		Arguments json.RawMessage `json:"arguments"`
	}
	if err := read(w, r, &entries); err != nil {
		refuse(w, err)
		return
	}
	for _, entry := range entries {
		s.post(r.Context(), entry.URL, entry.Arguments)
	}
	reply(w, http.StatusOK, struct{}{})
}

// read reads one JSON value of a bounded size.
func read(w http.ResponseWriter, r *http.Request, into any) error {
	decoder := json.NewDecoder(http.MaxBytesReader(w, r.Body, bodyBytesMax))
	if err := decoder.Decode(into); err != nil {
		return err
	}
	if decoder.More() {
		return errors.New("more than one JSON value")
	}
	return nil
}

func reply(w http.ResponseWriter, status int, body any) {
	text, err := json.Marshal(body)
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Content-Length", strconv.Itoa(len(text))) // so that the end's clock goes with the head
	w.WriteHeader(status)
	_, _ = w.Write(text) // a caller that has gone needs no answer
}

func refuse(w http.ResponseWriter, err error) {
	reply(w, http.StatusBadRequest, map[string]string{"error": err.Error()})
}
