package measure

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strconv"
	"time"
)

const loopbackLimit = time.Minute

// serve measures what a server uses for requests that another process makes.
func serve(work *Work, c *Case, effort Effort) error {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	s := &http.Server{Handler: work.Loopback.Handler, ReadHeaderTimeout: loopbackLimit}
	go func() { _ = s.Serve(listener) }()
	defer func() { _ = s.Close() }()
	load := exec.Command(os.Args[0], "-load", listener.Addr().String(), "-case", c.id(),
		"-batches", strconv.Itoa(effort.Batches), "-calls", strconv.Itoa(effort.Calls))
	load.Stderr = os.Stderr
	next, err := load.StdinPipe()
	if err != nil {
		return err
	}
	said, err := load.StdoutPipe()
	if err != nil {
		return err
	}
	if err := load.Start(); err != nil {
		return err
	}
	timer := time.AfterFunc(loopbackLimit, func() { _ = load.Process.Kill() })
	defer timer.Stop()
	var out sample
	lines := bufio.NewScanner(said)
	for lines.Scan() { // two lines for each batch: it is ready, it is done
		began := cpuTime()
		if _, err := io.WriteString(next, "go\n"); err != nil || !lines.Scan() {
			break
		}
		out.Nanoseconds = append(out.Nanoseconds, float64((cpuTime()-began).Nanoseconds())/float64(effort.Calls))
	}
	if err := load.Wait(); err != nil {
		return fmt.Errorf("the load on %s: %w", c.id(), err)
	}
	if len(out.Nanoseconds) < effort.Batches {
		return fmt.Errorf("the load on %s ended early", c.id())
	}
	if work.Done != nil {
		if err := work.Done(Sets + effort.Calls/4 + effort.Batches*effort.Calls); err != nil {
			return err
		}
	}
	return json.NewEncoder(os.Stdout).Encode(out)
}

// load is the other process: it checks the answer to each set, then makes calls in batches as it is told.
func load(c *Case, address string, effort Effort) error {
	work, err := c.Start()
	if err != nil {
		return err
	}
	conn, err := net.Dial("tcp", address)
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close() }()
	if err := conn.SetDeadline(time.Now().Add(loopbackLimit)); err != nil {
		return err
	}
	p := &peer{Conn: conn, reader: bufio.NewReader(conn), server: work.Loopback}
	for i := range Sets {
		if err := p.checked(i); err != nil {
			return fmt.Errorf("set %d: %w", i, err)
		}
	}
	if err := p.calls(effort.Calls / 4); err != nil { // warms the server up
		return err
	}
	told := bufio.NewScanner(os.Stdin)
	for range effort.Batches {
		fmt.Println("ready")
		if !told.Scan() {
			return io.ErrUnexpectedEOF
		}
		if err := p.calls(effort.Calls); err != nil {
			return err
		}
		fmt.Println("done")
	}
	return nil
}

// peer is a connection that is kept alive. There is one, with one request at a time: how often the server
// sleeps and wakes up then does not depend on what else the machine does.
type peer struct {
	net.Conn
	reader *bufio.Reader
	server *Loopback
}

func (p *peer) calls(n int) error {
	for i := range n {
		if err := p.quick(i % Sets); err != nil {
			return err
		}
	}
	return nil
}

func (p *peer) checked(i int) error {
	if _, err := p.Write(p.server.Request(i)); err != nil {
		return err
	}
	r, err := http.ReadResponse(p.reader, nil)
	if err != nil {
		return err
	}
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return err
	}
	return p.server.Answer(i, r, body)
}

// quick reads no more of an answer than it takes to find its end, so that the load uses little of the
// machine.
func (p *peer) quick(i int) error {
	if _, err := p.Write(p.server.Request(i)); err != nil {
		return err
	}
	const length = "Content-Length: "
	body := -1
	for {
		line, err := p.reader.ReadSlice('\n')
		if err != nil {
			return err
		}
		if len(line) == 2 {
			break
		}
		if len(line) > len(length) && string(line[:len(length)]) == length {
			if body, err = strconv.Atoi(string(line[len(length) : len(line)-2])); err != nil {
				return err
			}
		}
	}
	if body < 0 {
		return fmt.Errorf("an answer without a length")
	}
	_, err := p.reader.Discard(body)
	return err
}
