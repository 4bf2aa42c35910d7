package blocksync

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/flagship-go/flagship/bft/types"
	"github.com/stretchr/testify/require"
)

var syncs = flag.Uint64("syncs", 100, "how many `seeds` TestASyncEndsAmongLiars tries")

var begin = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

func newSchedule(change ...func(*schedule)) *schedule {
	s := &schedule{next: 1, latest: begin, blocks: map[types.Height]*slot{}, limits: limits{window: 8, perPeer: 3, maxBuffer: 1 << 20, timeout: 10 * time.Second, minPeers: 1, patience: 5 * time.Second, grace: begin.Add(5 * time.Second)}}
	for _, f := range change {
		f(s)
	}
	return s
}

func block(h types.Height) *types.Block { return &types.Block{Header: types.Header{Height: h}} }

func TestTheLowestAreAskedForOfWhoHasTheFewestRequests(t *testing.T) {
	s := newSchedule(func(s *schedule) { s.seen = 1 })
	s.join("a", begin)
	s.join("b", begin)
	require.Equal(t, []order{{"a", 0}, {"b", 0}}, s.take(), "each is asked how far it is")
	s.status("a", 1, 100, begin)
	require.Equal(t, []order{{"a", 1}, {"a", 2}, {"a", 3}}, s.take(), "RULE B1: as much as one peer may be asked for")
	s.status("b", 5, 100, begin)
	require.Equal(t, []order{{"b", 5}, {"b", 6}, {"b", 7}}, s.take(), "RULE B1: what it says that it has, in parallel")
	s.received("a", block(1), 10, begin)
	require.Equal(t, []order{{"a", 4}}, s.take())
	first, _ := s.pair()
	require.Nil(t, first)
	s.received("a", block(2), 10, begin)
	require.Equal(t, []order{{"a", 8}}, s.take(), "RULE B1: up to the window")
	first, second := s.pair()
	require.Equal(t, []types.Height{1, 2}, []types.Height{first.block.Height, second.block.Height})
	s.applied(begin)
	s.received("a", block(3), 10, begin)
	require.Equal(t, []order{{"a", 9}}, s.take(), "RULE B1: which moves on")
}

func TestTheWindowIsBounded(t *testing.T) {
	s := newSchedule(func(s *schedule) { s.seen, s.perPeer = 1, 100 })
	s.join("a", begin)
	s.status("a", 1, 100, begin)
	require.Len(t, s.take(), 1+8, "RULE B1: a window, and not the whole chain")
}

func TestWhoDoesNotAnswerIsReplaced(t *testing.T) {
	s := newSchedule(func(s *schedule) { s.seen = 1 })
	for _, id := range []string{"a", "b"} {
		s.join(id, begin)
		s.status(id, 1, 3, begin)
	}
	require.Equal(t, []order{{"a", 0}, {"a", 1}, {"a", 2}, {"a", 3}, {"b", 0}}, s.take())
	at, ok := s.deadline(begin.Add(9 * time.Second))
	require.True(t, ok)
	require.Equal(t, begin.Add(10*time.Second), at)
	s.tick(at.Add(-1))
	require.Empty(t, s.take())
	s.tick(at)
	require.Equal(t, []order{{"b", 1}, {"b", 2}, {"b", 3}}, s.take(), "RULE B1: others are asked")
	s.received("a", block(1), 10, at)
	require.True(t, s.wants("b", 1), "RULE B1: what comes late is not taken")
	require.False(t, s.peer("a").slow, "and yet it was heard from")
}

func TestWhoKeepsTheOldestRequestBackIsNotInTime(t *testing.T) {
	s := newSchedule(func(s *schedule) { s.seen, s.window = 1, 100 })
	s.join("a", begin)
	s.status("a", 1, 100, begin)
	for i := range 20 {
		now := begin.Add(time.Duration(i) * time.Second)
		s.status("a", 1, 100, now)
		s.received("a", block(types.Height(i+2)), 1, now)
		s.tick(now)
	}
	require.True(t, s.peer("a").strikes > 0, "RULE B1: chatter is no answer")
}

