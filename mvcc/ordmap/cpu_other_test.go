//go:build !unix

package ordmap

import "testing"

func reportCPU(*testing.B) (stop func()) { return func() {} }
