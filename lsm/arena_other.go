//go:build !(linux || darwin || freebsd || netbsd || openbsd || dragonfly)

package lsm

import "errors"

func mapAnonymous(int) ([]byte, error) { return nil, errors.ErrUnsupported }

func unmapAnonymous([]byte) {}
