package main

import (
	"os"

	"golang.org/x/sys/windows"
)

// columns returns the width of the console that f is; ok is false if it is none,
// or one that does not understand escape sequences, which have to be asked for.
func columns(f *os.File) (n int, ok bool) {
	h := windows.Handle(f.Fd())
	var info windows.ConsoleScreenBufferInfo
	var mode uint32
	if windows.GetConsoleScreenBufferInfo(h, &info) != nil || windows.GetConsoleMode(h, &mode) != nil ||
		windows.SetConsoleMode(h, mode|windows.ENABLE_VIRTUAL_TERMINAL_PROCESSING) != nil {
		return 0, false
	}
	return int(info.Window.Right-info.Window.Left) + 1, true
}
