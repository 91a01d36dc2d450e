package towline

import "slices"

// findFork returns the place of the entry that holds fork t in an ascending list, or where one would go.
func findFork(list []Forks, t uint32) (int, bool) {
	low, high := 0, len(list)
	for low < high {
		middle := int(uint(low+high) >> 1)
		if list[middle].Last < t {
			low = middle + 1
		} else {
			high = middle
		}
	}
	return low, low < len(list) && list[low].First <= t
}

// pushFork appends f, joined to the last entry where the two are one range.
func pushFork(list []Forks, f Forks) []Forks {
	if n := len(list); n > 0 && f.Known == nil {
		if last := &list[n-1]; last.Known == nil && last.Lossy == f.Lossy && last.Last+1 == f.First {
			last.Last = f.Last
			return list
		}
	}
	return append(list, f)
}

// removeFork takes fork t out of the entry at place i.
func removeFork(list []Forks, i int, t uint32) []Forks {
	f := list[i]
	switch {
	case f.First == f.Last:
		return slices.Delete(list, i, i+1)
	case t == f.First:
		list[i].First++
	case t == f.Last:
		list[i].Last--
	default:
		list[i].Last = t - 1
		list = slices.Insert(list, i+1, Forks{First: t + 1, Last: f.Last, Lossy: f.Lossy})
	}
	return list
}

// replaceFork puts f, of one fork, in place of that fork in the entry at place i.
func replaceFork(list []Forks, i int, f Forks) []Forks {
	was := list[i]
	around := make([]Forks, 0, 5)
	low, high := i, i+1
	if low > 0 {
		low--
		around = append(around, list[low])
	}
	if was.First < f.First {
		around = pushFork(around, Forks{First: was.First, Last: f.First - 1, Lossy: was.Lossy})
	}
	around = pushFork(around, f)
	if f.Last < was.Last {
		around = pushFork(around, Forks{First: f.Last + 1, Last: was.Last, Lossy: was.Lossy})
	}
	if high < len(list) {
		around = pushFork(around, list[high])
		high++
	}
	return slices.Replace(list, low, high, around...)
}

// insertFork returns a copy of list with f in it, of a fork that list does not hold.
func insertFork(list []Forks, f Forks) []Forks {
	i, _ := findFork(list, f.First)
	out := make([]Forks, 0, len(list)+1)
	out = append(out, list[:i]...)
	out = append(out, f)
	return append(out, list[i:]...)
}
