package limit

import (
	"fmt"
	"hash/maphash"
	"sync"
	"time"
)

// KeyedOptions say how a keyed limiter is to be.
type KeyedOptions struct {
	// Rate is in tokens a second and Burst the most that a client can save up, as in NewBucket.
	Rate  float64
	Burst int
	// Max is for how many clients a bucket is kept. 0: 65536. A client takes about 64 bytes and its key.
	Max int
	// Elapsed is a monotonic clock from any beginning. Nil: the time since NewKeyed.
	Elapsed func() time.Duration
}

// Keyed has a bucket for each client: for each address, user or key. It keeps at most Max
// of them, however many clients come (L2). A client that nobody remembers has a full
// bucket, so a full one can be forgotten, and nobody notices. If there is none, a client
// gets tokens back that were spent: who is forgotten is then the one nearest to full.
// It is safe for concurrent use.
type Keyed[K comparable] struct {
	quota   quota
	elapsed func() time.Duration
	seed    maphash.Seed
	shards  []shard[K]
}

// KeyedMetrics count what became of the buckets of a Keyed.
type KeyedMetrics struct {
	// Clients is how many buckets there are now.
	Clients int
	// Forgotten is how many made room for others, and Early how many of those had not been full: Max is too low for what comes.
	Forgotten, Early uint64
}

const (
	maxShards = 64
	// perShard is at least what a shard holds: with less there would be too little to choose from.
	perShard = 256
	// looks is at how many buckets the hand looks for one that is full.
	looks = 32
)

// shard is a part of the clients: their buckets, in a circle with a hand that goes
// around it as in the CLOCK algorithm, and passes over those that are not full.
type shard[K comparable] struct {
	mu               sync.Mutex
	index            map[K]int32
	slots            []slot[K]
	max              int
	hand             int
	forgotten, early uint64
	_                [64]byte // shards are locked by different processors: each on cache lines of its own
}

type slot[K comparable] struct {
	key    K
	fullAt int64
}

// NewKeyed makes a limiter whose clients have keys of type K.
func NewKeyed[K comparable](o KeyedOptions) (*Keyed[K], error) {
	q, err := newQuota(o.Rate, o.Burst)
	if err != nil {
		return nil, err
	}
	if o.Max < 0 {
		return nil, fmt.Errorf("limit: buckets for %d clients: it is 1 or more, or 0 for 65536", o.Max)
	}
	if o.Max == 0 {
		o.Max = 65536
	}
	n := min(max(o.Max/perShard, 1), maxShards)
	k := &Keyed[K]{quota: q, elapsed: orSince(o.Elapsed), seed: maphash.MakeSeed(), shards: make([]shard[K], n)}
	for i := range k.shards {
		s := &k.shards[i]
		s.index = make(map[K]int32)
		s.max = o.Max / n
		if i < o.Max%n {
			s.max++
		}
	}
	return k, nil
}

// Allow takes a token of a client, and tells whether there was one.
func (k *Keyed[K]) Allow(key K) bool { return k.Take(key) == 0 }

// Take takes a token of a client. If there is none it takes nothing, and is how long it will be
// until there is one: what a client is told in Retry-After.
func (k *Keyed[K]) Take(key K) time.Duration {
	s := k.shard(key)
	s.mu.Lock()
	defer s.mu.Unlock()
	now := int64(k.elapsed())
	if i, ok := s.index[key]; ok {
		will, wait := k.quota.take(s.slots[i].fullAt, now)
		s.slots[i].fullAt = will
		return time.Duration(wait)
	}
	will, wait := k.quota.take(now, now)
	s.add(slot[K]{key, will}, now)
	return time.Duration(wait)
}

// RetryAfter is how long it takes until a client has a token; 0 if there is one now.
func (k *Keyed[K]) RetryAfter(key K) time.Duration {
	s := k.shard(key)
	s.mu.Lock()
	defer s.mu.Unlock()
	i, ok := s.index[key]
	if !ok {
		return 0
	}
	_, wait := k.quota.take(s.slots[i].fullAt, int64(k.elapsed()))
	return time.Duration(wait)
}

// Metrics counts over all shards.
func (k *Keyed[K]) Metrics() (m KeyedMetrics) {
	for i := range k.shards {
		s := &k.shards[i]
		s.mu.Lock()
		m.Clients += len(s.slots)
		m.Forgotten += s.forgotten
		m.Early += s.early
		s.mu.Unlock()
	}
	return m
}

// The seed is the process's own: nobody outside can choose keys that fall into one shard.
func (k *Keyed[K]) shard(key K) *shard[K] {
	if len(k.shards) == 1 {
		return &k.shards[0]
	}
	return &k.shards[maphash.Comparable(k.seed, key)%uint64(len(k.shards))]
}

// add keeps a bucket, in the place of another if there are too many.
func (s *shard[K]) add(n slot[K], now int64) {
	if len(s.slots) < s.max {
		s.index[n.key] = int32(len(s.slots))
		s.slots = append(s.slots, n)
		return
	}
	at := s.victim(now)
	s.forgotten++
	if s.slots[at].fullAt > now {
		s.early++
	}
	delete(s.index, s.slots[at].key)
	s.slots[at] = n
	s.index[n.key] = int32(at)
}

// victim moves the hand to the first bucket that is full, or else to the one nearest to full
// of those it has passed: who has used up most is remembered longest.
func (s *shard[K]) victim(now int64) int {
	best := s.hand
	for range min(looks, len(s.slots)) {
		at := s.hand
		s.hand = (s.hand + 1) % len(s.slots)
		if s.slots[at].fullAt < s.slots[best].fullAt {
			best = at
		}
		if s.slots[at].fullAt <= now {
			return at
		}
	}
	return best
}
