//go:build race

package erasure_test

// Under the race detector everything takes ten times as long, and power cuts are
// in one goroutine: a look in passing will do.
func init() { cutEvery = 5 }
