package lsm

import "golang.org/x/sys/unix"

// adviseHuge asks for pages of 2 MiB: a search goes all over the arena, and with
// small pages it waits for their addresses as long as for what is in them.
func adviseHuge(mem []byte) {
	// Without them the arena is slower, no more.
	_ = unix.Madvise(mem, unix.MADV_HUGEPAGE)
}
