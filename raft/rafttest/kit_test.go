package rafttest_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/flagship-go/flagship/raft"
	"github.com/flagship-go/flagship/raft/rafttest"
)

func newCore(cfg raft.Config, st raft.State) (rafttest.Core, error) { return raft.NewCore(cfg, st) }

var everything = rafttest.Capabilities{
	Figure2: true, NoOp: true, PreVote: true, CheckQuorum: true, FastBackup: true, LogProbes: true, Pipeline: true, Bounds: true,
	Snapshots: true, ReadIndex: true, SharedReads: true, FollowerReads: true, LeaseReads: true, Transfer: true, Priority: true, Strict: true,
	Membership: true,
}

func TestKit(t *testing.T) {
	rafttest.Run(t, rafttest.Implementation{
		Name: "package raft", Claims: everything, NewCore: newCore, NewCluster: newCluster, Virtual: true,
	})
}

// An implementation that claims nothing is graded by the required rules alone,
// and by all of them.
func TestKitGradesOnlyWhatIsClaimed(t *testing.T) {
	modest := rafttest.Implementation{Name: "modest", NewCore: newCore}
	rafttest.Run(t, modest)
	var graded, required []string
	for _, r := range rafttest.Grade(modest) {
		require.NoError(t, r.Err)
		graded = append(graded, r.Rule.ID)
	}
	for _, r := range rafttest.Rules() {
		if r.Capability == "" {
			required = append(required, r.ID)
		}
	}
	require.Equal(t, required, graded)
}

// A kit is worth nothing if a stub passes: each rule must ask for something
// good to happen, beside the bad that must not.
func TestKitPassesNoRuleToACoreThatDoesNothing(t *testing.T) {
	results := rafttest.Grade(rafttest.Implementation{
		Name: "idle", Claims: everything,
		NewCore: func(cfg raft.Config, _ raft.State) (rafttest.Core, error) { return idle{id: cfg.ID}, nil },
	})
	require.Greater(t, len(results), 110)
	for _, r := range results {
		if err := r.Err; err == nil {
			t.Errorf("rule %s passes a core that does nothing", r.Rule.ID)
		} else {
			require.True(t, strings.HasPrefix(err.Error(), "RULE "+r.Rule.ID+": "), "%v", err)
		}
	}
}

// A core that agrees to everything passes what asks for agreement, and fails
// each rule of which the point is to refuse.
func TestKitFailsACoreThatAgreesToEverything(t *testing.T) {
	failed := map[string]bool{}
	for _, r := range rafttest.Grade(rafttest.Implementation{
		Name: "yes", Claims: everything,
		NewCore: func(cfg raft.Config, _ raft.State) (rafttest.Core, error) { return &yes{idle: idle{id: cfg.ID}}, nil },
	}) {
		failed[r.Rule.ID] = r.Err != nil
	}
	for _, id := range []string{
		"vote-once", "log-up-to-date", "vote-after-sync", "stale-term", "append-consistency", "ack-after-sync",
		"prevote-old-log", "sticky-follower", "snapshot-ack-after-sync", "read-needs-majority", "one-change-at-a-time",
		"too-large-refused", "follower-read-after-round", "transfer-to-voter", "restarted-voter-quiet",
	} {
		require.True(t, failed[id], "rule %s passes a core that agrees to everything", id)
	}
}

// plain is a core with the methods of rafttest.Core and no more.
type plain struct{ rafttest.Core }

// What a capability needs beyond the small interface is asked for when it is
// claimed, and its lack is a failure that says what lacks.
func TestKitFailsAClaimWithoutItsMethods(t *testing.T) {
	lacking := map[string]bool{}
	for _, r := range rafttest.Grade(rafttest.Implementation{
		Name: "plain", Claims: everything,
		NewCore: func(cfg raft.Config, st raft.State) (rafttest.Core, error) {
			c, err := raft.NewCore(cfg, st)
			return plain{c}, err
		},
	}) {
		switch {
		case r.Err == nil:
		case strings.Contains(r.Err.Error(), "has not all methods of rafttest."):
			lacking[r.Rule.Capability] = true
		default:
			t.Error(r.Err)
		}
	}
	require.Equal(t, map[string]bool{"Membership": true, "Transfer": true, "LeaseReads": true}, lacking)
}

