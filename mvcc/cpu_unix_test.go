//go:build unix

package mvcc

import (
	"syscall"
	"testing"
)

// reportCPU makes a benchmark report the processor time of an operation, which a
// busy machine changes less than the wall's.
func reportCPU(b *testing.B) (stop func()) {
	start := cpuNanos()
	return func() { b.ReportMetric(float64(cpuNanos()-start)/float64(b.N), "cpu-ns/op") }
}

func cpuNanos() int64 {
	var u syscall.Rusage
	if syscall.Getrusage(syscall.RUSAGE_SELF, &u) != nil {
		return 0
	}
	return u.Utime.Nano() + u.Stime.Nano()
}
