package main

import (
	"fmt"
	"strconv"
	"strings"
)

// maxDirs bounds what a pattern can stand for.
const maxDirs = 4096

// expand writes out what three dots stand for, as MinIO does:
//
//	/mnt/drive{1...3}       /mnt/drive1 /mnt/drive2 /mnt/drive3
//	/mnt/drive{08...10}     /mnt/drive08 /mnt/drive09 /mnt/drive10
//	/rack{1...2}/drive{1...2}   /rack1/drive1 /rack1/drive2 /rack2/drive1 /rack2/drive2
//
// Shells leave it alone: theirs has two dots.
func expand(pattern string) ([]string, error) {
	before, rest, ok := strings.Cut(pattern, "{")
	if !ok {
		if pattern == "" || strings.Contains(pattern, "}") || strings.Contains(pattern, "...") {
			return nil, fmt.Errorf("%q is no directory: three dots stand in braces, as in drive{1...8}", pattern)
		}
		return []string{pattern}, nil
	}
	within, after, ok := strings.Cut(rest, "}")
	first, last, dots := strings.Cut(within, "...")
	from, err1 := strconv.ParseUint(first, 10, 32)
	to, err2 := strconv.ParseUint(last, 10, 32)
	if !ok || !dots || err1 != nil || err2 != nil || from > to {
		return nil, fmt.Errorf("%q: in braces there must be two numbers, the smaller first, with three dots between, as in drive{1...8}", pattern)
	}
	if to-from >= maxDirs {
		return nil, fmt.Errorf("%q stands for %d directories; at most %d are possible", pattern, to-from+1, maxDirs)
	}
	tails := []string{""}
	if after != "" {
		var err error
		if tails, err = expandTail(after); err != nil {
			return nil, err
		}
	}
	var all []string
	for n := from; n <= to; n++ {
		for _, tail := range tails {
			all = append(all, fmt.Sprintf("%s%0*d%s", before, len(first), n, tail))
		}
	}
	if len(all) > maxDirs {
		return nil, fmt.Errorf("%q stands for %d directories; at most %d are possible", pattern, len(all), maxDirs)
	}
	return all, nil
}

// expandTail expands what follows the first braces.
func expandTail(tail string) ([]string, error) {
	if !strings.ContainsAny(tail, "{}") {
		return []string{tail}, nil
	}
	return expand(tail)
}
