package raft

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// With equal clocks a lease may be as long as the election timeout. Ticks are
// not in step, though: a voter's first tick may come right behind its answer,
// and its tenth when the leader has counted nine.
//
//	n1  | answered . . . . 1 . . . . 2  ...  . . . . 9 . . . read
//	n2  |          1 . . . . 2 . . . .  ...  9 . . . . 10: it campaigns
func TestALeaseIsOverBeforeVotersAreFree(t *testing.T) {
	for lease := 2; lease <= 10; lease++ {
		g := newGroup(t, 3, func(c *Config) { c.Lease = lease })
		g.cores[1].timeout = 10
		for range 10 {
			g.tick(2, 3, 1)
		}
		require.Equal(t, Leader, g.cores[1].role)
		g.propose(1)
		g.tick(1)
		decidedAtOnce := func(id uint64) bool {
			require.NoError(t, g.cores[1].ReadIndex(id))
			rd := g.cores[1].Ready()
			return len(rd.Reads) > 0
		}
		require.True(t, decidedAtOnce(1), "lease %d was just renewed", lease)
		g.cut[1] = true
		g.cores[2].timeout = 10
		for range 9 {
			g.tick(2, 3)
			g.tick(1)
		}
		g.tick(2, 3)
		require.Equal(t, Leader, g.cores[1].role)
		require.Equal(t, Leader, g.cores[2].role)
		require.False(t, decidedAtOnce(2), "lease %d holds, but another leads", lease)
	}
}

// A loop that stands still for a little while, again and again, has missed
// ticks of its ticker; its clock must not be slower for that. When it stood
// still for long, the lease is over.
func TestTicksFollowTheClockAndNotTheTicker(t *testing.T) {
	bubble(t, func(t *testing.T) {
		core, err := NewCore(Config{ID: 1, Voters: []NodeID{1}, Lease: 10}, State{})
		require.NoError(t, err)
		for core.role != Leader || !core.lease.held {
			core.Tick()
			core.Synced(core.Ready().Seq)
		}
		const interval = 100 * time.Millisecond
		n := &Node{core: core, due: time.Now().Add(interval), opts: Options{TickInterval: interval}}
		n.opts.ElectionTicks = 10
		before := core.lease.now
		for range 20 {
			time.Sleep(195 * time.Millisecond)
			n.passTime()
			require.True(t, core.lease.held)
		}
		require.Equal(t, 39, core.lease.now-before, "ticks in 3.9 s")

		before = core.lease.now
		time.Sleep(time.Second)
		n.passTime()
		require.Equal(t, 1, core.lease.now-before, "one tick, no burst")
	})
}
