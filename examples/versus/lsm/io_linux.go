package main

import (
	"bytes"
	"os"
	"strconv"
)

// written returns the bytes that this process has caused to be written to disk,
// by write or through mapped pages. Pages that are written to again before the
// system has saved them count once.
func written() uint64 { return field("/proc/self/io", "write_bytes:") }

// anonymous returns the memory of this process that is no file's, in bytes.
func anonymous() uint64 { return field("/proc/self/status", "RssAnon:") << 10 }

func field(file, name string) uint64 {
	text, err := os.ReadFile(file)
	if err != nil {
		return 0
	}
	_, after, _ := bytes.Cut(text, []byte("\n"+name))
	words := bytes.Fields(after)
	if len(words) == 0 {
		return 0
	}
	n, _ := strconv.ParseUint(string(words[0]), 10, 64)
	return n
}
