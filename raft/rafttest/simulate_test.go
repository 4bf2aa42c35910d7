package rafttest

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/flagship-go/flagship/internal/vfs"
	"github.com/flagship-go/flagship/raft"
)

func entryRun(first uint64, terms ...uint64) []raft.Entry {
	var es []raft.Entry
	for i, term := range terms {
		es = append(es, raft.Entry{Index: first + uint64(i), Term: term})
	}
	return es
}

// What a storage must still have after a crash, and what it need not.
func TestPromiseOfTheDisk(t *testing.T) {
	hs := raft.HardState{Term: 2, VotedFor: 1}
	synced := func(p *simPromise) { p.saving(entryRun(1, 1, 1, 2)); p.saved(hs, entryRun(1, 1, 1, 2), true) }
	for _, c := range []struct {
		name string
		did  func(*simPromise)
		find raft.State
		kept bool
	}{
		{"all is there", synced, raft.State{HardState: hs, Entries: entryRun(1, 1, 1, 2)}, true},
		{"more is there", synced, raft.State{HardState: raft.HardState{Term: 3}, Entries: entryRun(1, 1, 1, 2, 3)}, true},
		{"an entry is gone", synced, raft.State{HardState: hs, Entries: entryRun(1, 1, 1)}, false},
		{"an entry is another", synced, raft.State{HardState: hs, Entries: entryRun(1, 1, 1, 1)}, false},
		{"the term is gone", synced, raft.State{HardState: raft.HardState{Term: 1}, Entries: entryRun(1, 1, 1, 2)}, false},
		{"the vote is gone", synced, raft.State{HardState: raft.HardState{Term: 2}, Entries: entryRun(1, 1, 1, 2)}, false},
		{"what was not synced is gone", func(p *simPromise) {
			synced(p)
			p.saved(hs, entryRun(4, 2), false)
		}, raft.State{HardState: hs, Entries: entryRun(1, 1, 1, 2)}, true},
		{"a Save that failed has replaced entries", func(p *simPromise) {
			synced(p)
			p.saving(entryRun(2, 3))
		}, raft.State{HardState: raft.HardState{Term: 3}, Entries: entryRun(1, 1, 3)}, true},
		{"a Save that failed has taken more", func(p *simPromise) {
			synced(p)
			p.saving(entryRun(2, 3))
		}, raft.State{HardState: raft.HardState{Term: 3}}, false},
		{"a snapshot stands for the entries", func(p *simPromise) {
			synced(p)
			p.savingSnapshot(2, 1)
			p.savedSnapshot(2, 1)
		}, raft.State{HardState: hs, Snapshot: &raft.Snapshot{Index: 2, Term: 1}, Entries: entryRun(3, 2)}, true},
		{"a snapshot takes what is behind it", func(p *simPromise) {
			synced(p)
			p.savingSnapshot(2, 1)
			p.savedSnapshot(2, 1)
		}, raft.State{HardState: hs, Snapshot: &raft.Snapshot{Index: 2, Term: 1}}, false},
		{"the snapshot is gone", func(p *simPromise) {
			synced(p)
			p.savedSnapshot(2, 1)
		}, raft.State{HardState: hs, Entries: entryRun(3, 2)}, false},
		{"the snapshot is gone, the entries are not", func(p *simPromise) {
			synced(p)
			p.savedSnapshot(2, 1)
		}, raft.State{HardState: hs, Entries: entryRun(1, 1, 1, 2)}, true},
		{"a leader's snapshot drops the log", func(p *simPromise) {
			synced(p)
			p.savingSnapshot(9, 2)
			p.savedSnapshot(9, 2)
		}, raft.State{HardState: hs, Snapshot: &raft.Snapshot{Index: 9, Term: 2}}, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			var p simPromise
			c.did(&p)
			err := p.kept(c.find)
			if !c.kept {
				require.ErrorContains(t, err, "RULE lost-write: ")
				return
			}
			require.NoError(t, err)
			p.loaded(c.find)
			require.NoError(t, p.kept(c.find), "what a node starts from, it relies on")
		})
	}
}

func TestStateMachineExecutesARepeatedCommandOnce(t *testing.T) {
	s := newSimState()
	command := func(index, seq uint64, kind simKind, value, expect uint64) (simAnswer, bool) {
		c := simCommand{client: firstClient, seq: seq, kind: kind, value: value, expect: expect}
		e := raft.Entry{Index: index, Term: 1, Data: c.encode(3)}
		got, answer, answered, err := s.apply(&e)
		require.NoError(t, err)
		require.Equal(t, c, got)
		return answer, answered
	}
	answer, _ := command(1, 1, simPut, 7, 0)
	require.Equal(t, simAnswer{0, true}, answer)
	answer, _ = command(2, 2, simCAS, 8, 7)
	require.Equal(t, simAnswer{7, true}, answer)
	answer, answered := command(3, 2, simCAS, 8, 7)
	require.Equal(t, simAnswer{7, true}, answer, "the answer of the first time")
	require.True(t, answered)
	_, answered = command(4, 1, simPut, 7, 0)
	require.False(t, answered, "an old command has no answer")
	require.Equal(t, uint64(8), s.keys[0])

	restored, err := decodeSimState(s.encode())
	require.NoError(t, err)
	require.Equal(t, s, restored)
	for n := range s.encode() {
		_, err := decodeSimState(s.encode()[:n])
		require.ErrorIs(t, err, errSimEncoding)
	}
}

