package towline

import (
	"fmt"
	"reflect"
	"strconv"
	"strings"
	"testing"
)

// mustParse reads a header of the vectors, which may be longer than a receiver would take.
func mustParse(t *testing.T, header string) Clock {
	t.Helper()
	c, err := parseClock(header, unlimited, anyTrace)
	if err != nil {
		t.Fatalf("refused: %q: %v", header, err)
	}
	return c
}

type vectorHop struct {
	Service  string `json:"service"`
	Instance string `json:"instance"`
	Nonce    string `json:"nonce"`
	Fork     uint32 `json:"fork"`
	Detached bool   `json:"detached"`
	Gap      bool   `json:"gap"`
}

type vectorNode struct {
	Tick  uint32                `json:"tick"`
	Ended bool                  `json:"ended,omitempty"`
	Lossy bool                  `json:"lossy,omitempty"`
	Open  map[string]vectorNode `json:"open,omitempty"`
	Seen  map[string]vectorNode `json:"seen,omitempty"`
}

type vectorClock struct {
	Trace string      `json:"trace"`
	Hops  []vectorHop `json:"hops"`
	Root  vectorNode  `json:"root"`
}

func nodeOf(k Known) vectorNode {
	return vectorNode{k.Tick, k.Ended, k.Lossy, nodesOf(k.Open), nodesOf(k.Seen)}
}

func nodesOf(list []Forks) map[string]vectorNode {
	if len(list) == 0 {
		return nil
	}
	out := map[string]vectorNode{}
	for _, f := range list {
		for tick := f.First; tick <= f.Last; tick++ {
			out[strconv.FormatUint(uint64(tick), 10)] = nodeOf(*f.node())
		}
	}
	return out
}

func treeOf(c Clock) vectorClock {
	out := vectorClock{Trace: fmt.Sprintf("%08x", c.Trace()), Root: nodeOf(c.Known())}
	for _, h := range c.Hops() {
		out.Hops = append(out.Hops, vectorHop{h.Service, h.Instance, fmt.Sprintf("%08x", h.Nonce), h.Fork, h.Detached, h.Gap})
	}
	return out
}

func TestVectorsClockCodec(t *testing.T) {
	var file struct {
		vectorHead
		Limits struct {
			Header int `json:"max_header"`
			Depth  int `json:"max_depth"`
			Tick   int `json:"max_tick"`
			Forks  int `json:"max_forks"`
		} `json:"limits"`
		Valid []struct {
			Header string      `json:"header"`
			Clock  vectorClock `json:"clock"`
		} `json:"valid"`
		Deepest string `json:"deepest"`
		Invalid []struct {
			Header string `json:"header"`
			Reason string `json:"reason"`
		} `json:"invalid"`
		Lenient []struct {
			Header    string `json:"header"`
			Canonical string `json:"canonical"`
		} `json:"lenient"`
	}
	readVectors(t, "clock-codec", &file)
	atLeast(t, "valid", len(file.Valid), 100)
	atLeast(t, "invalid", len(file.Invalid), 90)
	atLeast(t, "lenient", len(file.Lenient), 7)
	if d := DefaultLimits(); d.HeaderBytesMax != file.Limits.Header || d.LevelsMax != file.Limits.Depth ||
		d.ForksMax != file.Limits.Forks || tickMax != file.Limits.Tick {
		t.Errorf("limits are %+v and tick %d, the vectors say %+v", d, tickMax, file.Limits)
	}
	for _, v := range file.Valid {
		c, err := ParseClock(v.Header)
		if err != nil {
			t.Errorf("refused: %q: %v", v.Header, err)
			continue
		}
		if got := treeOf(c); !reflect.DeepEqual(got, v.Clock) {
			t.Errorf("%q\n is %+v\nnot %+v", v.Header, got, v.Clock)
		}
		if c.Format() != v.Header || c.lineage().clock().Format() != v.Header {
			t.Errorf("written %q and %q, not %q", c.Format(), c.lineage().clock().Format(), v.Header)
		}
	}
	if c, err := ParseClock(file.Deepest); err != nil || c.lineage().clock().Format() != file.Deepest {
		t.Errorf("deepest clock: %v", err)
	}
	for _, v := range file.Invalid {
		if c, err := ParseClock(v.Header); err == nil {
			t.Errorf("accepted %q as %q, expected %q", v.Header, c, v.Reason)
		}
		want := ReasonMalformed
		for detail, reason := range map[string]Reason{"version": ReasonVersion, "longer than": ReasonTooLong, "tick above": ReasonOverLimits, "more than": ReasonOverLimits} {
			if strings.HasPrefix(v.Reason, detail) {
				want = reason
			}
		}
		if _, err := ParseClock(v.Header); reasonOf(err) != want && !strings.HasSuffix(v.Header, `x="1`) {
			t.Errorf("%q: %v, the vectors say %q", v.Header, err, v.Reason)
		}
	}
	for _, v := range file.Lenient {
		if c, err := ParseClock(v.Header); err != nil || c.Format() != v.Canonical {
			t.Errorf("%q: %q, %v; expected %q", v.Header, c, err, v.Canonical)
		}
	}
}