func TestAPeerThatHasALittleLessThanItSaysIsAskedForThat(t *testing.T) {
	s := newSchedule(func(s *schedule) { s.seen = 1 })
	s.join("a", begin)
	s.status("a", 1, 3, begin)
	s.take()
	s.missing("a", 3, begin)
	require.Empty(t, s.take(), "RULE B1: not again")
	s.missing("a", 9, begin) // it was not asked
	require.Equal(t, types.Height(2), s.peer("a").top)
}

func TestMemoryIsBoundedByWhatBlocksAreSeenToTake(t *testing.T) {
	s := newSchedule(func(s *schedule) { s.maxBuffer = 100; s.perPeer = 100 })
	s.join("a", begin)
	s.status("a", 1, 100, begin)
	require.Equal(t, []order{{"a", 0}, {"a", 1}, {"a", 2}}, s.take(), "RULE B1: the first shows how large they are")
	s.received("a", block(2), 30, begin)
	require.Equal(t, []order{{"a", 3}}, s.take(), "RULE B1: 30 are here, and two more are coming")
	s.received("a", block(1), 90, begin)
	s.received("a", block(3), 90, begin)
	require.Empty(t, s.take(), "RULE B1: no room")
	s.applied(begin)
	require.Empty(t, s.take())
	s.applied(begin)
	require.Equal(t, []order{{"a", 4}}, s.take(), "RULE B1: what is needed next is asked for in any case")
}

func TestCaughtUpIsWhenThePeersHaveNoMore(t *testing.T) {
	s := newSchedule(func(s *schedule) { s.seen = 1; s.minPeers = 2 })
	require.False(t, s.caughtUp(begin))
	s.join("a", begin)
	require.False(t, s.caughtUp(begin), "RULE B1: it has not said yet")
	s.status("a", 0, 0, begin)
	require.False(t, s.caughtUp(begin), "RULE B1: one is not enough")
	require.True(t, s.caughtUp(begin.Add(5*time.Second)), "RULE B1: nobody else comes")
	s.join("b", begin)
	s.status("b", 1, 7, begin)
	s.take()
	for h := types.Height(1); h < 7; h++ {
		require.False(t, s.caughtUp(begin), "RULE B1: there is more")
		for _, k := range []types.Height{h, h + 1} {
			s.received("b", block(k), 1, begin)
		}
		s.applied(begin)
	}
	s.take()
	require.False(t, s.caughtUp(begin), "RULE B1: the others have gone on meanwhile")
	require.Equal(t, []order{{"a", 0}, {"b", 0}}, s.take(), "and are asked")
	s.status("a", 0, 0, begin)
	s.status("b", 1, 8, begin)
	s.received("b", block(8), 1, begin)
	require.False(t, s.caughtUp(begin), "RULE B1: another one can be verified")
	s.applied(begin)
	require.True(t, s.caughtUp(begin), "RULE B1: a few are not worth another question")
}

// A link that breaks in the middle of a sync, and a peer that pauses, are no reason to go on without blocks: the chain has more, as
// the last block has shown.
func TestWhoIsBehindWaitsForItsPeersToComeBack(t *testing.T) {
	fetching := func() (s *schedule, now time.Time) {
		s = newSchedule(func(s *schedule) { s.seen = 1 })
		s.join("a", begin)
		now = begin.Add(time.Minute) // long after the grace of the beginning
		s.status("a", 1, 1000, now)
		s.received("a", block(1), 1, now)
		s.received("a", block(2), 1, now)
		s.applied(now)
		require.False(t, s.caughtUp(now))
		return s, now
	}
	s, now := fetching()
	s.leave("a", now)
	require.False(t, s.caughtUp(now), "RULE B1: it takes part 998 blocks behind, since a link has broken")
	at, ok := s.deadline(now)
	require.True(t, ok && at.Equal(now.Add(15*time.Second)))
	require.True(t, s.caughtUp(at), "RULE B1: nobody comes back")

	s, now = fetching()
	now = now.Add(10 * time.Second)
	s.tick(now)
	require.True(t, s.peer("a").slow)
	require.False(t, s.caughtUp(now), "RULE B1: it takes part 998 blocks behind, since a peer has paused")
	s.take()
	s.received("a", block(3), 1, now.Add(time.Second))
	require.Len(t, s.take(), 3, "and goes on with it")
}