func TestOperationsInWords(t *testing.T) {
	for _, text := range []string{"", "put", "put k0", "get", "get k0 7", "get k0 n", "get k0 n2 7", "cas k0 x", "put 0 7", "put k0 7 8", "drop k0 7"} {
		_, err := parseSimOp(text)
		require.Error(t, err, text)
	}
	op, err := parseSimOp("cas k2 17")
	require.NoError(t, err)
	require.Equal(t, simPlan{simCommand: simCommand{kind: simCAS, key: 2, value: 17}}, op)

	op, err = parseSimOp("get k1 n3")
	require.NoError(t, err)
	require.Equal(t, simPlan{simCommand{kind: simGet, key: 1}, 3}, op)

	for _, text := range []string{"members 1,x", "members 11", "members 1+1", "members 0", "nobody sleeps", "n99 sync-error", "n1 burns", "p11 put k9 1", "p99 get k0"} {
		s, err := ParseSchedule("1s op \"" + text + "\"")
		require.NoError(t, err)
		_, err = Explore(1, Options{Nodes: 3, Schedule: s, Attempts: -1})
		require.ErrorContains(t, err, strings.Fields(text)[1][:1], "%q", text)
	}
}

// The end of the log must not rot: nobody can tell that from a torn write.
func TestRotSparesTheEndOfTheLog(t *testing.T) {
	disk := vfs.NewMem()
	require.False(t, rot(disk, 5))
	write := func(name string) {
		f, err := disk.Create(name)
		require.NoError(t, err)
		_, err = f.Write(make([]byte, 10))
		require.NoError(t, err)
	}
	write("1.wal")
	require.False(t, rot(disk, 5))
	write("2.wal")
	write("x.tmp")
	for bit := range int64(200) {
		require.True(t, rot(disk, bit))
	}
	for _, name := range []string{"2.wal", "x.tmp"} {
		f, err := disk.Open(name, vfs.ReadOnly)
		require.NoError(t, err)
		b := make([]byte, 10)
		_, err = f.ReadAt(b, 0)
		require.NoError(t, err)
		require.Equal(t, make([]byte, 10), b, name)
	}
}

func TestSimulateRefusesOptionsThatCannotWork(t *testing.T) {
	for _, o := range []Options{{Nodes: -1}, {Nodes: firstClient}, {Clients: -1}, {Keys: -1}, {Ops: -1}, {ValueBytes: -1},
		{Duration: -time.Second}, {CalmLimit: -time.Second}, {Lease: electionTicks + 1}, {Lease: 5, NoCheckQuorum: true},
		{MaxDrift: -1}, {MaxDrift: 1_000_000}} {
		_, err := Explore(1, o)
		require.ErrorIs(t, err, raft.ErrInvalid, "%+v", o)
	}
}

func TestSimulateRunsClustersOfAnySize(t *testing.T) {
	for nodes := 1; nodes < firstClient; nodes++ {
		for seed := range uint64(3) {
			Simulate(t, seed, Options{Nodes: nodes, Duration: 8 * time.Second})
		}
	}
}

func TestSimulateRunsShorterThanItsFaults(t *testing.T) {
	for seed := range uint64(50) {
		Simulate(t, seed, Options{Duration: time.Second})
	}
}

func TestMembershipsInWords(t *testing.T) {
	for text, want := range map[string]raft.Membership{
		"1,2,6+7,8": {Voters: []raft.NodeID{1, 2, 6}, Learners: []raft.NodeID{7, 8}},
		"3":         {Voters: []raft.NodeID{3}},
	} {
		m, err := parseMembership(text)
		require.NoError(t, err)
		require.Equal(t, want, m)
		require.Equal(t, text, formatMembership(m))
	}
}

// A majority must live on, in every membership that may be in force.
func TestOperatorsLoseNoMajority(t *testing.T) {
	ids := func(ids ...raft.NodeID) []raft.NodeID { return ids }
	for _, c := range []struct {
		name  string
		gone  []raft.NodeID
		taken []simConfig
		goal  *raft.Membership
		lose  raft.NodeID
		want  bool
	}{
		{"one of three", nil, nil, nil, 3, true},
		{"two of three", ids(1), nil, nil, 3, false},
		{"one that is no member", ids(1), nil, nil, 5, true},
		{"one that a change needs", ids(1), []simConfig{{9, raft.Membership{Voters: ids(2, 3, 4), Outgoing: ids(1, 2, 3)}}}, nil, 4, true},
		{"one that the old ones need", ids(1), []simConfig{{9, raft.Membership{Voters: ids(3, 4, 5), Outgoing: ids(1, 2, 3)}}}, nil, 2, false},
		{"one that will be needed", nil, nil, &raft.Membership{Voters: ids(4)}, 4, false},
	} {
		s := newSimulation(1, Options{Nodes: 3, Keys: 1}.withDefaults(1), nil)
		for i := range 5 {
			s.hosts[i].joined = true
		}
		for _, id := range c.gone {
			s.hosts[id-1].gone = true
		}
		s.operator.taken, s.operator.goal = c.taken, c.goal
		require.Equal(t, c.want, s.canSpare(c.lose), c.name)
	}
}

// The scenario that the operator is for, as a schedule that a person wrote.
func TestALostNodeIsReplacedByANewOne(t *testing.T) {
	s, err := ParseSchedule(`
		1s op "p11 put k0 1"
		2s op "n1 lost"
		3s op "members 2,3+4"
		6s op "members 2,3,4"
		8s op "n4 lead"
		9s op "n2 lost"
		9.5s op "members 3,4,5"
		12s op "p12 get k0 n5"`)
	require.NoError(t, err)
	for seed := range uint64(20) {
		r := Simulate(t, seed, Options{Nodes: 3, Schedule: s})
		require.Equal(t, 2, r.Lost)
		require.Equal(t, 2, r.Joined)
		require.GreaterOrEqual(t, r.Changes, 3)
	}
}
