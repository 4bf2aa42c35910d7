package raft

import (
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

// heldDisk counts the syncs that it is asked for, and can hold them up.
type heldDisk struct {
	MemStorage
	mu    sync.Mutex
	gate  chan struct{} // nil: open
	syncs int
}

func (d *heldDisk) Save(hs HardState, entries []Entry, sync bool) error {
	if sync {
		d.mu.Lock()
		d.syncs++
		gate := d.gate
		d.mu.Unlock()
		if gate != nil {
			<-gate
		}
	}
	return d.MemStorage.Save(hs, entries, sync)
}

// hold lets no sync end until release is called, which may be called twice.
func (d *heldDisk) hold() (release func()) {
	d.mu.Lock()
	defer d.mu.Unlock()
	gate := make(chan struct{})
	d.gate = gate
	return sync.OnceFunc(func() {
		d.mu.Lock()
		defer d.mu.Unlock()
		d.gate = nil
		close(gate)
	})
}

func (d *heldDisk) count() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.syncs
}

// The party's disks are such ones.
func heldParty(t *testing.T, n int) (*party, map[NodeID]*heldDisk) {
	disks := map[NodeID]*heldDisk{}
	return newParty(t, n, func(o *Options) {
		disks[o.ID] = &heldDisk{}
		o.Storage = disks[o.ID]
	}), disks
}

// D§10.2.1: a leader's disk is one of several, and works beside them.
func TestFollowersDoNotWaitForTheLeadersDisk(t *testing.T) {
	bubble(t, func(t *testing.T) {
		p, disks := heldParty(t, 3)
		l := p.leader()
		p.put(l, "x", "1")
		time.Sleep(time.Second) // all have it
		release := disks[l].hold()
		defer release()
		last := p.nodes[l].Status().Last
		done := make(chan error, 1)
		go func() {
			_, err := p.nodes[l].Propose(t.Context(), put("x", "2"))
			done <- err
		}()
		time.Sleep(300 * time.Millisecond) // less than a leader's disk may take
		for _, id := range p.ids {
			s := p.nodes[id].Status()
			require.True(t, s.Last == last+1 && s.Commit == last+1,
				"RULE disk-beside-network: the disk of %s, the leader, is not done with entry %d, and on %s the log ends at %d, committed to %d", l, last+1, id, s.Last, s.Commit)
		}
		require.Equal(t, last, p.nodes[l].Status().Durable)
		release()
		require.NoError(t, <-done)
	})
}

func TestWhatGathersDuringASyncSharesTheNext(t *testing.T) {
	bubble(t, func(t *testing.T) {
		p, disks := heldParty(t, 1)
		l := p.leader()
		p.put(l, "x", "0")
		synctest.Wait()
		release := disks[l].hold()
		defer release()
		const commands = 20
		done := make(chan error, commands)
		for range commands {
			go func() {
				_, err := p.nodes[l].Propose(t.Context(), put("x", "1"))
				done <- err
			}()
			synctest.Wait() // each is in a Ready of its own
		}
		before := disks[l].count() // the first one's is among them
		release()
		for range commands {
			require.NoError(t, <-done)
		}
		synctest.Wait()
		require.Equal(t, 1, disks[l].count()-before, "RULE sync-shared: %d commands gathered while the disk worked, and cost %d syncs", commands-1, disks[l].count()-before)
	})
}

func TestProposalsOfATurnShareAMessage(t *testing.T) {
	g := newGroup(t, 3, nil)
	l := g.elect()
	g.settle()
	const commands = 64
	for range commands {
		_, _, err := l.Propose([]byte("x"))
		require.NoError(t, err)
	}
	sent := l.Ready().Messages
	require.Len(t, sent, 2, "RULE batched: messages for %d commands of a turn and two followers", commands)
	for _, m := range sent {
		require.True(t, m.Type == AppendEntries && len(m.Entries) == commands, "RULE batched: %s with %d of %d commands of a turn", m.Type, len(m.Entries), commands)
	}
}
