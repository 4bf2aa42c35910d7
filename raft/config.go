package raft

import "fmt"

// Config is what a core must be told. The zero value of every field but ID
// and Voters is a good default.
type Config struct {
	// ID of this node. Required.
	ID NodeID
	// Voters of the cluster at its very first start; afterwards the stored
	// membership counts. All first nodes must be given the same; a node that
	// joins later is given none, and learns.
	Voters []NodeID
	// ElectionTicks is the shortest silence of a leader, in ticks, after which
	// a follower campaigns; each draws its own between once and twice as many.
	// Default 10. More ticks: fewer needless elections, longer gaps.
	ElectionTicks int
	// HeartbeatTicks between a leader's signs of life. Default 1; must be
	// below ElectionTicks.
	HeartbeatTicks int
	// ElectionDelay adds ticks to this node's timeouts: the node with the
	// smallest is elected first. Default 0.
	ElectionDelay int
	// Seed of the election timeouts. Nodes of one cluster need different
	// seeds, or they time out together for ever; it is mixed with ID.
	Seed uint64
	// Applied is the last index that the state machine already holds, when it
	// keeps its state over restarts. 0: it starts from the stored snapshot,
	// which sessions need.
	Applied uint64
	// MaxMessageBytes bounds the entries of one AppendEntries. Default 1 MiB;
	// a single larger entry is sent alone.
	MaxMessageBytes int
	// MaxInflight and MaxInflightBytes bound what is sent to a follower and
	// not yet answered. Defaults 256 messages, 16 MiB.
	MaxInflight      int
	MaxInflightBytes int
	// MaxApplyBytes bounds the entries of one Ready.Committed. Default 4 MiB.
	MaxApplyBytes int
	// MaxUncommittedBytes bounds what a leader takes before it is committed;
	// proposals over it fail with ErrBusy. Default 256 MiB.
	MaxUncommittedBytes int
	// MaxEntryBytes bounds one command. Default 64 MiB.
	MaxEntryBytes int
	// Lease lets a leader answer reads without a round of messages for so many
	// ticks after it sent what a majority then answered. It trusts clocks: for
	// clocks whose speeds differ by a fraction d it must be at most
	// ElectionTicks/(1+d). The last tick is a margin, so 2 is the shortest that
	// is any use. Default 0: no lease. All nodes must be given the same, and
	// CheckQuorum is needed.
	Lease int
	// NoPreVote campaigns at once: a node that returns from a partition then
	// deposes a healthy leader.
	NoPreVote bool
	// NoCheckQuorum lets a leader go on that cannot reach a majority, and lets
	// every vote request disturb a living leader.
	NoCheckQuorum bool
	// Trace receives events while the core runs; it must not call the core.
	Trace func(Event)
}

// maxTicks bounds the timeouts.
const maxTicks = 1 << 28

func (cfg Config) withDefaults() Config {
	def := func(v *int, d int) {
		if *v == 0 {
			*v = d
		}
	}
	def(&cfg.ElectionTicks, 10)
	def(&cfg.HeartbeatTicks, 1)
	def(&cfg.MaxMessageBytes, 1<<20)
	def(&cfg.MaxInflight, 256)
	def(&cfg.MaxInflightBytes, 16<<20)
	def(&cfg.MaxApplyBytes, 4<<20)
	def(&cfg.MaxUncommittedBytes, 256<<20)
	def(&cfg.MaxEntryBytes, 64<<20)
	return cfg
}

func (cfg Config) validate() error {
	switch {
	case cfg.ID == None:
		return fmt.Errorf("%w: Config.ID is 0, give each node an ID of its own", ErrInvalid)
	case cfg.HeartbeatTicks < 1 || cfg.ElectionTicks <= cfg.HeartbeatTicks:
		return fmt.Errorf("%w: ElectionTicks is %d, must be above HeartbeatTicks, which is %d and must be positive",
			ErrInvalid, cfg.ElectionTicks, cfg.HeartbeatTicks)
	case max(cfg.ElectionTicks, cfg.ElectionDelay) > maxTicks:
		return fmt.Errorf("%w: ElectionTicks is %d and ElectionDelay %d, both must be at most %d",
			ErrInvalid, cfg.ElectionTicks, cfg.ElectionDelay, maxTicks)
	case min(cfg.MaxMessageBytes, cfg.MaxInflight, cfg.MaxInflightBytes, cfg.MaxApplyBytes,
		cfg.MaxUncommittedBytes, cfg.MaxEntryBytes, cfg.ElectionDelay, cfg.Lease) < 0:
		return fmt.Errorf("%w: a limit in Config is negative", ErrInvalid)
	case cfg.Lease > cfg.ElectionTicks || cfg.Lease > 0 && cfg.NoCheckQuorum:
		return fmt.Errorf("%w: Lease is %d ticks, must be at most ElectionTicks, which is %d, and needs CheckQuorum",
			ErrInvalid, cfg.Lease, cfg.ElectionTicks)
	}
	return Membership{Voters: cfg.Voters}.validate("Config.Voters")
}
