package multi

import (
	"errors"
	"fmt"

	"github.com/flagship-go/flagship/raft"
)

// Config is what a [Core] must be told. The zero value of every field but ID
// and Life is a good default.
type Config struct {
	// ID of this host, and of its replica in every group. Required.
	ID raft.NodeID
	// Life numbers the lives of this host: above those of all earlier ones.
	// Required.
	Life uint64
	// Raft is the configuration of every group. ID and Voters are not looked at;
	// Seed is mixed with the group's ID. With Lease a leader answers reads
	// locally; as heartbeats are answered a tick later than alone, 4 ticks are
	// the shortest lease that is any use. Ticks, lease and limits must be the
	// same on all hosts.
	Raft raft.Config
	// RestTicks without a command or a read, a leader whose followers have
	// everything lets its group sleep. Default: twice Raft.ElectionTicks.
	// Fewer: less traffic; more: fewer reads that find no lease.
	RestTicks int
	// NeverRest keeps all groups awake.
	NeverRest bool
	// Trace receives events while the core runs; it must not call the core.
	// Raft.Trace receives those of all groups.
	Trace func(Event)
}

func (cfg Config) withDefaults() (Config, error) {
	if cfg.Raft.ElectionTicks == 0 {
		cfg.Raft.ElectionTicks = 10
	}
	if cfg.RestTicks == 0 {
		cfg.RestTicks = 2 * cfg.Raft.ElectionTicks
	}
	cfg.Raft.ID, cfg.Raft.Voters, cfg.Raft.Applied = cfg.ID, nil, 0
	switch {
	case cfg.ID == raft.None:
		return cfg, fmt.Errorf("%w: Config.ID is 0, give each host an ID of its own", raft.ErrInvalid)
	case cfg.Life == 0:
		return cfg, fmt.Errorf("%w: Config.Life is 0, number the lives of a host from 1", raft.ErrInvalid)
	case cfg.RestTicks < 0:
		return cfg, fmt.Errorf("%w: Config.RestTicks is %d", raft.ErrInvalid, cfg.RestTicks)
	}
	_, err := raft.NewCore(cfg.Raft, raft.State{}) // says what is wrong with the rest
	return cfg, err
}

// Errors that callers tell apart with errors.Is, beside those of package raft.
var (
	// ErrNoGroup: this host has no replica of the group. Ask another host.
	ErrNoGroup = errors.New("raft/multi: no such group on this host")
	// ErrRemoved: the group was removed from this host, and cannot come back to
	// it: a replica that has forgotten its votes must not vote again.
	ErrRemoved = errors.New("raft/multi: group was removed from this host")
	// ErrExists: a group with this ID is there already.
	ErrExists = errors.New("raft/multi: group exists")
)
