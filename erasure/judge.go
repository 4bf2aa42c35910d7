// What is true of a version, given what the drives of its set say (E1, E3 to E5).
// See the essay in doc.go.

package erasure

// A verdict is what is known of a version.
type verdict int

const (
	// unknown: it may have been acknowledged and cannot be read now.
	unknown verdict = iota
	// settled: it is there, on as many drives as were asked for.
	settled
	// unfinished: it can be read, and fewer drives hold it than are asked for. It
	// is brought there before anybody is told of it.
	unfinished
	// never: it was not acknowledged, or it was deleted. It is removed before
	// anybody is told that it is not there.
	never
)

func (v verdict) String() string {
	return [...]string{"unknown", "settled", "unfinished", "never acknowledged"}[v]
}

// judge judges a version that so many drives hold while others are silent. All
// others of the set have said that they do not hold it.
//
//	            2 + 2, write quorum 3            6 + 2, write quorum 6
//	  silent     0  1  2  3  4          silent     0  1  2  3  4  5  6
//	holding 4    s                    holding 7    s  s
//	        3    s  s                         6    s  s  s
//	        2    u  u  u                      5    n  ?  ?  ?
//	        1    n  n  ?  ?                   4    n  n  ?  ?  ?
//	        0       n  n  ?  ?                3    n  n  n  ?  ?  ?
//
// s settled, u unfinished, n never, ? unknown. With the write quorum above half
// of the drives, what stands in a row s excludes that others were told of
// another state; in a row u it does so once the version is brought there.
func judge(g geometry, holding, silent int) verdict {
	switch quorum := g.writeQuorum(); {
	case holding >= quorum:
		return settled
	case holding >= g.data:
		return unfinished
	case holding+silent < quorum:
		return never
	}
	return unknown
}

// majority is the smallest write quorum that a version may have in a set of so
// many drives, whatever its geometry.
func majority(drives int) int { return drives/2 + 1 }

// judgeUnseen judges a version that no drive holds, so that its geometry is not
// known: nobody can tell whether there is one when those who are silent could
// have acknowledged it among themselves.
func judgeUnseen(drives, silent int) verdict {
	if silent < majority(drives) {
		return never
	}
	return unknown
}
