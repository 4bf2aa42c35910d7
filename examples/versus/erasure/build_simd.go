//go:build goexperiment.simd

package main

const buildPrefix = "GOEXPERIMENT=simd "
