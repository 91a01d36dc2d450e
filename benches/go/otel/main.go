// Command otel measures Towline and the official OpenTelemetry instrumentation of net/http over bare
// net/http.
package main

import (
	"fmt"
	"os"
	"slices"
	"time"

	"towline.invalid/benches/go/cases"
	"towline.invalid/benches/go/measure"
)

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "benches/go:", err)
		os.Exit(1)
	}
}

func run() error {
	all := slices.Concat(cases.All(), rivals())
	results, effort, err := measure.Run(all, measure.Effort{Rounds: 9, Batches: 4, Batch: 50 * time.Millisecond, Calls: 4096})
	if err != nil {
		return err
	}
	fmt.Print(report(results, effort))
	return nil
}
