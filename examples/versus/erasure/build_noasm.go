//go:build noasm

package main

const (
	peerBuild  = "klauspost without assembly"
	buildFlags = "-tags noasm "
)
