// Command quick runs Towline's cases a little, checks what comes out, and fails where one allocates more
// often over bare than is recorded in allocations.txt. It never fails for a time.
package main

import (
	"bufio"
	"fmt"
	"math"
	"os"
	"strconv"
	"strings"
	"time"

	"towline.invalid/benches/go/cases"
	"towline.invalid/benches/go/measure"
)

const recordedFile = "allocations.txt"

func main() {
	results, _, err := measure.Run(cases.All(), measure.Effort{Rounds: 2, Batches: 3, Batch: 20 * time.Millisecond, Calls: 1024})
	if err == nil {
		err = compare(results)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "benches/go:", err)
		os.Exit(1)
	}
}

func compare(results []measure.Result) error {
	recorded, err := readRecorded()
	if err != nil {
		return err
	}
	fmt.Print(measure.Table(results))
	worse := 0
	for _, r := range results {
		if strings.HasPrefix(r.Name, cases.Bare) || r.Loopback() {
			continue
		}
		id := r.Group + ", " + r.Name
		now := int(math.Round(r.Allocations - measure.Find(results, r.Group, r.Over).Allocations))
		was, known := recorded[id]
		switch {
		case !known:
			fmt.Fprintf(os.Stderr, "%s: %d is not recorded in %s\n", id, now, recordedFile)
			worse++
		case now > was:
			fmt.Fprintf(os.Stderr, "%s: %d allocations, recorded are %d\n", id, now, was)
			worse++
		case now < was:
			fmt.Fprintf(os.Stderr, "%s: %d allocations; lower the recorded %d\n", id, now, was)
		}
	}
	if worse > 0 {
		return fmt.Errorf("more allocations than recorded: %d", worse)
	}
	return nil
}

// readRecorded reads lines of a count and the case that it is of.
func readRecorded() (map[string]int, error) {
	file, err := os.Open(recordedFile)
	if err != nil {
		return nil, err
	}
	defer func() { _ = file.Close() }()
	out := map[string]int{}
	lines := bufio.NewScanner(file)
	for lines.Scan() {
		count, id, _ := strings.Cut(lines.Text(), "\t")
		if strings.HasPrefix(count, "#") {
			continue
		}
		n, err := strconv.Atoi(count)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", recordedFile, err)
		}
		out[id] = n
	}
	return out, lines.Err()
}
