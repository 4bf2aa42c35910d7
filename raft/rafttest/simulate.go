package rafttest

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/flagship-go/flagship/internal/sim"
	"github.com/flagship-go/flagship/internal/vfs"
	"github.com/flagship-go/flagship/raft"
)

// The simulator: a whole cluster with its disks, its network and its clients
// in one goroutine and virtual time (internal/sim), in a world that fails in
// every way the paper allows, decided by one seed.
//
//	  clients                nodes                          world
//	+----------+  requests  +------------------------+    crash, pause, drift,
//	| put, get |----------->| shell --> Core         |    partition, loss,
//	| cas      |<-----------|   |       (under test) |    duplicates, stalls,
//	+----+-----+  answers   |   +--> raft/disk       |    EIO, ENOSPC, bit rot
//	     |                  |   +--> state machine   |
//	     v                  +----------+-------------+
//	  history                          v
//	  linearizability      raft.Checker, promises of the disk, hash of the state
//
// What is judged, and when:
//
//	five properties (Figure 3)      after every step              raft.Checker
//	what was durable is there       at every boot                 simulate_promise.go
//	states agree at every index     at every entry, snapshot      simulate_state.go
//	snapshots know the members      at every one installed        simulate_operator.go
//	linearizability (§8)            at the end, key by key        linear.go
//	liveness                        in the calm after the faults  simulate_calm.go
//	who was removed disturbs nobody in the calm, at last          simulate_calm.go
//
// # What is out of the model
//
// A disk may fail, tear, rot or be lost with its node, but it does not forget
// what it said was synced and go on: Raft rests on that. A clock may run as
// fast or slow as it likes, except that with a lease (Options.Lease) it keeps
// within Options.MaxDrift. What breaks when either does not hold is shown by
// TestAVoterMustNotForgetWhatItSynced and TestALeaseNeedsItsClockBound of
// package raft. A node takes no time to compute, so it never stands still
// between looking at its clock and using what it saw.
//
// Read simulate.go, simulate_faults.go, simulate_run.go, simulate_calm.go,
// simulate_node.go, simulate_disk.go, simulate_apply.go, client.go,
// simulate_operator.go, simulate_schedule.go, simulate_failure.go; then what is
// judged.

// Aliases of what the simulator is made of, for programs that cannot import
// the internal packages.
type (
	// FS is the disk of a simulated node.
	FS = vfs.FS
	// Schedule is a scenario as data: faults and client operations.
	Schedule = sim.Schedule
	// Event is one thing that happened in the simulated world.
	Event = sim.Event
)

// ParseSchedule reads what Schedule.String writes, one action a line.
func ParseSchedule(text string) (Schedule, error) { return sim.ParseSchedule(text) }

// Options say what to simulate. Of the zero value, each field is either a
// fixed default or drawn from the seed, so that many seeds see many clusters.
type Options struct {
	// Nodes of the cluster. Default: 3, and 5 in every fourth seed.
	Nodes int
	// Duration is the virtual time of hostility; a calm of up to CalmLimit
	// follows. Default 20 s: some ten elections' worth.
	Duration time.Duration
	// CalmLimit is how long after the last fault the cluster may take to serve
	// again. Default 30 s, ten election timeouts and more.
	CalmLimit time.Duration
	// Clients, each with one operation at a time. Default 4.
	Clients int
	// Ops of all clients together. Default: 10 a virtual second.
	Ops int
	// Keys they work on. Default: 2 or 3; fewer keys, more conflicts.
	Keys int
	// ValueBytes pads each command. Default: none to 300.
	ValueBytes int
	// SnapshotEvery so many entries a node cuts its log, keeping KeepEntries
	// of them. Default: 3 to 24, and up to half as many: compaction and
	// InstallSnapshot are then common.
	SnapshotEvery uint64
	KeepEntries   uint64
	// SyncDelay is how long a node lets writes gather before it syncs them
	// all, taking further Readys meanwhile. Default: in half of the seeds
	// every write is synced at once, in the others after up to 20 ms.
	// Negative: always at once.
	SyncDelay time.Duration
	// NoPreVote and NoCheckQuorum turn the extensions off, as in raft.Config.
	// Default: each is off, and so the extension on, in seven of eight seeds.
	NoPreVote, NoCheckQuorum bool
	// Lease is raft.Config.Lease, in ticks of 100 ms. Default: in a quarter of
	// the seeds that have CheckQuorum, the longest that MaxDrift allows; none
	// if NewCore is given, for its leases may rest on other rules. Negative:
	// none.
	Lease int
	// MaxDrift bounds by how much a clock gains or loses, in parts per million.
	// Default: 100,000 with leases, 500,000 without, where clocks are no matter.
	MaxDrift int
	// Faults says how much of what goes wrong. nil: drawn from the seed.
	Faults *Faults
	// Operations says how much an operator does. nil: drawn from the seed, but
	// none if NewCore is given, for its cores may not be able to.
	Operations *Operations
	// NewCore makes the core under test, as in [Implementation]. Default:
	// raft.NewCore.
	NewCore func(raft.Config, raft.State) (Core, error)
	// OpenStorage opens a node's storage on its disk, at every boot. Default:
	// [OpenStorage].
	OpenStorage func(raft.NodeID, FS) (raft.Storage, error)
	// Schedule is what happens instead of what the seed would generate: a
	// minimised one, for instance. The seed still decides the rest.
	Schedule Schedule
	// Attempts bounds the runs spent on minimising a failure. Default 1000, a
	// second or two; negative: none.
	Attempts int
	// Sink receives the events of the run. It must not call into the
	// simulation. Events of minimising are not among them.
	Sink func(Event)
}

