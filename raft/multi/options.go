package multi

import (
	"fmt"
	"log/slog"
	"runtime"
	"time"

	"github.com/flagship-go/flagship/raft"
)

// Durable is a state machine that keeps its state over restarts, as one on a
// storage engine does. Its log is cut without storing its state again.
type Durable interface {
	raft.StateMachine
	// Applied returns the index of the last Apply, Split or Restore whose effect
	// survives a power cut, with all before it. It may be called beside the
	// other methods, and may take the time to make more durable: right behind a
	// Split it must return the split's index. After Restore it must say the index
	// of the last command in the snapshot, or a later one.
	Applied() uint64
}

// Splitter is a state machine whose group can be split in two.
type Splitter interface {
	raft.StateMachine
	// CanSplit says whether the state can be split as argument asks; a refusal
	// is what Host.Split returns. It changes nothing, and gives the same answer on
	// every replica.
	CanSplit(argument []byte) error
	// Split gives away the part of the state that argument names, and returns
	// it as the state machine of the new group. Index is that of the command, as
	// in Apply.
	Split(index uint64, right GroupID, argument []byte) raft.StateMachine
}

// Options configure a [Host]. ID and StateMachine are required; the zero value
// of the rest is a good default.
type Options struct {
	// ID of this host. An ID is never used again for another host, nor by one
	// that has lost its storage.
	ID raft.NodeID
	// StateMachine makes the state machine of a group: at start for every group
	// that is stored, and for every group that is made here. A [Durable] one
	// finds the state it had; where there is none, because a split was refused or
	// is not applied here yet, it may be nil without an error, and the group is
	// not made.
	StateMachine func(GroupID) (raft.StateMachine, error)
	// Raft is the configuration of every group; see Config.Raft. Seed 0 draws a
	// random one.
	Raft raft.Config
	// RestTicks and NeverRest are Config's.
	RestTicks int
	NeverRest bool
	// Storage keeps all logs. Default: in memory, forgotten with the process.
	// The host closes it.
	Storage Storage
	// Transport reaches the other hosts; a host alone needs none. The host closes
	// it.
	Transport Transport
	// TickInterval is the length of a tick. Default 100 ms.
	TickInterval time.Duration
	// SnapshotEvery entries applied in a group, its log is cut. Default 10,000.
	SnapshotEvery uint64
	// KeepEntries behind a cut stay in memory while a group is awake, so that a
	// follower a little behind needs no snapshot. Default 5,000.
	KeepEntries uint64
	// Workers is how many state machines run at a time. Default: twice the
	// processors, at least 4.
	Workers int
	// OnLeader is told when the lead of a group comes to this host or leaves it.
	// It must not wait, nor call the host.
	OnLeader func(g GroupID, term uint64, leads bool)
	// Trace receives events; it must not wait, nor call the host.
	Trace func(Event)
	// Logger hears of what an operator should know. Default: silent.
	Logger *slog.Logger
}

func (o Options) withDefaults() (Options, error) {
	if o.StateMachine == nil {
		return o, fmt.Errorf("%w: Options.StateMachine is missing", raft.ErrInvalid)
	}
	if o.Transport == nil {
		o.Transport = NewNetwork().Join(o.ID)
	}
	if o.Storage == nil {
		o.Storage = &MemStorage{}
	}
	if o.TickInterval == 0 {
		o.TickInterval = 100 * time.Millisecond
	}
	if o.TickInterval < 0 || o.Workers < 0 {
		return o, fmt.Errorf("%w: Options.TickInterval is %v and Workers %d", raft.ErrInvalid, o.TickInterval, o.Workers)
	}
	if o.SnapshotEvery == 0 {
		o.SnapshotEvery = 10_000
	}
	if o.KeepEntries == 0 {
		o.KeepEntries = 5_000
	}
	if o.Workers == 0 {
		o.Workers = max(4, 2*runtime.GOMAXPROCS(0))
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.Raft.ElectionTicks == 0 {
		o.Raft.ElectionTicks = 10
	}
	for o.Raft.Seed == 0 {
		o.Raft.Seed = randomSeed()
	}
	return o, nil
}
