// Package cputime is the processor time that a process has used, which other work on
// the machine changes less than the wall's.
package cputime

import (
	"testing"
	"time"
)

// Process returns the user and system time of this process, and whether they are
// measured on this platform.
func Process() (time.Duration, bool) { return process() }

// Report makes a benchmark report the processor time of an operation, from now until stop
// is called.
func Report(b *testing.B) (stop func()) {
	start, ok := process()
	if !ok {
		return func() {}
	}
	return func() {
		end, _ := process()
		b.ReportMetric(float64(end-start)/float64(b.N), "cpu-ns/op")
	}
}
