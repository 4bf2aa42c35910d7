package bft

import (
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/flagship-go/flagship/bft/abci"
	"github.com/flagship-go/flagship/bft/memory"
	"github.com/flagship-go/flagship/bft/types"
	"github.com/flagship-go/flagship/internal/vfs"
)

// Options say what a [Node] is made of. Only Genesis must be given; the rest works in memory.
type Options struct {
	// Genesis is where the chain begins.
	Genesis *types.Genesis
	// App is the application. Default: one that accepts everything.
	App abci.Application
	// Signer signs for the validator with its key. Default: none, and the node follows without a vote.
	Signer Signer
	// Store keeps blocks and states. Default: NewMemStore. The node does not close it.
	Store Store
	// WALDir is the directory of the log of inputs, and FS the file system that it is in. Default: no log, for nodes whose
	// store is in memory, too; with a WALDir, the operating system's files.
	WALDir string
	FS     vfs.FS
	// Network carries messages to the others. Default: there are none.
	Network Network
	// Mempool and Evidence have what goes into our blocks. Defaults: NewMemMempool, NewMemEvidence.
	Mempool  Mempool
	Evidence EvidencePool
	// Timeouts of rounds. Default: DefaultTimeouts.
	Timeouts Timeouts
	// AppTimeout is how long a call of the application may take until it counts as hanging, and the node halts. Default a
	// minute; negative: for ever.
	AppTimeout time.Duration
	// CreateEmptyBlocks begins a height at once. Otherwise it waits for a transaction, or for EmptyBlocksInterval (0: for ever). A
	// block that changed the app hash is followed by one at once in any case, for the hash is in its header.
	CreateEmptyBlocks   bool
	EmptyBlocksInterval time.Duration
	// SignValidRounds signs with each prevote the round of the last polka that we have seen, so that amnesia can be proved (package
	// accountability). It is to be the same at all validators of a chain, for who signs none says that there was none. Default: not,
	// as CometBFT, which has no such field.
	SignValidRounds bool
	// HaltHeight is the last height to be committed: after it the node stops with ErrHaltHeight. 0: none.
	HaltHeight types.Height
	// OnEvent is told what happens, in order, by the goroutine of the node: it must not wait, nor call the node.
	OnEvent func(Event)
	// Logger is told what people should know. Default: silent.
	Logger *slog.Logger
}

// Timeouts say how long a round waits. Each grows with the round, so that once messages arrive in bounded time, a
// round is long enough. Shorter is faster where a proposer is down, and wastes rounds where the network is slow.
type Timeouts struct {
	Propose, ProposeDelta     time.Duration // for a proposal: 3 s, and 500 ms more each round
	Prevote, PrevoteDelta     time.Duration // after two thirds of any prevotes: 1 s, 500 ms
	Precommit, PrecommitDelta time.Duration // after two thirds of any precommits: 1 s, 500 ms
	// Commit is how long a decided height waits for the precommits that are missing yet, so that they are in the next
	// block's LastCommit. It ends when all are there. 0: not at all.
	Commit time.Duration
}

// DefaultTimeouts are CometBFT's, without the wait after a commit.
func DefaultTimeouts() Timeouts {
	const second, half = time.Second, time.Second / 2
	return Timeouts{Propose: 3 * second, ProposeDelta: half, Prevote: second, PrevoteDelta: half, Precommit: second, PrecommitDelta: half}
}

// of is how long a step of a round may take.
func (t *Timeouts) of(s types.Step, r types.Round) time.Duration {
	base, delta := t.Propose, t.ProposeDelta
	switch s {
	case types.StepPrevote:
		base, delta = t.Prevote, t.PrevoteDelta
	case types.StepPrecommit:
		base, delta = t.Precommit, t.PrecommitDelta
	}
	const longest = time.Hour // rounds are bounded only by time, and durations by 292 years
	if r > 0 && delta > (longest-base)/time.Duration(r) {
		return max(base, longest)
	}
	return base + time.Duration(r)*delta
}

// ErrOptions is options that cannot work.
var ErrOptions = errors.New("bft: options")

func (o Options) withDefaults() (Options, error) {
	switch {
	case o.Genesis == nil:
		return o, fmt.Errorf("%w: Genesis is missing", ErrOptions)
	case o.WALDir == "" && o.FS != nil:
		return o, fmt.Errorf("%w: FS is given, and WALDir is not", ErrOptions)
	case o.HaltHeight < 0:
		return o, fmt.Errorf("%w: HaltHeight is %d", ErrOptions, o.HaltHeight)
	}
	if o.App == nil {
		o.App = abci.BaseApplication{}
	}
	if o.Store == nil {
		o.Store = memory.NewStore()
	}
	if o.Network == nil {
		o.Network = noNetwork{}
	}
	if o.Mempool == nil {
		o.Mempool = memory.NewMempool()
	}
	if o.Evidence == nil {
		o.Evidence = memory.NewEvidence(o.Store)
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	switch {
	case o.AppTimeout == 0:
		o.AppTimeout = time.Minute
	case o.AppTimeout < 0:
		o.AppTimeout = 0
	}
	d := DefaultTimeouts()
	for _, t := range [...]struct{ have, def *time.Duration }{
		{&o.Timeouts.Propose, &d.Propose}, {&o.Timeouts.ProposeDelta, &d.ProposeDelta},
		{&o.Timeouts.Prevote, &d.Prevote}, {&o.Timeouts.PrevoteDelta, &d.PrevoteDelta},
		{&o.Timeouts.Precommit, &d.Precommit}, {&o.Timeouts.PrecommitDelta, &d.PrecommitDelta},
	} {
		if *t.have < 0 {
			return o, fmt.Errorf("%w: Timeouts has a negative one, %v", ErrOptions, *t.have)
		}
		if *t.have == 0 {
			*t.have = *t.def
		}
	}
	return o, nil
}
