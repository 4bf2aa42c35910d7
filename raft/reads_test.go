package raft

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// Two questions of the leader and two answers, for one read or for 64.
func TestReadsThatComeTogetherCostTheMessagesOfOne(t *testing.T) {
	for _, reads := range []uint64{1, 64} {
		g := newGroup(t, 3, nil)
		l := g.elect()
		g.propose(1)
		answered := map[uint64]uint64{}
		g.store = func(id NodeID, rd Ready) {
			for _, r := range rd.Reads {
				require.False(t, r.Lost)
				answered[r.ID] = r.Index
			}
		}
		g.sent = 0
		for id := range reads {
			require.NoError(t, l.ReadIndex(id))
		}
		g.settle()
		require.Equal(t, 4, g.sent, "RULE read-round-shared: messages for %d reads and three nodes", reads)
		require.Len(t, answered, int(reads))
		for id, index := range answered {
			require.EqualValues(t, 2, index, "read %d: the no-op and a command are committed", id)
		}
	}
}
