package measure

import (
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"time"
)

// Result is what all rounds found of a case.
type Result struct {
	Case
	Min, Median        float64 // nanoseconds of CPU time for one operation
	Allocations, Bytes float64 // for one operation
}

// Run measures cases, each round all of them one after the other, each in a process of its own. Those
// processes run this program again, and do not come back from here. Flags change
// the effort; what it came to is returned.
func Run(cases []Case, effort Effort) ([]Result, Effort, error) {
	name := flag.String("case", "", "measures one case, as the program does by itself")
	address := flag.String("load", "", "calls the server at this address, as the program does by itself")
	batches := flag.Int("batches", effort.Batches, "with -load: how many")
	calls := flag.Int("calls", effort.Calls, "with -load: how many in a batch")
	only := flag.String("group", "", "measures the cases of this group only")
	flag.IntVar(&effort.Rounds, "rounds", effort.Rounds, "how often each case is measured")
	flag.Parse()
	if *name == "" {
		results, err := rounds(cases, effort, *only)
		return results, effort, err
	}
	err := errors.New("there is no such case")
	if at := slices.IndexFunc(cases, func(c Case) bool { return c.id() == *name }); at >= 0 {
		if *address != "" {
			err = load(&cases[at], *address, Effort{Batches: *batches, Calls: *calls})
		} else {
			err = child(&cases[at], effort)
		}
	}
	if err != nil {
		fmt.Fprintf(os.Stderr, "%s: %v\n", *name, err)
		os.Exit(1)
	}
	os.Exit(0)
	return nil, effort, nil
}

func rounds(cases []Case, effort Effort, group string) ([]Result, error) {
	if group != "" {
		cases = slices.DeleteFunc(slices.Clone(cases), func(c Case) bool { return c.Group != group })
	}
	samples := make([][]sample, len(cases))
	for round := range effort.Rounds {
		began := time.Now()
		for i := range cases {
			s, err := inProcess(&cases[i])
			if err != nil {
				return nil, fmt.Errorf("%s: %w", cases[i].id(), err)
			}
			samples[i] = append(samples[i], s)
		}
		fmt.Fprintf(os.Stderr, "round %d of %d: %.0f s\n", round+1, effort.Rounds, time.Since(began).Seconds())
	}
	out := make([]Result, len(cases))
	for i, c := range cases {
		out[i] = summed(c, samples[i])
	}
	return out, nil
}

func inProcess(c *Case) (s sample, err error) {
	cmd := exec.Command(os.Args[0], "-case", c.id())
	cmd.Stderr = os.Stderr
	said, err := cmd.Output()
	if err != nil {
		return s, err
	}
	return s, json.Unmarshal(said, &s)
}

func summed(c Case, samples []sample) Result {
	var all []float64
	out := Result{Case: c, Allocations: samples[0].Allocations, Bytes: samples[0].Bytes}
	for _, s := range samples {
		all = append(all, s.Nanoseconds...)
		out.Allocations, out.Bytes = min(out.Allocations, s.Allocations), min(out.Bytes, s.Bytes)
	}
	slices.Sort(all)
	out.Min, out.Median = all[0], all[len(all)/2]
	return out
}
