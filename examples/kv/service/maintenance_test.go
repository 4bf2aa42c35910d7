package service_test

import (
	"bytes"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/flagship-go/flagship/examples/kv/service"
	"github.com/flagship-go/flagship/examples/kv/store"
	"github.com/flagship-go/flagship/raft"
)

// damaged is a storage behind whose back an entry changed, as no storage with
// checksums would let pass.
type damaged struct{ raft.Storage }

func (d damaged) Load() (raft.State, error) {
	st, err := d.Storage.Load()
	for i := range st.Entries {
		st.Entries[i].Data = bytes.Replace(st.Entries[i].Data, []byte("apple"), []byte("brick"), 1)
	}
	return st, err
}

func TestMembersWithOtherDataAreFound(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		disks := map[raft.NodeID]raft.Storage{}
		tune := func(o *service.Options) {
			if disks[o.Raft.ID] == nil {
				disks[o.Raft.ID] = &raft.MemStorage{}
			}
			o.Raft.Storage = disks[o.Raft.ID]
			o.CheckEvery = time.Minute
		}
		g := start(t, 3, tune)
		leader, victim := g.leader(), g.follower()
		value := &store.PutRequest{Key: []byte("a"), Value: []byte("apple")}
		_, err := leader.Put(t.Context(), value)
		require.NoError(t, err)
		g.cut(victim)
		require.NoError(t, put(leader))
		require.NoError(t, put(leader))
		differ, err := leader.CheckHashes(t.Context())
		require.NoError(t, err)
		rule(t, "S8", len(differ) == 0, "%v cannot be reached, and differ", differ)
		g.heal()
		time.Sleep(2 * time.Minute)
		rule(t, "S8", len(leader.Status().Alarms) == 0, "alarms without a reason: %v", leader.Status().Alarms)
		// One that has compacted elsewhere has other bytes, and the same data.
		g.cut(victim)
		_, err = leader.Compact(t.Context(), &store.CompactionRequest{Revision: 4})
		require.NoError(t, err)
		g.local.Cut(id(victim), false) // it can be asked, and has not heard
		differ, err = leader.CheckHashes(t.Context())
		require.NoError(t, err)
		rule(t, "S8", len(differ) == 0, "%v are about to compact, and differ", differ)
		g.heal()

		require.NoError(t, victim.Close())
		who := id(victim)
		disks[who] = damaged{disks[who]}
		g.add(who, []raft.NodeID{1, 2, 3}, tune)
		time.Sleep(2 * time.Minute)
		alarm := store.Alarm{Member: uint64(who), Type: store.AlarmCorrupt}
		rule(t, "S8", len(leader.Status().Alarms) == 1 && leader.Status().Alarms[0] == alarm, "a member differs, and the alarms are %v", leader.Status().Alarms)
		require.ErrorIs(t, put(leader), store.ErrCorrupt)
	})
}

func TestHistoryIsKeptForItsRetention(t *testing.T) {
	for name, x := range map[string]struct {
		how  service.AutoCompaction
		wait time.Duration
		want int64
	}{
		"not yet":      {service.AutoCompaction{Retention: time.Hour}, 50 * time.Minute, -1},
		"by age":       {service.AutoCompaction{Retention: time.Hour}, 70 * time.Minute, 11},
		"by number":    {service.AutoCompaction{Revisions: 4}, 6 * time.Minute, 7},
		"not so many":  {service.AutoCompaction{Revisions: 40}, 6 * time.Minute, -1},
		"not asked to": {service.AutoCompaction{}, 5 * time.Hour, -1},
	} {
		synctest.Test(t, func(t *testing.T) {
			g := start(t, 1, func(o *service.Options) {
				o.Compaction = x.how
				o.Raft.TickInterval = time.Second // these are hours
			})
			time.Sleep(time.Minute)
			for range 10 {
				require.NoError(t, put(g.leader()))
			}
			time.Sleep(x.wait - time.Minute)
			got := g.leader().Status().Store.CompactRevision
			rule(t, "S9", got == x.want, "%s: compacted at %d, not %d", name, got, x.want)
		})
	}
}
