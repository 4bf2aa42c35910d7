package peers

import (
	"maps"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/flagship-go/flagship/lsm/lsmtest"
)

// deviations are the rules that a peer is known not to keep, with why.
type deviations map[string]string

var peers = []struct {
	impl  lsmtest.Implementation
	known deviations
}{
	{
		impl: lsmtest.Implementation{
			Name: "pebble", Open: OpenPebble, Sets: []lsmtest.Set{{Name: "defaults"}, {Name: "small"}},
			Claims: lsmtest.Capabilities{EmptyKeys: true, Reverse: true, Snapshots: true, Maintenance: true, RangeDelete: true, Checkpoint: true, ReadOnly: true, Locked: true},
		},
		known: deviations{},
	},
	{
		impl: lsmtest.Implementation{
			Name: "badger", Open: OpenBadger, Sets: []lsmtest.Set{{Name: "defaults"}, {Name: "values apart"}},
			Claims: lsmtest.Capabilities{EmptyKeys: true, Snapshots: true, ReadOnly: true, Locked: true},
		},
		known: deviations{"empty-key": "it refuses the empty key, ErrEmptyKey"},
	},
	{
		impl: lsmtest.Implementation{
			Name: "goleveldb", Open: OpenGoleveldb, Sets: []lsmtest.Set{{Name: "defaults"}, {Name: "small"}},
			Claims: lsmtest.Capabilities{EmptyKeys: true, Reverse: true, Snapshots: true, Maintenance: true, ReadOnly: true, Locked: true},
		},
		known: deviations{},
	},
}

// TestPeersKeepTheRules grades the production stores by what they claim: the
// rules that they break are exactly the known ones.
func TestPeersKeepTheRules(t *testing.T) {
	for _, p := range peers {
		t.Run(p.impl.Name, func(t *testing.T) {
			p.impl.Runs = lsmtest.Runs{Logs: 2, Steps: 120}
			broken, kept := map[string]error{}, 0
			for _, r := range lsmtest.Grade(p.impl) {
				if r.Err != nil {
					broken[r.Rule.ID] = r.Err
				} else {
					kept++
				}
			}
			for id, err := range broken {
				if p.known[id] == "" {
					t.Errorf("%v", err)
				} else {
					t.Logf("known: %s: %s: %.300v", id, p.known[id], err)
				}
			}
			require.Subset(t, slices.Collect(maps.Keys(broken)), slices.Collect(maps.Keys(p.known)), "a deviation is gone: say so")
			require.Positive(t, kept)
			t.Logf("%d rules kept", kept)
		})
	}
}

// TestKilledBadger and TestKilledGoleveldb grade badger and goleveldb by what a killed process leaves.
// Pebble does not claim it: what it has acknowledged without a sync may be in a
// buffer of the process.
func TestKilledBadger(t *testing.T) { lsmtest.Run(t, killed(OpenBadger)) }

func TestKilledGoleveldb(t *testing.T) { lsmtest.Run(t, killed(OpenGoleveldb)) }

func killed(open func(lsmtest.Options) (lsmtest.Store, error)) lsmtest.Implementation {
	return lsmtest.Implementation{
		Name: "killed", Open: open, Claims: lsmtest.Capabilities{Kill: true}, Runs: lsmtest.Runs{Logs: 1, Steps: 50},
	}
}
