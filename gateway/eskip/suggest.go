package eskip

import (
	"iter"
	"strings"
)

// Suggest is the known name that is closest to one that nobody knows, or "" if none is close:
// at most a third of its letters are wrong, missing or too many. Case does not count. Of
// names that are equally close it is the first in the alphabet.
func Suggest(name string, known iter.Seq[string]) string {
	best, least := "", len(name)/3+1
	for k := range known {
		d := distance(strings.ToLower(name), strings.ToLower(k))
		if d < least || d == least && best != "" && k < best {
			best, least = k, d
		}
	}
	return best
}

// distance is how many bytes must be changed, added, taken away or, two neighbours, exchanged:
// Levenshtein's, with the mistake that fingers make most often (optimal string alignment).
func distance(a, b string) int {
	// Of the parts of a that end at i, i-1 and i-2: the distance to each part of b.
	row, last, before := make([]int, len(b)+1), make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		row, last, before = before, row, last
		row[0] = i + 1
		for j := range len(b) {
			changed := last[j]
			if a[i] != b[j] {
				changed++
			}
			row[j+1] = min(changed, last[j+1]+1, row[j]+1)
			if i > 0 && j > 0 && a[i] == b[j-1] && a[i-1] == b[j] {
				row[j+1] = min(row[j+1], before[j-1]+1)
			}
		}
	}
	return row[len(b)]
}