func TestVectorsClockOrder(t *testing.T) {
	var file struct {
		vectorHead
		Order []struct {
			A     string `json:"a"`
			B     string `json:"b"`
			Order Order  `json:"order"`
		} `json:"order"`
		Merge []struct {
			A      string `json:"a"`
			B      string `json:"b"`
			Merged string `json:"merged"`
		} `json:"merge"`
	}
	readVectors(t, "clock-order", &file)
	atLeast(t, "order", len(file.Order), 600)
	atLeast(t, "merge", len(file.Merge), 60)
	mirror := map[Order]Order{Before: After, After: Before, Equal: Equal, Concurrent: Concurrent, Unknown: Unknown}
	for _, v := range file.Order {
		a, b := mustParse(t, v.A), mustParse(t, v.B)
		if got := a.Compare(b); got != v.Order {
			t.Errorf("%q\n%q\nare %s, not %s", v.A, v.B, got, v.Order)
		}
		if got := b.Compare(a); got != mirror[v.Order] {
			t.Errorf("%q\n%q\nare %s the other way", v.A, v.B, got)
		}
	}
	for _, v := range file.Merge {
		l, other := mustParse(t, v.A).lineage(), mustParse(t, v.B).lineage()
		was := l.tree()
		l.adopt(mergeKnown(was[0], other.tree()[0]), was)
		if got := l.clock().Format(); got != v.Merged {
			t.Errorf("%q\n%q\nmerge to %q,\nnot       %q", v.A, v.B, got, v.Merged)
		}
	}
}

type vectorStep struct {
	Op       string `json:"op"`
	Strand   string `json:"strand"`
	Service  string `json:"service"`
	Instance string `json:"instance"`
	Nonce    string `json:"nonce"`
	From     string `json:"from"`
	As       string `json:"as"`
	Detached bool   `json:"detached"`
	Tick     uint32 `json:"tick"`
	Clock    string `json:"clock"`
}

func TestVectorsClockScripts(t *testing.T) {
	var file struct {
		vectorHead
		Scripts map[string][]vectorStep `json:"scripts"`
		Refused []struct {
			Strand string `json:"strand"`
			Clock  string `json:"clock"`
			Reason string `json:"reason"`
		} `json:"refused"`
	}
	readVectors(t, "clock-scripts", &file)
	atLeast(t, "scripts", len(file.Scripts), 11)
	atLeast(t, "refused", len(file.Refused), 4)
	for name, steps := range file.Scripts {
		t.Run(name, func(t *testing.T) {
			run := script{strands: map[string]*Strand{}, stamps: map[string]Clock{}}
			for _, step := range steps {
				if got := run.act(t, step); got.Format() != step.Clock {
					t.Fatalf("%+v\ngave %q", step, got)
				}
			}
		})
	}
	for _, v := range file.Refused {
		s := strandOf(mustParse(t, v.Strand))
		if err := s.Receive(mustParse(t, v.Clock)); err == nil {
			t.Errorf("%q merged %q, expected %q", v.Strand, v.Clock, v.Reason)
		}
		if s.Stamp().Format() != v.Strand {
			t.Errorf("%q is %q after a clock that it refused", v.Strand, s.Stamp())
		}
	}
}

// strandOf resumes the strand of a stamp, which a program never does.
func strandOf(c Clock) *Strand {
	l := c.lineage()
	last := len(l.hops) - 1
	s := &Strand{trace: l.trace, first: l.hops[0].nonce, levels: len(l.hops), hop: l.hops[last], own: l.spine[last]}
	s.above = &lineage{trace: l.trace, hops: l.hops[:last:last], spine: l.spine[:last:last]}
	s.take(l)
	s.prefix = string(s.above.appendClock(nil))
	return s
}

type script struct {
	strands map[string]*Strand
	stamps  map[string]Clock
}

