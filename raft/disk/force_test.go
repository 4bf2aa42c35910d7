package disk

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"path/filepath"
	"strings"
	"testing"

	"github.com/flagship-go/flagship/internal/vfs"
	"github.com/flagship-go/flagship/raft"
	"github.com/stretchr/testify/require"
)

// survivor is the closed directory of node 1 of three: a snapshot, entries
// behind it, and two behind the commit index.
func survivor(t testing.TB) (*MemFS, raft.State) {
	mem := NewMemFS()
	s := open(t, mem)
	grow(t, s, 1, 120)
	require.NoError(t, s.Save(raft.HardState{Term: 3, VotedFor: 2, Commit: 120}, entries(121, 122, 3), true))
	st := load(t, s)
	require.NoError(t, s.Close())
	return mem, st
}

func force(fs FS, cluster string) (*ForceReport, error) {
	o := options(fs)
	o.Logger = slog.New(slog.DiscardHandler)
	return ForceNewCluster(testDir, o, cluster)
}

func openAs(fs FS, cluster string) (*Storage, error) {
	o := options(fs)
	o.Cluster = cluster
	return Open(testDir, o)
}

func TestForcedClusterKeepsEveryEntryUnderAnotherName(t *testing.T) {
	mem, old := survivor(t)
	report, err := force(mem, "forced")
	require.NoError(t, err)
	s, err := openAs(mem, "forced")
	require.NoError(t, err)
	st := load(t, s)
	if len(st.Entries) != len(old.Entries)+1 || !same(normal(raft.State{Entries: st.Entries[:len(st.Entries)-1]}), raft.State{Entries: old.Entries}) {
		broken(t, "D7", "%s was forced to be %s", brief(old), brief(st))
	}
	last := st.Entries[len(st.Entries)-1]
	m, err := raft.DecodeMembership(last.Data)
	require.NoError(t, err)
	require.Equal(t, raft.Membership{Voters: []raft.NodeID{1}}, m)
	require.Equal(t, raft.HardState{Term: 4, VotedFor: 1, Commit: 123}, st.HardState)
	require.Equal(t, old.Snapshot, st.Snapshot)

	three := raft.Membership{Voters: []raft.NodeID{1, 2, 3}}
	require.Equal(t, &ForceReport{
		Dir: testDir, Node: 1, Kept: entries(121, 122, 3),
		Before: ClusterState{"test", raft.HardState{Term: 3, VotedFor: 2, Commit: 120}, 100, 122, 3, three},
		After:  ClusterState{"forced", st.HardState, 100, 123, 4, m},
	}, report)
	require.Equal(t, `node1: n1 is a cluster of its own now
  was   cluster "test", term 3, commit 120, last 122/t3, snapshot 100, voters [n1 n2 n3]
  is    cluster "forced", term 4, commit 123, last 123/t4, snapshot 100, voters [n1]
  kept  entries 121/t3 to 122/t3, not known to be committed before: they may have
        been acknowledged, and are committed now
  next  start n1 in cluster "forced", with the transport told the same; add members under
        IDs that were never used; never start the others on their old directories
`, report.String())

	// It goes on, through compactions of the record that forced it.
	for i := uint64(124); i <= 700; i++ {
		require.NoError(t, s.Save(raft.HardState{Term: 5, VotedFor: 1, Commit: i - 1}, entries(i, i, 5), true))
		if i%100 == 0 {
			require.NoError(t, s.SaveSnapshot(snapshotAt(i, 5)))
			require.NoError(t, s.Compact(i))
		}
	}
	require.NoError(t, s.Close())
	for range 2 {
		_, err = openAs(mem, "test")
		require.ErrorIs(t, err, ErrForeign)
	}
	s, err = openAs(mem, "forced")
	require.NoError(t, err)
	require.NoError(t, s.Close())
	report, err = force(mem, "again")
	require.ErrorIs(t, err, ErrForeign, "options ask for the cluster that it was")
	require.Nil(t, report)
	report, err = ForceNewCluster(testDir, &Options{FS: mem}, "again")
	require.NoError(t, err)
	require.Equal(t, "forced", report.Before.Cluster)
}

