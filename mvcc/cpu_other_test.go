//go:build !unix

package mvcc

import "testing"

func reportCPU(*testing.B) (stop func()) { return func() {} }
