package versus

import (
	"os"
	"strconv"
	"strings"
)

// peakRSS returns the most memory that the process has had resident, in bytes.
// getrusage would not do: its ru_maxrss survives exec, so that a child begins
// with the peak of the process that started it.
func peakRSS() (int64, bool) {
	kib, err := strconv.ParseInt(strings.TrimSuffix(procField("/proc/self/status", "VmHWM"), " kB"), 10, 64)
	return kib << 10, err == nil
}

func cpuModel() string { return procField("/proc/cpuinfo", "model name") }

// procField returns the value of the first "key: value" line of a file in /proc.
func procField(path, key string) string {
	text, err := os.ReadFile(path)
	if err != nil {
		return ""
	}
	for line := range strings.Lines(string(text)) {
		if k, v, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(k) == key {
			return strings.TrimSpace(v)
		}
	}
	return ""
}