// Peers that come, say nothing, and leave for others before they are found to be slow do not keep a node from taking part.
func TestWhoComesAndGoesKeepsNobodyForLong(t *testing.T) {
	s := newSchedule()
	s.join("honest", begin)
	s.status("honest", 0, 0, begin)
	now := begin
	for i := 0; i == 0 || !s.caughtUp(now); i++ {
		require.LessOrEqual(t, now.Sub(begin), 130*time.Second, "RULE B1: it waits for ever")
		s.join(fmt.Sprint("liar ", i), now) // before the one before it leaves
		if i > 0 {
			s.leave(fmt.Sprint("liar ", i-1), now)
		}
		now = now.Add(9 * time.Second)
		s.tick(now)
	}
}

// A liar's block says nothing of how large the chain's are: else one that is large would leave a window of two for all of the sync.
func TestALiarsBlockIsNoMeasure(t *testing.T) {
	s := newSchedule(func(s *schedule) { s.maxBuffer, s.perPeer = 100, 2 })
	for _, id := range []string{"liar", "a", "b"} {
		s.join(id, begin)
		s.status(id, 1, 100, begin)
	}
	s.take()
	s.received("liar", block(1), 90, begin)
	s.received("liar", block(2), 90, begin)
	s.drop("liar", begin)
	require.Equal(t, []order{{"a", 1}, {"b", 2}}, s.take())
	s.received("a", block(1), 10, begin)
	s.received("b", block(2), 10, begin)
	require.Equal(t, []order{{"a", 3}, {"a", 4}, {"b", 5}, {"b", 6}}, s.take(), "RULE B1: as many as there is room for")
}

// A world is peers of all kinds, and the time.
type world struct {
	t      *testing.T
	seed   uint64
	r      *rand.Rand
	s      *schedule
	now    time.Time
	queue  []delivery
	actors map[string]*actor
	true   map[*types.Block]bool // made by somebody honest, or the same
	proves map[*types.Block]bool // its commit proves the block before
	top    types.Height
	joined int
	banned []string
}

type actor struct {
	honest  bool
	silent  float64 // how often it does not answer
	late    time.Duration
	false   float64 // how often a block is false
	claims  types.Height
	refuses float64
}

type delivery struct {
	at time.Time
	do func()
}

func (w *world) after(d time.Duration, do func()) {
	w.queue = append(w.queue, delivery{w.now.Add(d), do})
}

// join brings a peer of a random kind; the first is always honest.
func (w *world) join() {
	a := &actor{honest: w.joined == 0 || w.r.IntN(3) == 0, late: time.Duration(w.r.IntN(500)) * time.Millisecond}
	if !a.honest {
		switch w.r.IntN(5) {
		case 0:
			a.silent = w.r.Float64()
		case 1:
			a.false = w.r.Float64()
		case 2:
			a.claims = w.top * 1000
		case 3:
			a.late = time.Duration(w.r.IntN(30)) * time.Second
		case 4:
			a.refuses, a.claims = w.r.Float64(), w.top*2
		}
	}
	id := fmt.Sprint("peer ", w.joined)
	w.joined++
	w.actors[id] = a
	w.s.join(id, w.now)
}

func (w *world) leave(id string) {
	delete(w.actors, id)
	w.s.leave(id, w.now)
}

// obey has the peers answer, in their way.
func (w *world) obey() {
	for _, o := range w.s.take() {
		a := w.actors[o.peer]
		if a == nil || w.r.Float64() < a.silent {
			continue
		}
		answer := func(do func()) {
			w.after(a.late+time.Duration(w.r.IntN(20))*time.Millisecond, func() {
				if w.actors[o.peer] == a {
					do()
				}
			})
		}
		switch {
		case o.height == 0:
			answer(func() { w.s.status(o.peer, 1, max(w.top, a.claims), w.now) })
		case o.height > w.top && a.false == 0 || w.r.Float64() < a.refuses:
			answer(func() { w.s.missing(o.peer, o.height, w.now) })
		default:
			b := block(o.height)
			w.true[b], w.proves[b] = true, true
			if w.r.Float64() < a.false {
				w.true[b] = w.r.IntN(2) == 0
				w.proves[b] = w.true[b] == false && w.r.IntN(2) == 0
			}
			answer(func() { w.s.received(o.peer, b, 1000, w.now) })
		}
	}
}

