package measure

import (
	"encoding/json"
	"fmt"
	"os"
	"runtime"
	"syscall"
	"time"
)

// sample is what one process found.
type sample struct {
	Nanoseconds []float64 // of CPU time for one operation, one number for each batch
	Allocations float64   // for one operation
	Bytes       float64
}

// Effort is how long a process measures.
type Effort struct {
	Rounds  int
	Batches int
	Batch   time.Duration // of CPU time, about
	Calls   int           // in a batch over loopback
}

// yieldEvery lets what works in the background keep up, such as a batch processor of spans: there is one
// processor (GOMAXPROCS) in each process, so that nothing is done beside the measured loop for free.
const yieldEvery = 64

// child measures one case and writes a sample to standard output.
func child(c *Case, effort Effort) error {
	runtime.GOMAXPROCS(1)
	work, err := c.Start()
	if err != nil {
		return err
	}
	if work.Loopback != nil {
		return serve(work, c, effort)
	}
	if err := work.Check(); err != nil {
		return err
	}
	if work.Around == nil {
		work.Around = func(inside func()) { inside() }
	}
	var out sample
	total := 0
	run := func(n int) (took time.Duration) {
		total += n
		work.Around(func() {
			began := cpuTime()
			for i := range n {
				work.Each(i % Sets)
				if i%yieldEvery == yieldEvery-1 {
					runtime.Gosched()
				}
			}
			took = cpuTime() - began
		})
		return took
	}
	n := Sets
	for took := run(n); took < effort.Batch/2; took = run(n) { // and warm
		n *= 2
	}
	for range effort.Batches {
		out.Nanoseconds = append(out.Nanoseconds, float64(run(n).Nanoseconds())/float64(n))
	}
	out.Allocations, out.Bytes = allocated(work, n, &total)
	if work.Done != nil {
		if err := work.Done(total); err != nil {
			return err
		}
	}
	return json.NewEncoder(os.Stdout).Encode(out)
}

func allocated(work *Work, n int, total *int) (count, bytes float64) {
	*total += n
	work.Around(func() {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		for i := range n {
			work.Each(i % Sets)
			if i%yieldEvery == yieldEvery-1 {
				runtime.Gosched()
			}
		}
		runtime.ReadMemStats(&after)
		count = float64(after.Mallocs-before.Mallocs) / float64(n)
		bytes = float64(after.TotalAlloc-before.TotalAlloc) / float64(n)
	})
	return count, bytes
}

// cpuTime is what the process has used, its garbage collector included.
func cpuTime() time.Duration {
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		panic(fmt.Sprintf("getrusage: %v", err))
	}
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}
