//go:build race

package upstream

func init() { raceDetector = true }
