//go:build linux || darwin || freebsd

package erasure

import "syscall"

// diskUsage is the room of the file system that path is on, as a user without
// privileges sees it.
func diskUsage(path string) (Usage, error) {
	var s syscall.Statfs_t
	if err := syscall.Statfs(path, &s); err != nil {
		return Usage{}, err
	}
	size := int64(s.Bsize)
	return Usage{Total: int64(s.Blocks) * size, Free: int64(s.Bavail) * size}, nil
}
