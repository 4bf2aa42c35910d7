//go:build linux || darwin || freebsd || netbsd || openbsd || dragonfly

package lsm

import "golang.org/x/sys/unix"

func mapAnonymous(size int) ([]byte, error) {
	mem, err := unix.Mmap(-1, 0, size, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_ANON|unix.MAP_PRIVATE)
	if err == nil {
		adviseHuge(mem)
	}
	return mem, err
}

func unmapAnonymous(mem []byte) {
	// It fails for what is no mapping, and this is one.
	_ = unix.Munmap(mem)
}
