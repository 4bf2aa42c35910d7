//go:build !unix

package main

import (
	"io/fs"
	"time"
)

// cpuTime is known on unix only.
func cpuTime() time.Duration { return 0 }

func allocated(info fs.FileInfo) int64 { return info.Size() }
