// A small reverse proxy that does to trace headers what proxies do: it drops, doubles, rewrites or
// re-cases one of them, or passes everything on. It is for tests of what notices that.
//
//	proxy -listen 127.0.0.1:0 -to http://127.0.0.1:6003 -do strip -header traceparent
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"log"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/signal"
	"syscall"
	"time"
)

const stopTime = 5 * time.Second

func main() {
	log.SetFlags(0)
	log.SetPrefix("proxy: ")
	if err := run(os.Args[1:]); errors.Is(err, flag.ErrHelp) {
		os.Exit(2)
	} else if err != nil {
		log.Fatal(err)
	}
}

func run(arguments []string) error {
	flags := flag.NewFlagSet("proxy", flag.ContinueOnError)
	listen := flags.String("listen", "127.0.0.1:0", "address to listen on; port 0: any free one, printed")
	to := flags.String("to", "", "where requests go, such as http://127.0.0.1:6003")
	do := flags.String("do", "pass", "what is done to the header: strip, double, rewrite, lowercase, pass")
	header := flags.String("header", "traceparent", "the header that it is done to")
	if err := flags.Parse(arguments); err != nil {
		return err
	}
	target, err := url.Parse(*to)
	if err != nil || target.Host == "" || target.Scheme != "http" && target.Scheme != "https" || flags.NArg() > 0 {
		return fmt.Errorf("-to has to be an http or https URL, not %q, and nothing stands behind the options", *to)
	}
	meddle, err := meddling(*do, *header)
	if err != nil {
		return err
	}
	listener, err := net.Listen("tcp", *listen)
	if err != nil {
		return err
	}
	fmt.Printf("proxy listening on %s\n", listener.Addr())
	return serve(listener, newProxy(target, meddle))
}

// serve serves until the process is told to stop.
func serve(listener net.Listener, handler http.Handler) error {
	server := &http.Server{Handler: handler, ReadHeaderTimeout: stopTime}
	stop, cancel := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	defer cancel()
	stopped := make(chan struct{})
	context.AfterFunc(stop, func() {
		defer close(stopped)
		ending, cancel := context.WithTimeout(context.Background(), stopTime)
		defer cancel()
		if server.Shutdown(ending) != nil {
			_ = server.Close() // what is still running has had its time
		}
	})
	if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	<-stopped
	return nil
}
