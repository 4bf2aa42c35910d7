package limit

import (
	"math"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/flagship-go/flagship/internal/tries"
)

// clock is a monotonic clock that a test moves.
type clock struct{ now atomic.Int64 }

func (c *clock) elapsed() time.Duration  { return time.Duration(c.now.Load()) }
func (c *clock) advance(d time.Duration) { c.now.Add(int64(d)) }

func bucket(t testing.TB, rate float64, burst int, c *clock) *Bucket {
	b, err := NewBucket(rate, burst, c.elapsed)
	require.NoError(t, err)
	return b
}

func taken(b *Bucket, tries int) (n int) {
	for range tries {
		if b.Allow() {
			n++
		}
	}
	return n
}

func TestBucketBeginsFullAndFillsAtItsRate(t *testing.T) {
	var c clock
	c.advance(time.Hour) // a clock has any beginning
	b := bucket(t, 10, 5, &c)
	require.Equal(t, 5, taken(b, 10))
	c.advance(100*time.Millisecond - 1)
	require.Equal(t, 0, taken(b, 10), "RULE L1: a token came too early")
	c.advance(1)
	require.Equal(t, 1, taken(b, 10))
	c.advance(300 * time.Millisecond)
	require.Equal(t, 3, taken(b, 10))
	c.advance(100 * time.Hour)
	require.Equal(t, 5, taken(b, 10), "RULE L1: a bucket that has been left alone holds more than its burst")
}

func TestRetryAfterIsWhenATokenComes(t *testing.T) {
	var c clock
	b := bucket(t, 10, 2, &c)
	require.Zero(t, b.RetryAfter())
	require.Equal(t, 2, taken(b, 2))
	require.Equal(t, 100*time.Millisecond, b.RetryAfter())
	c.advance(30 * time.Millisecond)
	require.Equal(t, 70*time.Millisecond, b.RetryAfter())
	require.Equal(t, 70*time.Millisecond, b.RetryAfter(), "to ask takes nothing")
	c.advance(b.RetryAfter())
	require.Zero(t, b.RetryAfter())
	require.True(t, b.Allow())
	require.Equal(t, 100*time.Millisecond, b.RetryAfter())
}

// L1, as it is written: for each pair of calls that were let through, the number of those between
// them is at most burst + rate*time. It is a random walk of the clock, also backwards.
func TestNoIntervalGetsMoreThanBurstAndRate(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	for range tries.Of(200, 40) {
		rate := math.Exp(rng.Float64()*16 - 2) // 0.1 to a million a second
		burst := 1 + rng.IntN(20)
		var c clock
		b := bucket(t, rate, burst, &c)
		token := time.Duration(1e9 / rate)
		var real, at time.Duration // what has really passed, and the latest of the bucket's clock
		var let []time.Duration
		for range 500 {
			step := time.Duration(rng.ExpFloat64() * float64(token) * 0.7)
			if rng.IntN(20) == 0 {
				c.advance(-step * 3) // goes back
			} else {
				c.advance(step)
			}
			if now := c.elapsed(); now > at {
				real, at = real+now-at, now
			}
			if b.Allow() {
				let = append(let, real)
			}
		}
		for i := range let {
			for j := i; j < len(let); j++ {
				if most := float64(burst) + rate*(let[j]-let[i]).Seconds(); float64(j-i+1) > most+1e-6 {
					t.Fatalf("RULE L1: %v a second, burst %d: %d in %v", rate, burst, j-i+1, let[j]-let[i])
				}
			}
		}
	}
}

// What is rounded is rounded up, once for all tokens, and adds up to nothing else.
func TestNothingDrifts(t *testing.T) {
	var c clock
	b := bucket(t, 3, 1, &c)
	n, times := 0, tries.Of(100_000, 20_000)
	for range times {
		c.advance(b.RetryAfter())
		if b.Allow() {
			n++
		}
	}
	require.Equal(t, times, n)
	require.Equal(t, time.Duration(times-1)*333_333_334*time.Nanosecond, c.elapsed(), "RULE L1: more than 3 a second")
}

func TestClockThatGoesBackGivesNothing(t *testing.T) {
	var c clock
	c.advance(time.Hour)
	b := bucket(t, 1, 3, &c)
	require.Equal(t, 3, taken(b, 3))
	c.advance(-time.Minute)
	require.Zero(t, taken(b, 10), "RULE L1: time that goes back gives tokens")
	c.advance(time.Minute)
	require.Zero(t, taken(b, 10), "RULE L1: time that comes again gives tokens")
	c.advance(time.Second)
	require.Equal(t, 1, taken(b, 10))
}

// Callers at once: the bucket has no lock, and none of them may take the same token.
func TestCallersAtOnceShareOneBucket(t *testing.T) {
	const callers, calls, burst = 8, 2000, 100
	var c clock
	b := bucket(t, 1e6, burst, &c)
	var let atomic.Int64
	var wg sync.WaitGroup
	for range callers {
		wg.Go(func() {
			for i := range calls {
				if b.Allow() {
					let.Add(1)
				}
				if i%4 == 0 {
					c.advance(time.Microsecond)
				}
			}
		})
	}
	wg.Wait()
	require.LessOrEqual(t, let.Load(), int64(burst+callers*calls/4), "RULE L1: a token was taken twice")
	require.GreaterOrEqual(t, let.Load(), int64(burst))
	c.advance(time.Hour)
	require.Equal(t, burst, taken(b, 2*burst))
}

func TestQuotasThatMakeNoSenseAreRefused(t *testing.T) {
	for _, q := range []struct {
		rate  float64
		burst int
		want  string
	}{
		{0, 1, "limit: a rate of 0 a second"},
		{-1, 1, "limit: a rate of -1 a second"},
		{math.NaN(), 1, "limit: a rate of NaN a second"},
		{math.Inf(1), 1, "limit: a rate of +Inf a second"},
		{1e10, 1, "limit: a rate of 1e+10 a second"},
		{1, 0, "limit: a burst of 0"},
		{1, -3, "limit: a burst of -3"},
		{1e-5, 1 << 30, "limit: a burst of 1073741824 at 1e-05 a second takes more than 70 years to fill"},
		{math.SmallestNonzeroFloat64, 1, "limit: a burst of 1 at 5e-324 a second"},
	} {
		_, err := NewBucket(q.rate, q.burst, nil)
		require.ErrorContains(t, err, q.want)
		_, err = NewKeyed[string](KeyedOptions{Rate: q.rate, Burst: q.burst})
		require.ErrorContains(t, err, q.want)
	}
	_, err := NewKeyed[string](KeyedOptions{Rate: 1, Burst: 1, Max: -1})
	require.ErrorContains(t, err, "limit: buckets for -1 clients")
}
