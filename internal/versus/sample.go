package versus

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"time"

	"github.com/flagship-go/flagship/internal/cputime"
)

// A Metric is a kind of figure. Its text is used in tables, goals and JSON.
type Metric string

// The metrics. Of OpsPerSec more is better, of the others less.
const (
	OpsPerSec   Metric = "ops/s"
	CPUPerOp    Metric = "CPU/op"    // ns of user and system time of the process
	AllocsPerOp Metric = "allocs/op" // heap objects of the process
	BytesPerOp  Metric = "B/op"      // heap bytes of the process
	P50         Metric = "p50"       // ns
	P99         Metric = "p99"       // ns
	PeakRSS     Metric = "peak RSS"  // bytes, since the process began
)

var metrics = [...]Metric{OpsPerSec, CPUPerOp, AllocsPerOp, BytesPerOp, P50, P99, PeakRSS}

func (m Metric) moreIsBetter() bool { return m == OpsPerSec }

// sample is what one run of one contender gave. A metric that the platform or
// the contender does not have is absent.
type sample map[Metric]float64

// measure sets the contender up, lets it work and takes the figures. Only Run
// lies between the readings of the clock and the counters.
func measure(ctx context.Context, cfg Config, c Contender, cell Cell) (s sample, err error) {
	defer recovered(&err)
	runner, err := c.Setup(ctx, cell)
	if err != nil {
		return nil, fmt.Errorf("setting up: %w", err)
	}
	defer func() {
		if e := runner.Close(); e != nil {
			err = errors.Join(err, fmt.Errorf("closing: %w", e))
		}
	}()

	w := &Work{Cell: cell, ops: cfg.Ops, timed: cfg.Latency}
	defer context.AfterFunc(ctx, func() { w.stop.Store(true) })()
	runtime.GC()
	used, err := meterOf(runner)
	if err != nil {
		return nil, err
	}
	start := time.Now()
	if cfg.Ops == 0 {
		timer := time.AfterFunc(cfg.Duration, func() { w.up.Store(true) })
		defer timer.Stop()
	}
	err = runner.Run(ctx, w)
	elapsed := time.Since(start)
	s, usedErr := used()
	if err != nil {
		return nil, fmt.Errorf("running: %w", err)
	}
	if usedErr != nil {
		return nil, usedErr
	}
	ops, latency := w.total()
	if ops == 0 {
		return nil, errors.New("running: no operation was done")
	}
	n := float64(ops)
	for _, m := range []Metric{CPUPerOp, AllocsPerOp, BytesPerOp} {
		if _, ok := s[m]; ok {
			s[m] /= n
		}
	}
	s[OpsPerSec] = n / max(elapsed.Seconds(), 1e-9)
	if latency.n > 0 {
		s[P50], s[P99] = float64(latency.quantile(0.50)), float64(latency.quantile(0.99))
	}
	return s, nil
}

// meterOf reads the counters of whoever does the work, and returns what reads them again: what
// all operations have used.
func meterOf(runner Runner) (used func() (sample, error), err error) {
	remote, ok := runner.(Remote)
	if !ok {
		return ownMeter(), nil
	}
	before, err := remote.Usage()
	if err != nil {
		return nil, fmt.Errorf("usage before: %w", err)
	}
	return func() (sample, error) {
		after, err := remote.Usage()
		if err != nil {
			return nil, fmt.Errorf("usage after: %w", err)
		}
		s := sample{}
		if after.CPU > 0 {
			s[CPUPerOp] = float64(after.CPU - before.CPU)
		}
		if after.PeakRSS > 0 {
			s[PeakRSS] = float64(after.PeakRSS)
		}
		return s, nil
	}, nil
}

// ownMeter is that of this process.
func ownMeter() func() (sample, error) {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	cpu, hasCPU := cputime.Process()
	return func() (sample, error) {
		cpuAfter, _ := cputime.Process()
		runtime.ReadMemStats(&after)
		s := sample{
			AllocsPerOp: float64(after.Mallocs - before.Mallocs),
			BytesPerOp:  float64(after.TotalAlloc - before.TotalAlloc),
		}
		if hasCPU {
			s[CPUPerOp] = float64(cpuAfter - cpu)
		}
		return s, nil
	}
}