// withDefaults fixes what the zero value leaves open. Every draw is made
// whether it is needed or not: to fix one field does not change the others.
func (o Options) withDefaults(seed uint64) Options {
	r := rand.New(rand.NewPCG(seed, 0x7261667474657374))
	oneIn := func(n int) bool { return r.IntN(n) == 0 }
	if five := oneIn(4); o.Nodes == 0 {
		o.Nodes = 3
		if five {
			o.Nodes = 5
		}
	}
	setDefault(&o.Duration, 20*time.Second)
	setDefault(&o.CalmLimit, 30*time.Second)
	setDefault(&o.Clients, 4)
	setDefault(&o.Ops, int(10*o.Duration/time.Second))
	setDefault(&o.Keys, 2+r.IntN(2))
	setDefault(&o.ValueBytes, max(0, r.IntN(600)-300))
	every := uint64(3 + r.IntN(22))
	setDefault(&o.SnapshotEvery, every)
	setDefault(&o.KeepEntries, r.Uint64N(every/2+1))
	if delay := time.Duration(1+r.IntN(20)) * time.Millisecond; oneIn(2) {
		setDefault(&o.SyncDelay, delay)
	}
	o.NoPreVote = oneIn(8) || o.NoPreVote
	o.NoCheckQuorum = oneIn(8) && o.Lease <= 0 || o.NoCheckQuorum
	faults, operations := new(Faults), new(Operations)
	faults.draw(r, o.Duration)
	operations.draw(r, o.Duration)
	setDefault(&o.Faults, faults)
	if o.NewCore != nil {
		operations = NoOperations()
	}
	setDefault(&o.Operations, operations)
	if leases := oneIn(4); leases && o.Lease == 0 && !o.NoCheckQuorum && o.NewCore == nil {
		setDefault(&o.MaxDrift, 100_000)
		o.Lease = longestLease(o.MaxDrift)
	}
	drift := 500_000
	if o.Lease > 0 {
		drift = 100_000
	}
	setDefault(&o.MaxDrift, drift)
	if o.NewCore == nil {
		o.NewCore = func(cfg raft.Config, st raft.State) (Core, error) { return raft.NewCore(cfg, st) }
	}
	if o.OpenStorage == nil {
		o.OpenStorage = OpenStorage
	}
	setDefault(&o.Attempts, 1000)
	return o
}

// longestLease is what raft.Config.Lease allows when one clock may lose, and
// another gain, that many parts per million.
func longestLease(ppm int) int { return electionTicks * (1_000_000 - ppm) / (1_000_000 + ppm) }

// electionTicks is the default of raft.Config.ElectionTicks.
const electionTicks = 10

