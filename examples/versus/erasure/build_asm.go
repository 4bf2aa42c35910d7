//go:build !noasm

package main

const (
	peerBuild  = "klauspost with assembly"
	buildFlags = ""
)
