package versus

import "syscall"

// peakRSS returns the most memory that the process has had resident, in bytes,
// which is the unit of ru_maxrss on this system alone.
func peakRSS() (int64, bool) {
	var u syscall.Rusage
	err := syscall.Getrusage(syscall.RUSAGE_SELF, &u)
	return u.Maxrss, err == nil
}

func cpuModel() string {
	name, err := syscall.Sysctl("machdep.cpu.brand_string")
	if err != nil {
		return ""
	}
	return name
}
