//go:build !(goexperiment.simd && amd64)

package rs

// simdKernels returns none: this build has no vector instructions.
func simdKernels() []Kernel { return nil }
