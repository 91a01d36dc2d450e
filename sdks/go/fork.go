package towline

import (
	"context"
	"sync"
	"time"
)

// Fork gives work that runs at once with other work of the request a strand of its own, so that the
// two are known to be concurrent. The strand is current in the context returned; join, called where
// the result is taken and so after the work is done, ends it and lets the caller's strand know all
// that it knows. A fork that is never joined stays open: nothing is claimed of it. A second join
// changes nothing. Without a current place, Fork changes nothing.
//
// It goes with any way to run goroutines:
//
//	var group errgroup.Group
//	for _, url := range urls {
//		child, join := towline.Fork(ctx)
//		defer join()
//		group.Go(func() error { return fetch(child, url) })
//	}
//	return group.Wait() // the joins come after it
func Fork(ctx context.Context) (child context.Context, join func()) {
	forked := fork(ctx)
	if forked == nil {
		return ctx, func() {}
	}
	return NewContext(ctx, forked.child), forked.join
}

// Go runs work in a goroutine of its own as a forked strand, which ends when work returns. wait waits
// for it, joins it, and returns its error; it may be called any number of times.
func Go(ctx context.Context, work func(context.Context) error) (wait func() error) {
	forked := fork(ctx)
	if forked != nil {
		ctx = NewContext(ctx, forked.child)
	}
	done := make(chan struct{})
	var err error
	go func() {
		defer close(done)
		err = work(ctx)
		if forked != nil {
			forked.child.End(outcomeOf(err))
		}
	}()
	return func() error {
		<-done
		if forked != nil {
			forked.join()
		}
		return err
	}
}

// forking is an attached strand of this process.
type forking struct {
	parent, child *Place
	tick          uint32
	once          sync.Once
}

func fork(ctx context.Context) *forking {
	p := FromContext(ctx)
	if p == nil {
		return nil
	}
	parent, stamp, tick := p.spawn(false)
	return &forking{parent: parent, child: parent.child(stamp, parent.carried.forked(deadlineOf(ctx))), tick: tick}
}

func (f *forking) join() {
	f.once.Do(func() {
		f.child.End(OutcomeOK)
		f.parent.strand.joinStrand(f.tick, &f.child.strand)
	})
}

// Each runs work as a forked strand and joins it: one message of a connection that lives longer, such as
// a WebSocket or a stream of gRPC, whose handler is one strand. It returns work's error.
//
//	for {
//		message, err := connection.Read(ctx)
//		…
//		err = towline.Each(ctx, func(ctx context.Context) error { return answer(ctx, message) })
//	}
func Each(ctx context.Context, work func(context.Context) error) error {
	forked := fork(ctx)
	if forked == nil {
		return work(ctx)
	}
	outcome := OutcomeError // where work panics
	defer func() {
		forked.child.End(outcome)
		forked.join()
	}()
	err := work(NewContext(ctx, forked.child))
	outcome = outcomeOf(err)
	return err
}

// Detach gives work that goes on beyond the request a strand of its own that nobody joins. The context
// returned keeps the values of ctx but not its end, as context.WithoutCancel does:
//
//	go audit(towline.Detach(r.Context()), order)
//
// When such work ends is not known, so it is not reported to observers; see [GoDetached].
func Detach(ctx context.Context) context.Context {
	loose := context.WithoutCancel(ctx)
	if p := FromContext(ctx); p != nil {
		parent, stamp, _ := p.spawn(true)
		return NewContext(loose, parent.child(stamp, parent.carried.forked(time.Time{})))
	}
	return loose
}

// GoDetached runs work in a goroutine of its own as a detached strand, which ends when work returns.
func GoDetached(ctx context.Context, work func(context.Context) error) {
	ctx = Detach(ctx)
	go func() {
		err := work(ctx)
		FromContext(ctx).End(outcomeOf(err))
	}()
}

// spawn forks at a new tick, and returns the stamp that the child starts from.
func (p *Place) spawn(detached bool) (parent *Place, stamp Clock, tick uint32) {
	parent, _ = p.act(func(s *Strand) error {
		var err error
		stamp, tick, err = s.spawn(detached)
		return err
	})
	return parent, stamp, tick
}

func outcomeOf(err error) Outcome {
	if err != nil {
		return OutcomeError
	}
	return OutcomeOK
}
