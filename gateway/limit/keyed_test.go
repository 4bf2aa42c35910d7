package limit

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/flagship-go/flagship/internal/tries"
)

func keyed[K comparable](t testing.TB, rate float64, burst, most int, c *clock) *Keyed[K] {
	k, err := NewKeyed[K](KeyedOptions{Rate: rate, Burst: burst, Max: most, Elapsed: c.elapsed})
	require.NoError(t, err)
	return k
}

func TestEachClientHasItsOwnBucket(t *testing.T) {
	var c clock
	k := keyed[string](t, 1, 2, 0, &c)
	for _, client := range []string{"alice", "bob"} {
		require.True(t, k.Allow(client))
		require.Zero(t, k.RetryAfter(client))
		require.True(t, k.Allow(client))
		require.Equal(t, time.Second, k.Take(client))
		require.Equal(t, time.Second, k.RetryAfter(client))
	}
	require.Zero(t, k.RetryAfter("carol"))
	require.Equal(t, 2, k.Metrics().Clients, "to ask keeps nothing")
	c.advance(time.Second)
	require.True(t, k.Allow("alice"))
	require.False(t, k.Allow("alice"))
}

// A keyed limiter that forgets nobody is as many buckets.
func TestKeyedGivesWhatBucketsGive(t *testing.T) {
	var c clock
	rng := rand.New(rand.NewPCG(3, 4))
	k, buckets := keyed[int](t, 7, 4, 10_000, &c), make([]*Bucket, 50)
	for i := range buckets {
		buckets[i] = bucket(t, 7, 4, &c)
	}
	for range tries.Of(20_000, 5_000) {
		c.advance(time.Duration(rng.IntN(5e6)))
		i := rng.IntN(len(buckets))
		if buckets[i].RetryAfter() != k.RetryAfter(i) || buckets[i].Allow() != k.Allow(i) {
			t.Fatalf("RULE L1: client %d has another bucket than a bucket", i)
		}
	}
}

// L2: who floods the limiter with clients fills it, and no more.
func TestClientsAreBoundedInNumber(t *testing.T) {
	for _, most := range []int{1, 10, 255, 1000, 3001}[:tries.Of(5, 4)] {
		var c clock
		k := keyed[int](t, 1, 2, most, &c)
		for i := range 5 * most {
			if !k.Allow(i) || k.Metrics().Clients > most {
				t.Fatalf("RULE L2: %d clients are kept, and %d allowed", k.Metrics().Clients, most)
			}
		}
		m := k.Metrics()
		require.Equal(t, most, m.Clients, "RULE L2: the limit is not used")
		require.Equal(t, uint64(4*most), m.Forgotten)
		total := 0
		for i := range k.shards {
			require.Len(t, k.shards[i].index, len(k.shards[i].slots), "RULE L2: the map has entries that no slot has")
			total += k.shards[i].max
		}
		require.Equal(t, most, total)
	}
}

// L2: whoever has a full bucket goes first, and forgetting it changes nothing. So as long as there are such,
// a limiter that forgets gives exactly what one gives that does not.
func TestForgettingAFullBucketIsNotNoticed(t *testing.T) {
	const most = 32
	var c clock
	rng := rand.New(rand.NewPCG(5, 6))
	k, all := keyed[int](t, 10, 3, most, &c), keyed[int](t, 10, 3, 100_000, &c)
	steps := tries.Of(100_000, 20_000)
	for step := range steps {
		// A call every 20 ms: a bucket lacks tokens for 300 ms at most, so at most 15 of 32 do.
		c.advance(20 * time.Millisecond)
		client := rng.IntN(200)
		if rng.IntN(2) == 0 {
			client = rng.IntN(3) // these come often enough to be limited
		}
		if all.Take(client) != k.Take(client) {
			t.Fatalf("RULE L2: step %d: client %d was forgotten while it owed", step, client)
		}
	}
	m := k.Metrics()
	require.Zero(t, m.Early)
	require.Greater(t, m.Forgotten, uint64(steps/10))
	require.Equal(t, 203-3, all.Metrics().Clients)
}

// L2: if all owe something, who has used up most is remembered: a flood does not wash the flooder's debts away.
func TestWhoOwesMostIsRememberedLongest(t *testing.T) {
	var c clock
	k := keyed[string](t, 0.001, 5, 32, &c)
	for range 5 {
		require.True(t, k.Allow("greedy"))
	}
	others := tries.Of(10_000, 2_000)
	for i := range others {
		require.True(t, k.Allow(fmt.Sprint("flood-", i)))
	}
	require.False(t, k.Allow("greedy"), "RULE L2: greedy has a new bucket, and others were nearer to full")
	require.Equal(t, uint64(others-31), k.Metrics().Early)
}

func TestKeyedByCallersAtOnce(t *testing.T) {
	const callers, calls, clients, burst = 8, 2000, 20, 10
	var c clock
	k := keyed[int](t, 1e3, burst, 1024, &c)
	var let [clients]atomic.Int64
	var wg sync.WaitGroup
	for g := range callers {
		wg.Go(func() {
			rng := rand.New(rand.NewPCG(7, uint64(g)))
			for range calls {
				if i := rng.IntN(clients); k.Allow(i) {
					let[i].Add(1)
				}
				c.advance(time.Microsecond)
			}
		})
	}
	wg.Wait()
	for i := range let {
		require.LessOrEqual(t, let[i].Load(), int64(burst+callers*calls/1000), "RULE L1: client %d", i)
		require.GreaterOrEqual(t, let[i].Load(), int64(burst))
	}
}

func TestNothingIsAllocated(t *testing.T) {
	var c clock
	b := bucket(t, 1e6, 10, &c)
	byName, byAddr := keyed[string](t, 1e6, 10, 4096, &c), keyed[netip.Addr](t, 1e6, 10, 4096, &c)
	addr := netip.MustParseAddr("2001:db8::1")
	byName.Allow("alice")
	byAddr.Allow(addr)
	require.Zero(t, testing.AllocsPerRun(100, func() {
		b.Allow()
		b.RetryAfter()
		byName.Take("alice")
		byAddr.Take(addr)
	}))
}
