package towline

import "math"

// Limits bound what is read from and written to a clock header. Source: spec/strand-clocks.md, "Wire form".
type Limits struct {
	HeaderBytesMax int // of the header, before blanks are trimmed; 4096 by default
	LevelsMax      int // hop number plus nesting; at most 64
	ForksMax       int // forks without known ticks that the whole header names; at most 65536
}

const (
	levelsMax     = 64
	forksMax      = 65536
	tickMax       = math.MaxInt32
	memberMax     = 256 // characters of our tracestate member's value
	headerDefault = 4096
)

// DefaultLimits are those of the specification.
func DefaultLimits() Limits {
	return Limits{HeaderBytesMax: headerDefault, LevelsMax: levelsMax, ForksMax: forksMax}
}

// unlimited reads what this process itself wrote: a stamp in memory may be longer than a header.
var unlimited = Limits{HeaderBytesMax: math.MaxInt, LevelsMax: math.MaxInt, ForksMax: math.MaxInt}