// step applies what can be, and judges as verify.go does.
func (w *world) step() {
	for {
		first, second := w.s.pair()
		if first == nil {
			return
		}
		switch {
		case !w.proves[second.block]:
			w.ban(second.from)
		case !w.true[first.block]:
			w.ban(first.from)
		default:
			require.Equal(w.t, w.s.next, first.block.Height, "RULE B1: in order")
			w.s.applied(w.now)
		}
		w.obey()
	}
}

func (w *world) ban(id string) {
	w.banned = append(w.banned, id)
	require.Less(w.t, len(w.banned), 1000, "RULE B1: seed %d: what a liar has sent is judged again and again", w.seed)
	delete(w.actors, id)
	w.s.drop(id, w.now)
}

func (w *world) check() {
	require.LessOrEqual(w.t, len(w.s.blocks), w.s.window, "RULE B1: seed %d: the window", w.seed)
	held, asked := 0, map[string]int{}
	for h, b := range w.s.blocks {
		require.True(w.t, h >= w.s.next && h < w.s.next+types.Height(w.s.window), "RULE B1: seed %d: height %d in the window at %d", w.seed, h, w.s.next)
		if b.block != nil {
			held += b.size
		} else {
			asked[b.from]++
		}
	}
	require.Equal(w.t, held, w.s.held, "seed %d", w.seed)
	require.LessOrEqual(w.t, held, w.s.maxBuffer, "RULE B1: seed %d: memory", w.seed)
	for _, p := range w.s.peers {
		require.Equal(w.t, asked[p.id], p.asked, "seed %d: requests of %s", w.seed, p.id)
		require.LessOrEqual(w.t, p.asked, w.s.perPeer)
	}
}

// TestASyncEndsAmongLiars plays stories from seeds: whatever the others do, as long as one is honest and stays the node
// catches up, in bounded time, and nobody honest is banned.
func TestASyncEndsAmongLiars(t *testing.T) {
	for seed := range *syncs {
		w := &world{t: t, seed: seed, r: rand.New(rand.NewPCG(seed, 3)), now: begin, actors: map[string]*actor{}, true: map[*types.Block]bool{}, proves: map[*types.Block]bool{}, top: 100}
		w.s = newSchedule(func(s *schedule) { s.maxBuffer = 6000 })
		for range 1 + w.r.IntN(8) {
			w.join()
		}
		honest := map[string]bool{}
		done := false
		for !done {
			for id, a := range w.actors {
				honest[id] = a.honest
			}
			w.obey()
			w.step()
			w.check()
			w.s.tick(w.now)
			w.obey()
			if done = w.s.caughtUp(w.now); done {
				break
			}
			w.obey()
			if w.r.IntN(40) == 0 {
				w.join()
			}
			if id := fmt.Sprint("peer ", 1+w.r.IntN(20)); w.r.IntN(40) == 0 && w.actors[id] != nil {
				w.leave(id)
			}
			if w.r.IntN(10) == 0 && w.top < 150 {
				w.top++
			}
			w.obey()
			w.advance()
			require.Less(t, w.now.Sub(begin), 10*time.Minute, "RULE B1: seed %d: it takes too long: at %d of %d", seed, w.s.next, w.top)
		}
		require.GreaterOrEqual(t, w.s.next, types.Height(100), "RULE B1: seed %d: not caught up", seed)
		for _, id := range w.banned {
			require.False(t, honest[id], "RULE B1: seed %d: %s was honest, and is banned", seed, id)
		}
	}
}

// advance goes to the next thing that happens.
func (w *world) advance() {
	at, ok := w.s.deadline(w.now)
	if !ok {
		at = w.now.Add(time.Second)
	}
	for _, d := range w.queue {
		if d.at.Before(at) {
			at = d.at
		}
	}
	w.now = at
	var due []delivery
	w.queue = slices.DeleteFunc(w.queue, func(d delivery) bool {
		if !d.at.After(at) {
			due = append(due, d)
			return true
		}
		return false
	})
	for _, d := range due {
		d.do()
	}
}
