package cputime

import (
	"syscall"
	"time"
)

// process returns the user and system time that the process has used.
func process() (time.Duration, bool) {
	self, err := syscall.GetCurrentProcess()
	if err != nil {
		return 0, false
	}
	var created, exited, kernel, user syscall.Filetime
	if err := syscall.GetProcessTimes(self, &created, &exited, &kernel, &user); err != nil {
		return 0, false
	}
	// A Filetime of a duration counts units of 100 ns; its own Nanoseconds
	// would subtract the years before 1970.
	units := func(f syscall.Filetime) int64 { return int64(f.HighDateTime)<<32 + int64(f.LowDateTime) }
	return time.Duration(100 * (units(kernel) + units(user))), true
}
