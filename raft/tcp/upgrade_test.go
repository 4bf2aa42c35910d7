package tcp

import (
	"encoding/binary"
	"fmt"
	"io"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/flagship-go/flagship/raft"
)

// pretend is the codec of a build that speaks versions oldest to newest of the
// message encoding. In its version 2 and later a message has one more field,
// which begins it; seen counts those that came.
func pretend(oldest, newest byte, seen *atomic.Uint64) codec {
	return codec{
		oldest: oldest, newest: newest,
		encode: func(b []byte, version byte, m *raft.Message) []byte {
			if version >= 2 {
				b = append(b, version)
				b = binary.AppendUvarint(b, 42)
			}
			return raft.AppendMessage(b, m)
		},
		decode: func(b []byte) (raft.Message, error) {
			if len(b) > 1 && b[0] >= 2 {
				v, n := binary.Uvarint(b[1:])
				if v != 42 || n <= 0 || b[0] > newest {
					return raft.Message{}, fmt.Errorf("%w: version %d", raft.ErrVersion, b[0])
				}
				if seen != nil {
					seen.Add(1)
				}
				b = b[1+n:]
			}
			return raft.DecodeMessage(b)
		},
	}
}

// counter is a state machine that counts commands.
type counter struct{ n atomic.Uint64 }

func (c *counter) Apply(uint64, []byte) []byte {
	return binary.AppendUvarint(nil, c.n.Add(1))
}

func (c *counter) Snapshot() (io.WriterTo, error) {
	return strings.NewReader(fmt.Sprint(c.n.Load())), nil
}

func (c *counter) Restore(r io.Reader) error {
	var n uint64
	_, err := fmt.Fscan(r, &n)
	c.n.Store(n)
	return err
}

// commit proposes to whoever leads until a command is applied.
func commit(t *testing.T, nodes ...*raft.Node) *raft.Node {
	t.Helper()
	deadline := time.Now().Add(30 * time.Second)
	var err error
	for time.Now().Before(deadline) {
		for _, n := range nodes {
			if n == nil || n.Status().Role != raft.Leader {
				continue
			}
			if _, err = n.Propose(t.Context(), []byte("x")); err == nil {
				return n
			}
		}
		time.Sleep(5 * time.Millisecond) // until there is a leader
	}
	require.NoError(t, err, "no command was committed")
	t.Fatal("no leader")
	return nil
}

func TestClusterWorksThroughARollingUpgradeOfTheMessages(t *testing.T) {
	for _, plan := range []struct {
		name     string
		from, to byte
	}{{"up", 1, 2}, {"down again", 2, 1}} {
		t.Run(plan.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWire()
				var nodes [4]*raft.Node
				var transports [4]*Transport
				var disks [4]raft.MemStorage
				var states [4]*counter
				var newer atomic.Uint64
				run := func(id raft.NodeID, version byte) {
					transports[id] = w.prepare(t, id, func(o *Options) { o.codec = pretend(1, version, &newer) })
					states[id] = &counter{}
					var err error
					nodes[id], err = raft.Start(raft.Options{
						Config:  raft.Config{ID: id, Voters: []raft.NodeID{1, 2, 3}, Seed: uint64(id)},
						Storage: &disks[id], Transport: transports[id], StateMachine: states[id],
					})
					require.NoError(t, err)
					t.Cleanup(func() { nodes[id].Close() })
				}
				for id := raft.NodeID(1); id <= 3; id++ {
					run(id, plan.from)
				}
				commits := uint64(1)
				commit(t, nodes[1:]...)
				for id := raft.NodeID(1); id <= 3; id++ {
					require.NoError(t, nodes[id].Close())
					run(id, plan.to)
					commits++
					commit(t, nodes[1:]...)
					time.Sleep(3 * time.Second)
					for a := raft.NodeID(1); a <= 3; a++ {
						for b := raft.NodeID(1); b <= 3; b++ {
							if a == b {
								continue
							}
							want := min(versionAfter(a, id, plan.from, plan.to), versionAfter(b, id, plan.from, plan.to))
							require.Equal(t, want, peerStatus(transports[a], b).Version,
								"RULE T9: the newest common version is spoken: %s to %s after %s's turn", a, b, id)
						}
					}
				}
				require.Positive(t, newer.Load(), "new nodes use the new field among themselves")
				for id := raft.NodeID(1); id <= 3; id++ {
					require.Equal(t, commits, states[id].n.Load())
					require.Zero(t, transports[id].Metrics().Broken)
					require.NoError(t, nodes[id].Close())
				}
			})
		})
	}
}

// versionAfter is what node id speaks when the upgrade has reached node done.
func versionAfter(id, done raft.NodeID, from, to byte) byte {
	if id <= done {
		return to
	}
	return from
}
