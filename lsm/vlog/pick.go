package vlog

import (
	"cmp"
	"slices"
)

// Usage is how much of a file is alive: of its Size bytes, values that something
// points to take Live.
type Usage struct {
	File       uint64
	Size, Live int64
}

// Pick returns the files to rewrite now, so that all files together have at most
// maxAmplification times the bytes that are alive. Those with the largest part
// of garbage come first: they cost the least copying for what they give back.
// The files of one part come by number. It picks no more than are needed.
//
//	file   size  live        bound 1.5: (100+100+100) / (90+60+20) = 1.76
//	   1    100    90        rewrite 3:  (100+100+20) / 170        = 1.29
//	   2    100    60
//	   3    100    20  <--
//
// The caller passes sealed files. A file without live bytes needs no rewriting,
// is not picked, and does not count: it goes when its last reader does.
func Pick(files []Usage, maxAmplification float64) []uint64 {
	var size, live float64
	var candidates []Usage
	for _, f := range files {
		if f.Live <= 0 {
			continue
		}
		size, live = size+float64(f.Size), live+float64(f.Live)
		if f.Live < f.Size {
			candidates = append(candidates, f)
		}
	}
	slices.SortFunc(candidates, func(a, b Usage) int {
		x, y := float64(a.Live)/float64(a.Size), float64(b.Live)/float64(b.Size)
		return cmp.Or(cmp.Compare(x, y), cmp.Compare(a.File, b.File))
	})
	var picked []uint64
	for _, f := range candidates {
		if size <= maxAmplification*live {
			break
		}
		picked = append(picked, f.File)
		size -= float64(f.Size - f.Live)
	}
	return picked
}
