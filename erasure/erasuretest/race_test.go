//go:build race

package erasuretest

func init() { underRace = true }