func TestRulesHaveDistinctIDsAndSayWhatTheyAsk(t *testing.T) {
	seen := map[string]bool{}
	for _, r := range rafttest.Rules() {
		require.False(t, seen[r.ID], r.ID)
		seen[r.ID] = true
		require.NotEmpty(t, r.Section, r.ID)
		require.True(t, strings.HasSuffix(r.Text, "."), r.ID)
	}
}

// A rule that no planted bug breaks is a rule of which nobody has seen that it
// can fail for the right reason.
func TestEveryRuleHasAPlantedBug(t *testing.T) {
	files, err := filepath.Glob("../testdata/bugs/*.bug")
	require.NoError(t, err)
	planted := map[string]bool{}
	for _, file := range files {
		data, err := os.ReadFile(file)
		require.NoError(t, err)
		for line := range strings.Lines(string(data)) {
			if rule, ok := strings.CutPrefix(line, "rule: "); ok {
				planted[strings.TrimSpace(rule)] = true
			}
		}
	}
	for _, r := range rafttest.Rules() {
		if !planted[r.ID] {
			t.Errorf("no bug of testdata/bugs breaks rule %s", r.ID)
		}
	}
}

// idle is a core that does nothing.
type idle struct{ id raft.NodeID }

func (idle) Tick()                                             {}
func (idle) Step(raft.Message) error                           { return nil }
func (idle) Propose(...[]byte) (index, term uint64, err error) { return 0, 0, nil }
func (idle) HasReady() bool                                    { return false }
func (idle) Ready() raft.Ready                                 { return raft.Ready{} }
func (idle) Synced(uint64)                                     {}
func (idle) Applied(uint64)                                    {}
func (c idle) Status() raft.Status                             { return raft.Status{ID: c.id} }
func (idle) ReadIndex(uint64) error                            { return nil }
func (idle) Compact(raft.Snapshot, uint64) error               { return nil }
func (idle) TransferLeadership(raft.NodeID) error              { return nil }
func (idle) DropLease()                                        {}
func (idle) Membership() raft.Membership                       { return raft.Membership{} }
func (idle) MembershipAt(uint64) raft.Membership               { return raft.Membership{} }
func (idle) ChangeMembership(raft.Membership) (index, term uint64, err error) {
	return 0, 0, nil
}

// yes says yes to every question, and remembers nothing.
type yes struct {
	idle
	out   []raft.Message
	reads []raft.Read
}

func (c *yes) Step(m raft.Message) error {
	r := raft.Message{From: c.id, To: m.From, Term: m.Term, Index: m.Index + uint64(len(m.Entries)), Round: m.Round}
	switch m.Type {
	case raft.RequestVote, raft.RequestPreVote, raft.AppendEntries:
		r.Type = m.Type + 1
	case raft.InstallSnapshot:
		r.Type, r.Index = raft.AppendEntriesReply, m.Snapshot.Index
	default:
		return nil
	}
	c.out = append(c.out, r)
	return nil
}

func (c *yes) ReadIndex(id uint64) error {
	c.reads = append(c.reads, raft.Read{ID: id})
	return nil
}

func (c *yes) HasReady() bool { return len(c.out)+len(c.reads) > 0 }

func (c *yes) Ready() raft.Ready {
	rd := raft.Ready{Messages: c.out, Reads: c.reads}
	c.out, c.reads = nil, nil
	return rd
}

// cluster is the real thing for the black-box part: nodes with their shell, in
// one process, on storage and a network in memory.
type cluster struct {
	network *raft.Network
	members map[raft.NodeID]*member
}

