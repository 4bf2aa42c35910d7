package main

import (
	"fmt"
	"io"
	"runtime"

	"github.com/flagship-go/flagship/internal/versus"
)

// heapTable shows what an idle replica keeps on the heap: what a program pays
// for each of ten thousand groups that nobody talks to.
func heapTable() table {
	return table{Table: versus.Table{Name: "heap"}, special: func(out io.Writer) {
		// Only the replicas, without what drives them.
		mine := heapOf(func() any { return newOurTrio().cores })
		theirs := heapOf(func() any {
			t := newEtcdTrio()
			return struct{ nodes, storage any }{t.nodes, t.storage}
		})
		fmt.Fprintf(out, "### Heap of an idle replica after its election\n\n")
		fmt.Fprintf(out, "* **%s**: <= 1024 B (%.0f B)\n\n", verdict(mine <= 1024), mine)
		fmt.Fprintf(out, "| contender | heap |\n| --- | ---: |\n| %s | %.0f B |\n| %s | %.0f B |\n\n", ours, mine, etcdSync, theirs)
	}}
}

// heapOf returns the bytes that a replica of a trio holds.
func heapOf(build func() any) float64 {
	const groups = 1000
	trios := make([]any, groups)
	before := heapInUse()
	for i := range trios {
		trios[i] = build()
	}
	used := heapInUse() - before
	runtime.KeepAlive(trios)
	return float64(used) / groups / 3
}

func heapInUse() uint64 {
	runtime.GC()
	runtime.GC() // what finalizers and pools held on to
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}
