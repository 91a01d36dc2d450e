package measure

import (
	"fmt"
	"slices"
	"strings"
)

// Find returns the result of a case; a zero one where there is none.
func Find(results []Result, group, name string) Result {
	at := slices.IndexFunc(results, func(r Result) bool { return r.Group == group && r.Name == name })
	if at < 0 {
		return Result{}
	}
	return results[at]
}

// Loopback reports whether allocations are not counted.
func (r *Result) Loopback() bool { return r.Group == "loopback" }

// Table writes results in Markdown, a table for each group.
func Table(results []Result) string {
	var out strings.Builder
	for i := range results {
		group := results[i].Group
		if slices.ContainsFunc(results[:i], func(r Result) bool { return r.Group == group }) {
			continue
		}
		groupTable(&out, results, group)
	}
	return out.String()
}

func groupTable(out *strings.Builder, results []Result, group string) {
	var rows []Result
	var rivals []Result
	for _, r := range results {
		if r.Group == group {
			rows = append(rows, r)
			if r.Rival {
				rivals = append(rivals, r)
			}
		}
	}
	over := slices.ContainsFunc(rows, func(r Result) bool { return r.Over != "" })
	fmt.Fprintf(out, "| %s | ns, minimum | median | allocations | bytes |", group)
	columns := 4
	if over {
		out.WriteString(" ns over bare | median over bare | allocations over bare |")
		columns += 3
		for _, rival := range rivals {
			fmt.Fprintf(out, " to %s |", rival.Name)
			columns++
		}
	}
	out.WriteString("\n|---|" + strings.Repeat("---:|", columns) + "\n")
	for _, r := range rows {
		fmt.Fprintf(out, "| %s | %.0f | %.0f |", r.Name, r.Min, r.Median)
		if r.Loopback() {
			out.WriteString(" | |")
		} else {
			fmt.Fprintf(out, " %.0f | %.0f |", r.Allocations, r.Bytes)
		}
		if over {
			overBare(out, results, r, rivals)
		}
		out.WriteString("\n")
	}
	out.WriteString("\n")
}

func overBare(out *strings.Builder, results []Result, r Result, rivals []Result) {
	if r.Over == "" {
		out.WriteString(strings.Repeat(" |", 3+len(rivals)))
		return
	}
	base := Find(results, r.Group, r.Over)
	fmt.Fprintf(out, " %.0f | %.0f |", r.Min-base.Min, r.Median-base.Median)
	if r.Loopback() {
		out.WriteString(" |")
	} else {
		fmt.Fprintf(out, " %.0f |", r.Allocations-base.Allocations)
	}
	for _, rival := range rivals {
		cost := rival.Min - Find(results, rival.Group, rival.Over).Min
		fmt.Fprintf(out, " %.2f |", (r.Min-base.Min)/cost)
	}
}