type member struct {
	node    *raft.Node
	storage *raft.MemStorage
	machine *list
	voters  []raft.NodeID // as told at the first start
}

func newCluster(voters []raft.NodeID) (rafttest.Cluster, error) {
	c := &cluster{network: raft.NewNetwork(), members: map[raft.NodeID]*member{}}
	for _, id := range voters {
		c.members[id] = &member{storage: &raft.MemStorage{}, voters: voters}
		if err := c.Restart(id); err != nil {
			return nil, errors.Join(err, c.Close())
		}
	}
	return c, nil
}

func (c *cluster) Propose(ctx context.Context, id raft.NodeID, command []byte) error {
	_, err := c.members[id].node.Propose(ctx, command)
	return err
}

func (c *cluster) Leader(id raft.NodeID) raft.NodeID {
	n := c.members[id].node
	if n.Err() != nil {
		return raft.None
	}
	return n.Status().Leader
}

func (c *cluster) Applied(id raft.NodeID) [][]byte { return c.members[id].machine.copy() }

func (c *cluster) Partition(groups ...[]raft.NodeID) error {
	c.network.Heal()
	for i := range groups {
		for _, other := range groups[:i] {
			c.network.Cut(groups[i], other)
		}
	}
	return nil
}

// Crash closes the node. MemStorage is never behind, so nothing more is lost;
// losing what was not synced is the business of the step core's rules.
func (c *cluster) Crash(id raft.NodeID) error { return c.members[id].node.Close() }

func (c *cluster) Restart(id raft.NodeID) (err error) {
	m := c.members[id]
	m.machine = &list{}
	m.node, err = raft.Start(raft.Options{
		Config:       raft.Config{ID: id, Voters: m.voters, Seed: 1},
		StateMachine: m.machine, Storage: m.storage, Transport: c.network.Join(id),
		TickInterval: 10 * time.Millisecond, SnapshotEvery: 20, KeepEntries: 5,
	})
	return err
}

func (c *cluster) Close() error {
	var errs []error
	for _, m := range c.members {
		if m.node != nil {
			errs = append(errs, m.node.Close())
		}
	}
	return errors.Join(errs...)
}

func (c *cluster) Add(id raft.NodeID) error {
	c.members[id] = &member{storage: &raft.MemStorage{}}
	return c.Restart(id)
}

func (c *cluster) ChangeMembership(ctx context.Context, id raft.NodeID, voters []raft.NodeID) error {
	return c.members[id].node.ChangeMembership(ctx, raft.Membership{Voters: voters})
}

func (c *cluster) Session(ctx context.Context, id raft.NodeID) (rafttest.Session, error) {
	s, err := c.members[id].node.Session(ctx)
	return session{c, s}, err
}

type session struct {
	cluster *cluster
	session *raft.Session
}

func (s session) Propose(ctx context.Context, id raft.NodeID, command []byte) error {
	_, err := s.session.Propose(ctx, s.cluster.members[id].node, command)
	return err
}

func (s session) Retry(ctx context.Context, id raft.NodeID) error {
	_, err := s.session.Retry(ctx, s.cluster.members[id].node)
	return err
}

var (
	_ rafttest.MembershipCluster = (*cluster)(nil)
	_ rafttest.SessionCluster    = (*cluster)(nil)
)

// list is a state machine that holds all commands, in order.
type list struct {
	mu       sync.Mutex
	commands [][]byte
}

func (l *list) copy() [][]byte {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Clone(l.commands)
}

func (l *list) Apply(_ uint64, command []byte) []byte {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.commands = append(l.commands, command)
	return nil
}

func (l *list) Snapshot() (io.WriterTo, error) {
	return bytes.NewReader(bytes.Join(l.copy(), []byte("\n"))), nil
}

func (l *list) Restore(r io.Reader) error {
	data, err := io.ReadAll(r)
	if err != nil {
		return err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.commands = nil
	if len(data) > 0 {
		l.commands = bytes.Split(data, []byte("\n"))
	}
	return nil
}