func TestForceIsLoud(t *testing.T) {
	for _, own := range []bool{true, false} {
		mem, _ := survivor(t)
		var heard bytes.Buffer
		logger := slog.New(slog.NewTextHandler(&heard, nil))
		o := &Options{FS: mem}
		if own {
			o.Logger = logger
		} else {
			was := slog.Default()
			slog.SetDefault(logger)
			defer slog.SetDefault(was)
		}
		_, err := ForceNewCluster(testDir, o, "forced")
		require.NoError(t, err)
		for _, part := range []string{"level=WARN", "must never be started again", "dir=" + testDir, "node=n1", `was="cluster \"test\"`, `is="cluster \"forced\"`, "kept=2"} {
			if !strings.Contains(heard.String(), part) {
				broken(t, "D7", "a cluster was forced, and %q is not said in %q", part, heard.String())
			}
		}
	}
}

func TestForceRefusesWhatItCannotSave(t *testing.T) {
	damage := func(t *testing.T) *MemFS {
		mem, _ := survivor(t)
		require.NoError(t, mem.FlipBit(filepath.Join(testDir, logDir, "0000000000000001.wal"), 8*100))
		return mem
	}
	stored := func(t *testing.T, f func(s *Storage)) *MemFS {
		mem := NewMemFS()
		s := open(t, mem)
		f(s)
		require.NoError(t, s.Close())
		return mem
	}
	removed := []raft.Entry{{Index: 1, Term: 1, Type: raft.EntryMembership, Data: raft.EncodeMembership(raft.Membership{Voters: []raft.NodeID{2, 3}})}}
	intact, _ := survivor(t)
	for name, c := range map[string]struct {
		mem     *MemFS
		node    raft.NodeID
		cluster string
		want    error
	}{
		"nothing there":     {NewMemFS(), 1, "forced", ErrNotMember},
		"a new directory":   {stored(t, func(*Storage) {}), 1, "forced", ErrNotMember},
		"only a vote":       {stored(t, func(s *Storage) { require.NoError(t, s.Save(raft.HardState{Term: 2, VotedFor: 2}, nil, true)) }), 1, "forced", ErrNotMember},
		"a removed node":    {stored(t, func(s *Storage) { require.NoError(t, s.Save(raft.HardState{Term: 1}, removed, true)) }), 1, "forced", ErrNotMember},
		"a damaged log":     {damage(t), 1, "forced", raft.ErrCorrupt},
		"another node":      {intact, 2, "forced", ErrForeign},
		"no name":           {intact, 1, "", raft.ErrInvalid},
		"the old name":      {intact, 1, "test", raft.ErrInvalid},
		"too long a name":   {intact, 1, string(make([]byte, maxCluster+1)), raft.ErrInvalid},
		"a state too young": {stored(t, func(s *Storage) { require.NoError(t, s.Save(raft.HardState{Commit: 9}, entries(1, 1, 0), true)) }), 1, "forced", raft.ErrCorrupt},
	} {
		t.Run(name, func(t *testing.T) {
			before := c.mem.Dump()
			_, err := ForceNewCluster(testDir, &Options{FS: c.mem, Node: c.node}, c.cluster)
			if !errors.Is(err, c.want) {
				broken(t, "D7", "forcing a cluster of %s: %v, want %v", name, err, c.want)
			}
			require.ErrorContains(t, err, testDir)
			if name == "nothing there" {
				require.Equal(t, before, c.mem.Dump(), "nothing was made")
			}
		})
	}
	s := open(t, intact)
	_, err := force(intact, "forced")
	require.ErrorIs(t, err, ErrLocked)
	require.NoError(t, s.Close())
}

// A directory whose first start named nobody takes its node from the options.
func TestForceNamesTheNodeOfAnAnonymousDirectory(t *testing.T) {
	mem := NewMemFS()
	s, err := Open(testDir, &Options{FS: mem})
	require.NoError(t, err)
	require.NoError(t, s.Save(raft.HardState{Term: 1}, entries(1, 3, 1), true))
	require.NoError(t, s.Close())
	_, err = ForceNewCluster(testDir, &Options{FS: mem}, "forced")
	require.ErrorIs(t, err, raft.ErrInvalid)
	report, err := ForceNewCluster(testDir, &Options{FS: mem, Node: 7}, "forced")
	require.NoError(t, err)
	require.Equal(t, raft.Membership{}, report.Before.Membership)
	require.Len(t, report.Kept, 3)
	s, err = Open(testDir, &Options{FS: mem, Node: 7, Cluster: "forced"})
	require.NoError(t, err)
	require.NoError(t, s.Close())
}

