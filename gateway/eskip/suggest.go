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

// distance is Levenshtein's: how many bytes must be changed, added or taken away.
func distance(a, b string) int {
	row := make([]int, len(b)+1) // of the part of a so far, to each part of b
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			changed := diagonal
			if a[i] != b[j] {
				changed++
			}
			diagonal = row[j+1]
			row[j+1] = min(changed, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}
