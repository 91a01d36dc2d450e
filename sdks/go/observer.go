package towline

// Kind is what a span is for.
type Kind string

// The kinds. A strand is of kind Client where a call without a context began it.
const (
	KindServer   Kind = "server"
	KindInternal Kind = "internal"
	KindClient   Kind = "client"
	KindProducer Kind = "producer" // of a message
	KindConsumer Kind = "consumer"
)

// Outcome is how a strand or a call ended.
type Outcome string

// The outcomes. A strand ends OK, with an Error (a panic, or a status of 500 and above) or Cancelled
// (the caller has gone). A call ends OK (answered with a clock), Lost (answered without one, whether or
// not one was sent, or with one that cannot be used), with an Error (no answer) or Cancelled (given up).
const (
	OutcomeOK        Outcome = "ok"
	OutcomeError     Outcome = "error"
	OutcomeCancelled Outcome = "cancelled"
	OutcomeLost      Outcome = "lost"
)

// StrandEvent tells of a strand that started or ended.
type StrandEvent struct {
	TraceID           TraceID
	SpanID            SpanID // the strand's own span
	ParentID          SpanID // zero where it began the trace
	Flags             Flags
	Kind              Kind
	Service, Instance string
	Clock             Clock   // the stamp of the start or the end
	Outcome           Outcome // of an end
}

// CallEvent tells of one attempt of an outgoing call that left or ended.
type CallEvent struct {
	TraceID  TraceID
	SpanID   SpanID // the attempt's client span
	ParentID SpanID // the caller's own span
	Flags    Flags
	Kind     Kind   // KindClient, or KindProducer of a message
	Host     string // empty of a message
	// ResendCount is how many attempts of the same request went before this one: redirects, and retries
	// that are said with [Resend].
	ResendCount int
	// Clock is what was sent, and after the end the caller's clock; zero where there was none, or
	// where it was sent in the form of v1.
	Clock   Clock
	Status  int     // of the answer, 0 where none came
	Outcome Outcome // of an end
}

// Observer is told what happens, in the goroutine where it happens: it should be quick. One that
// panics never breaks a request. Embed [BaseObserver] to implement some of the methods only.
//
// Source: spec/api.md, "Observers".
type Observer interface {
	OnStrandStart(StrandEvent)
	OnStrandEnd(StrandEvent)
	OnCallSent(CallEvent)
	OnCallAnswered(CallEvent)
	OnDropped(What, Reason)
}

// BaseObserver does nothing, for embedding.
type BaseObserver struct{}

// OnStrandStart implements [Observer].
func (BaseObserver) OnStrandStart(StrandEvent) {}

// OnStrandEnd implements [Observer].
func (BaseObserver) OnStrandEnd(StrandEvent) {}

// OnCallSent implements [Observer].
func (BaseObserver) OnCallSent(CallEvent) {}

// OnCallAnswered implements [Observer].
func (BaseObserver) OnCallAnswered(CallEvent) {}

// OnDropped implements [Observer].
func (BaseObserver) OnDropped(What, Reason) {}

// observed reports whether somebody listens beside the counters, so that stamps are worth their text.
func (t *Towline) observed() bool { return len(t.config.Observers) > 0 }

func (t *Towline) tell(one func(Observer)) {
	for _, o := range t.config.Observers {
		tellOne(o, one)
	}
}

// tellOne contains a panic: observing must never break what is observed.
func tellOne(o Observer, one func(Observer)) {
	defer func() { _ = recover() }()
	one(o)
}

// dropped counts and tells of something refused, withheld or cut.
func (t *Towline) dropped(what What, reason Reason) {
	t.counters.OnDropped(what, reason)
	if t.observed() {
		t.tell(func(o Observer) { o.OnDropped(what, reason) })
	}
}
