// Package oracle is a timestamp oracle (Percolator, §2.3): one for a whole store, so
// that the order of its timestamps is the order in which they were asked for.
//
// # The problem
//
// A reader that begins after a commit has returned must get a timestamp above it,
// wherever both ran. If one word gives out all timestamps, this holds by itself; what is
// left is that it must be fast, since every transaction asks twice, that it must
// never go back, and that it may be on another machine.
//
// # The picture
//
//	goroutines           [Batch]                      [Oracle]
//	  ask a --+
//	  ask b --+--> Allocate(3), on the wire ----> last += 3 --+
//	  ask c --+                                               | below the bound?
//	                                                          | then nothing waits
//	  ask d --+    these wait for it, and then                v
//	  ask e --+--> Allocate(2)                          file: the bound, 3 s ahead
//
// In one process there is no wire, and asking is one atomic addition. Over a wire there
// is one request under way at a time, and whoever comes meanwhile is in the next: the
// more ask, the more share a round trip. Nobody gets a timestamp out of a request that
// was under way before he asked, and none is kept in store: it might be below a commit
// that has returned in between (C1; the reader would miss it).
//
// The rules and the parts are those of package clock: read doc.go there; then
// oracle.go, and batch.go.
package oracle
