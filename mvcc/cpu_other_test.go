//go:build !unix

package mvcc

import "testing"

func cpuNanos() int64 { return 0 }

func reportCPU(*testing.B) (stop func()) { return func() {} }

func cpuNanos() int64 { return 0 }