// judgeForced holds what is on a disk against the two states that may be.
func judgeForced(t *testing.T, fs FS, old raft.State, must bool, when string) {
	t.Helper()
	s, err := openAs(fs, "")
	if err != nil {
		broken(t, "D7", "the directory does not open %s: %v", when, err)
		return
	}
	st := load(t, s)
	require.NoError(t, s.Close())
	forced := st.HardState == raft.HardState{Term: 4, VotedFor: 1, Commit: 123}
	switch {
	case !forced && !same(normal(st), normal(old)):
		broken(t, "D7", "there is %s %s, and there was %s", brief(st), when, brief(old))
	case forced && (len(st.Entries) == 0 || st.Entries[len(st.Entries)-1].Index != 123):
		broken(t, "D7", "there is %s %s: the forced membership is not its end", brief(st), when)
	case must && !forced:
		broken(t, "D7", "it was forced, and there is %s %s", brief(st), when)
	}
	mine, others := "test", "forced"
	if forced {
		mine, others = others, mine
	}
	if s, err := openAs(fs, others); !errors.Is(err, ErrForeign) {
		broken(t, "D7", "there is %s, and it opens as of cluster %q %s: %v", brief(st), others, when, err)
		if err == nil {
			s.Close()
		}
	}
	if s, err = openAs(fs, mine); err != nil {
		broken(t, "D7", "there is %s, and it does not open as of cluster %q %s: %v", brief(st), mine, when, err)
		return
	}
	require.NoError(t, s.Close())
	if _, err = ForceNewCluster(testDir, &Options{FS: fs}, "forced"); forced != errors.Is(err, raft.ErrInvalid) || !forced && err != nil {
		broken(t, "D7", "tried again %s, there being %s: %v", when, brief(st), err)
	}
}

func TestPowerCutLeavesAClusterForcedOrNot(t *testing.T) {
	rng := rand.New(rand.NewPCG(9, 9))
	mem, old := survivor(t)
	ops := 0
	mem.Observe(func(op vfs.Op) {
		ops++
		for range 6 {
			judgeForced(t, mem.CrashClone(rng), old, false, fmt.Sprintf("after a power cut at op %v", op))
		}
		judgeForced(t, mem.CrashClone(nil), old, false, fmt.Sprintf("after the worst power cut at op %v", op))
		judgeForced(t, mem.CrashCloneKeepAll(), old, false, fmt.Sprintf("after the mildest power cut at op %v", op))
		judgeForced(t, mem.KillClone(), old, false, fmt.Sprintf("after a kill at op %v", op))
	})
	_, err := force(mem, "forced")
	require.NoError(t, err)
	mem.Observe(nil)
	require.Greater(t, ops, 8)
	judgeForced(t, mem.CrashClone(nil), old, true, "after it returned, and a power cut")
}

func TestFaultLeavesAClusterForcedOrNot(t *testing.T) {
	failed := 0
	for _, fault := range []error{vfs.ErrIO, vfs.ErrNoSpace} {
		for n := int64(1); ; n++ {
			mem, old := survivor(t)
			mem.Inject(vfs.Fault{At: mem.Ops() + n, Err: fault, Short: 100})
			report, err := force(mem, "forced")
			if err != nil {
				failed++
				require.Nil(t, report)
			}
			struck := mem.Strikes() > 0
			mem.ClearFaults()
			judgeForced(t, mem.CrashClone(nil), old, err == nil, fmt.Sprintf("with %v at operation %d, and a power cut", fault, n))
			judgeForced(t, mem, old, err == nil, fmt.Sprintf("with %v at operation %d", fault, n))
			if !struck {
				break
			}
		}
	}
	require.Greater(t, failed, 8)
}