func (o *Options) validate() error {
	switch {
	case o.Nodes < 1 || o.Nodes >= firstClient:
		return fmt.Errorf("%w: rafttest.Options.Nodes is %d, must be 1 to %d", raft.ErrInvalid, o.Nodes, firstClient-1)
	case o.Clients < 1 || o.Keys < 1:
		return fmt.Errorf("%w: rafttest.Options.Clients is %d and Keys %d, must be positive", raft.ErrInvalid, o.Clients, o.Keys)
	case o.Lease > electionTicks || o.Lease > 0 && o.NoCheckQuorum:
		return fmt.Errorf("%w: rafttest.Options.Lease is %d, must be at most %d, and needs CheckQuorum", raft.ErrInvalid, o.Lease, electionTicks)
	case o.MaxDrift < 0 || o.MaxDrift >= 1_000_000:
		return fmt.Errorf("%w: rafttest.Options.MaxDrift is %d, must be 0 to 999,999", raft.ErrInvalid, o.MaxDrift)
	case min(o.Ops, o.ValueBytes) < 0 || min(o.Duration, o.CalmLimit) < 0:
		return fmt.Errorf("%w: a size or time in rafttest.Options is negative", raft.ErrInvalid)
	}
	return nil
}

// longest is how long a fault may last.
func (o *Options) longest() time.Duration {
	longest := o.Faults.Longest
	setDefault(&longest, 4*time.Second)
	return longest
}

func setDefault[T comparable](field *T, value T) {
	var zero T
	if *field == zero {
		*field = value
	}
}

// Report is what happened in a run.
type Report struct {
	Seed  uint64
	Nodes int
	// Virtual is the time that the run covered, hostility and calm.
	Virtual time.Duration
	// Actions is the length of the schedule.
	Actions int
	Stats
}

// Stats count what a run went through: a world that nothing happens in tests
// nothing.
type Stats struct {
	Elections          int    // won
	Commits            uint64 // highest index applied anywhere
	Messages           int    // between nodes
	Crashes            int    // lives ended, by faults or by a failed disk
	DiskFailures       int    // storage errors that stopped a node
	DiskStalls         int    // writes that a stall made slow
	Corruptions        int    // nodes stopped for good
	Snapshots          int    // taken
	SnapshotsInstalled int    // received from a leader
	Syncs              int    // waited for
	OpsOK, OpsUnknown  int    // of clients
	Reads              int    // answered, of OpsOK
	FollowerReads      int    // answered by nodes that did not lead
	LeaseReads         int    // decided at once, without a round
	LeasesDropped      int    // because the node had stood still
	Changes            int    // of membership, completed
	Joined             int    // nodes started with an empty disk, after the first
	Removed            int    // nodes still up in the end that were no members any more
	Lost               int    // nodes taken away with their disk
	Transfers          int    // of leadership, begun
}

func (s *Stats) add(t Stats) {
	s.Elections += t.Elections
	s.Commits += t.Commits
	s.Messages += t.Messages
	s.Crashes += t.Crashes
	s.DiskFailures += t.DiskFailures
	s.DiskStalls += t.DiskStalls
	s.Corruptions += t.Corruptions
	s.Snapshots += t.Snapshots
	s.SnapshotsInstalled += t.SnapshotsInstalled
	s.Syncs += t.Syncs
	s.OpsOK += t.OpsOK
	s.OpsUnknown += t.OpsUnknown
	s.Reads += t.Reads
	s.FollowerReads += t.FollowerReads
	s.LeaseReads += t.LeaseReads
	s.LeasesDropped += t.LeasesDropped
	s.Changes += t.Changes
	s.Joined += t.Joined
	s.Removed += t.Removed
	s.Lost += t.Lost
	s.Transfers += t.Transfers
}

// Add returns the report of both runs together.
func (r Report) Add(other Report) Report {
	r.Virtual += other.Virtual
	r.Actions += other.Actions
	r.Stats.add(other.Stats)
	return r
}

// Simulate runs one seed and fails the test on what it finds.
func Simulate(t testing.TB, seed uint64, o Options) Report {
	t.Helper()
	report, err := Explore(seed, o)
	if err != nil {
		t.Fatal(err)
	}
	return report
}

// Explore runs one seed. The error is a [*Failure], minimised, or
// raft.ErrInvalid; the report is of the first run.
func Explore(seed uint64, o Options) (Report, error) {
	o = o.withDefaults(seed)
	if err := o.validate(); err != nil {
		return Report{}, err
	}
	schedule := o.Schedule
	if schedule == nil {
		schedule = o.generate(seed)
	}
	first := newSimulation(seed, o, o.Sink)
	violation := first.run(schedule)
	report := Report{Seed: seed, Nodes: o.Nodes, Virtual: first.world.Now(), Actions: len(schedule), Stats: first.stats}
	if violation == nil {
		return report, nil
	}
	f := &Failure{Seed: seed, Violation: violation, At: first.failedAt, Schedule: schedule, Minimal: schedule}
	f.minimise(o)
	return report, f
}
