package upstream

import (
	"math"
	"time"
)

// ramp is the share of its full load that an endpoint gets which came age ago: from 0 to 1 within
// the time of fading in. Caches are cold and code is not compiled yet when a process starts; at its full
// share it would begin with a queue.
//
//	1 |            ________
//	  |         __/               exponent 1: a straight line
//	  |      __/  .               exponent 2: later, and then faster
//	  |   __/   .
//	0 |__/___..____________ age
//	               ^ FadeIn
func ramp(age, fadeIn time.Duration, exponent float64) float64 {
	switch {
	case age >= fadeIn:
		return 1
	case age <= 0:
		return 0
	}
	x := float64(age) / float64(fadeIn)
	if exponent == 1 {
		return x
	}
	return math.Pow(x, exponent)
}

// faded is the i-th endpoint's ramp, measured by that of the oldest: when all are
// new, as at the start of a gateway, nobody has to wait for anybody.
func (v *view) faded(i int, now time.Duration) float64 {
	if v.since[i] == v.oldest {
		return 1
	}
	full := ramp(now-v.oldest, v.fadeIn, v.exponent)
	if full == 0 {
		return 1
	}
	return ramp(now-v.since[i], v.fadeIn, v.exponent) / full
}
