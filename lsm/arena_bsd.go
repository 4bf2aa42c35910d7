//go:build darwin || freebsd || netbsd || openbsd || dragonfly

package lsm

// adviseHuge does nothing: these systems choose for themselves.
func adviseHuge([]byte) {}
