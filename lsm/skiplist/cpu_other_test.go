//go:build !unix

package skiplist

import "testing"

func reportCPU(*testing.B) (stop func()) { return func() {} }
