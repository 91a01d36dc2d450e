// Package measure runs cases in processes of their own, in interleaved rounds, and compares the CPU
// time that they take.
package measure

import "net/http"

// Sets is how many different sets of headers a case goes through: one alone would flatter a parser.
const Sets = 512

// Case is one thing to measure.
type Case struct {
	Group string // cases are compared within their group
	Name  string // unique in the group
	Over  string // the name of the bare case of the group; empty: it is one itself, or there is none
	Rival bool   // against whose cost over bare the others are put
	Start func() (*Work, error)
}

func (c *Case) id() string { return c.Group + "/" + c.Name }

// Work is a case that is ready to run.
type Work struct {
	// Check reports whether the work is done at all: for each set the right header has to come out.
	Check func() error
	// Each does it once, with set number i.
	Each func(i int)
	// Around, unless nil, prepares what Each needs, calls inside, and takes it down. It is not measured.
	Around func(inside func())
	// Done, unless nil, is told at the end how often the work was done since Check, and may find fault.
	Done func(count int) error
	// Loopback is there instead of Each where the work is what a server does.
	Loopback *Loopback
}

// Loopback is a server to be called over the loopback device.
type Loopback struct {
	Handler http.Handler
	Request func(i int) []byte // as it is on the wire
	Answer  func(i int, r *http.Response, body []byte) error
}
