//go:build !(linux || darwin || windows)

package versus

// peakRSS is not measured here.
func peakRSS() (int64, bool) { return 0, false }

func cpuModel() string { return "" }
