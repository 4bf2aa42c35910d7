package raft

import (
	"crypto/rand"
	"encoding/binary"
	"fmt"
	"io"
	"log/slog"
	"time"
)

// StateMachine is the application: it turns the same commands in the same
// order into the same state on every node. Its methods are called one at a
// time, in log order.
type StateMachine interface {
	// Apply executes a committed command and returns what Propose returns. It
	// may keep command, but not change it, nor the result afterwards.
	Apply(index uint64, command []byte) (result []byte)
	// Snapshot captures the state as it is now, and quickly: the returned
	// value writes it out while Apply goes on.
	Snapshot() (io.WriterTo, error)
	// Restore replaces the state by one that Snapshot wrote.
	Restore(r io.Reader) error
}

// Options configure a [Node]. StateMachine and Config's ID and Voters are
// required; the zero value of the rest is a good default.
type Options struct {
	// Config is the core's. Config.Seed 0 draws a random one.
	Config
	// StateMachine executes the committed commands.
	StateMachine StateMachine
	// Storage keeps the log. Default: in memory, forgotten with the process.
	// The node closes it.
	Storage Storage
	// Transport reaches the other voters; a cluster of one needs none. The
	// node closes it.
	Transport Transport
	// TickInterval is the length of a tick. Default 100 ms: with 10
	// ElectionTicks a dead leader is replaced after 1 to 2 s. Much longer than
	// a message's way and an fsync, much shorter than a failure may last.
	TickInterval time.Duration
	// SnapshotEvery entries applied, the state machine is asked for a snapshot
	// and the log is cut. Default 10,000. More: longer restarts, more memory.
	SnapshotEvery uint64
	// KeepEntries behind a snapshot stay in the log, so that a follower a
	// little behind needs no snapshot. Default 5,000.
	KeepEntries uint64
	// MaxSessions bounds the sessions that are remembered; the least recently
	// used is forgotten first. All nodes must be given the same. Default
	// 10,000.
	MaxSessions int
	// Logger hears of what an operator should know. Default: silent.
	Logger *slog.Logger
}

func (o Options) withDefaults() (Options, error) {
	if o.StateMachine == nil {
		return o, fmt.Errorf("%w: Options.StateMachine is missing", ErrInvalid)
	}
	if o.Transport == nil {
		if len(o.Voters) > 1 {
			return o, fmt.Errorf("%w: Options.Transport is missing, %d voters need one", ErrInvalid, len(o.Voters))
		}
		o.Transport = NewNetwork().Join(o.ID)
	}
	if o.Storage == nil {
		o.Storage = &MemStorage{}
	}
	if o.TickInterval == 0 {
		o.TickInterval = 100 * time.Millisecond
	}
	if o.TickInterval < 0 {
		return o, fmt.Errorf("%w: Options.TickInterval is %v", ErrInvalid, o.TickInterval)
	}
	if o.SnapshotEvery == 0 {
		o.SnapshotEvery = 10_000
	}
	if o.KeepEntries == 0 {
		o.KeepEntries = 5_000
	}
	if o.MaxSessions == 0 {
		o.MaxSessions = 10_000
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	for o.Seed == 0 {
		var b [8]byte
		rand.Read(b[:])
		o.Seed = binary.LittleEndian.Uint64(b[:])
	}
	o.Config = o.Config.withDefaults()
	return o, nil
}