func (run *script) act(t *testing.T, step vectorStep) (got Clock) {
	t.Helper()
	s := run.strands[step.Strand]
	switch step.Op {
	case "given":
		got = mustParse(t, step.Clock)
	case "start":
		nonce, err := strconv.ParseUint(step.Nonce, 16, 32)
		if err != nil {
			t.Fatal(err)
		}
		if step.From == "" {
			s = StartStrand(0x1c80319c, step.Service, step.Instance, uint32(nonce))
		} else {
			s = StartStrandFrom(run.stamps[step.From], step.Service, step.Instance, uint32(nonce), false)
		}
		run.strands[step.Strand] = s
		got = s.Stamp()
	case "event":
		got = s.Event()
	case "send":
		got = s.Send(step.Detached)
	case "receive":
		if err := s.Receive(run.stamps[step.From]); err != nil {
			t.Fatal(err)
		}
		got = s.Stamp()
	case "lost":
		s.Lost(step.Tick)
		got = s.Stamp()
	case "end":
		got = s.End()
	default:
		t.Fatalf("unknown step %q", step.Op)
	}
	if step.As != "" {
		run.stamps[step.As] = got
	}
	return got
}

func TestVectorsClockCut(t *testing.T) {
	var file struct {
		vectorHead
		Cut []struct {
			Header string  `json:"header"`
			Budget int     `json:"budget"`
			Cut    *string `json:"cut"`
		} `json:"cut"`
	}
	readVectors(t, "clock-cut", &file)
	atLeast(t, "cut", len(file.Cut), 60)
	for _, v := range file.Cut {
		limits := DefaultLimits()
		limits.HeaderBytesMax = v.Budget
		got, err := mustParse(t, v.Header).Cut(limits)
		if v.Cut == nil {
			if err == nil {
				t.Errorf("%q cut to %d gives %q", v.Header, v.Budget, got)
			}
		} else if got != *v.Cut || err != nil {
			t.Errorf("%q cut to %d gives %q, %v\nnot %q", v.Header, v.Budget, got, err, *v.Cut)
		}
	}
}

func TestVectorsClockTracestate(t *testing.T) {
	var file struct {
		vectorHead
		Members []struct {
			Header string  `json:"header"`
			Member *string `json:"member"`
		} `json:"members"`
		Invalid []string `json:"invalid"`
		Gap     struct {
			Sender string      `json:"sender"`
			Member string      `json:"member"`
			First  string      `json:"first"`
			Second string      `json:"second"`
			Later  string      `json:"sender_later"`
			Orders [][3]string `json:"orders"`
		} `json:"gap"`
	}
	readVectors(t, "clock-tracestate", &file)
	atLeast(t, "members", len(file.Members), 100)
	atLeast(t, "invalid", len(file.Invalid), 13)
	for _, v := range file.Members {
		c := mustParse(t, v.Header)
		got := c.ToTracestate()
		if v.Member == nil {
			if got != "" {
				t.Errorf("%q gives a member of %d", v.Header, len(got))
			}
			continue
		}
		if got != *v.Member {
			t.Errorf("%q gives %q, not %q", v.Header, got, *v.Member)
		}
		back, err := ClockFromTracestate(got, c.Trace())
		if err != nil {
			t.Errorf("%q: %v", got, err)
			continue
		}
		want, have := treeOf(c), treeOf(back)
		for i := range want.Hops {
			want.Hops[i].Service, want.Hops[i].Instance = "_", ""
		}
		if !reflect.DeepEqual(have, want) {
			t.Errorf("%q is read as %+v, not %+v", got, have, want)
		}
	}
	for _, value := range file.Invalid {
		if c, err := ClockFromTracestate(value, 0x1c80319c); err == nil {
			t.Errorf("accepted member %q as %q", value, c)
		}
	}
	sender := mustParse(t, file.Gap.Sender)
	if got := sender.ToTracestate(); got != file.Gap.Member {
		t.Errorf("member %q, not %q", got, file.Gap.Member)
	}
	member, err := ClockFromTracestate(file.Gap.Member, sender.Trace())
	if err != nil {
		t.Fatal(err)
	}
	stamps := map[string]Clock{"sender": sender, "sender_later": mustParse(t, file.Gap.Later)}
	for name, want := range map[string]string{"first": file.Gap.First, "second": file.Gap.Second} {
		nonce := mustParse(t, want).Hops()[1].Nonce
		stamps[name] = StartStrandFrom(member, "d", "1", nonce, true).Stamp()
		if stamps[name].Format() != want {
			t.Errorf("%s is %q, not %q", name, stamps[name], want)
		}
	}
	for _, o := range file.Gap.Orders {
		if got := stamps[o[0]].Compare(stamps[o[1]]); string(got) != o[2] {
			t.Errorf("%s is %s to %s, not %s", o[0], got, o[1], o[2])
		}
	}
	caller := strandOf(sender)
	caller.Lost(sender.Tick())
	if got := caller.Event(); got != stamps["sender_later"] {
		t.Errorf("the sender's later clock is %q, not %q", got, stamps["sender_later"])
	}
}
