package split

import (
	"fmt"
	"math/bits"
	"time"
)

// Interval is a share of all hashes: those from 0 up to a limit. It is the split for two ways.
// A larger share is an interval that contains the smaller one, so that from 5 to 10 percent
// users are added and none is moved back (T2). The zero value is empty.
//
//	0                                                      2^63
//	|===|--------------------------------------------------|   5 %
//	|=======|----------------------------------------------|  10 %
type Interval struct {
	// limit is in units of 2^-63, so that also the whole has a number.
	limit uint64
}

const whole = 1 << 63

// NewInterval has a share from 0 to 1 of all hashes.
func NewInterval(share float64) (Interval, error) {
	if !(share >= 0 && share <= 1) { // NaN is neither
		return Interval{}, fmt.Errorf("split: a share of %v: it is from 0 (nobody) to 1 (everybody)", share)
	}
	// Exact: a multiplication by a power of two changes the exponent alone.
	return Interval{limit: uint64(share * whole)}, nil
}

// Has tells whether a hash is in the interval.
func (i Interval) Has(hash uint64) bool { return hash>>1 < i.limit }

// Share is the interval's part of the whole, from 0 to 1.
func (i Interval) Share() float64 { return float64(i.limit) / whole }

// Ramp is an interval that grows with time, as in Kong's canary: from Start on, for
// Duration, in Steps of equal size, from nobody to To.
//
//	To |              ________
//	   |          ___|
//	   |      ___|         Steps: 3
//	 0 |_____|
//	      Start   Start+Duration
//
// All replicas see the same ramp as far as their clocks agree.
type Ramp struct {
	Start time.Time
	// Duration is how long it takes. 0: everything at Start.
	Duration time.Duration
	// Steps is how many there are. 0: 1000, as in Kong.
	Steps int
	// To is the share at the end. 0: 1, everybody.
	To float64
}

// Validate tells what is wrong with a ramp.
func (r Ramp) Validate() error {
	switch {
	case r.Duration < 0:
		return fmt.Errorf("split: a ramp of %v: it takes 0 or longer", r.Duration)
	case r.Steps < 0:
		return fmt.Errorf("split: a ramp in %d steps: it has 1 or more, or 0 for 1000", r.Steps)
	}
	_, err := NewInterval(r.To)
	return err
}

// At is the interval at a time. A ramp that is not valid is empty at all times.
func (r Ramp) At(now time.Time) Interval {
	if r.Validate() != nil {
		return Interval{}
	}
	to, steps := Interval{limit: whole}, uint64(1000)
	if r.To > 0 {
		to, _ = NewInterval(r.To)
	}
	if r.Steps > 0 {
		steps = uint64(r.Steps)
	}
	elapsed := now.Sub(r.Start)
	switch {
	case elapsed < 0:
		return Interval{}
	case elapsed >= r.Duration:
		return to
	}
	step := scale(steps, uint64(elapsed), uint64(r.Duration))
	return Interval{limit: scale(to.limit, step, steps)}
}

// scale is x*part/of, rounded down, for part < of: no intermediate result is rounded, and none overflows.
func scale(x, part, of uint64) uint64 {
	hi, lo := bits.Mul64(x, part)
	q, _ := bits.Div64(hi, lo, of)
	return q
}
