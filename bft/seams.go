package bft

import (
	"context"

	"github.com/flagship-go/flagship/bft/types"
)

// A Signer signs for one validator, and never two different things for one height, round and
// step (S2). The one that keeps its key in a file is [privval.OpenFileSigner]; a remote one has the same methods.
type Signer interface {
	// PubKey is the Ed25519 public key, 32 bytes.
	PubKey() []byte
	// SignVote fills in Signature, and the Time of what was signed before, if it differs from that in nothing else.
	// ErrDoubleSign: something else was signed there.
	SignVote(chainID string, v *types.Vote) error
	// SignProposal likewise.
	SignProposal(chainID string, p *types.Proposal) error
}

// A Network carries what a [Node] accepts to the others, and asks them for what it lacks.
// Its methods do not wait. What it hears it gives to [Node.Deliver].
type Network interface {
	// Publish has a message that the node made, or has verified and not seen before.
	Publish(types.Message)
	// Enter says where the node is. A new height is entered with round 0 and StepNew after the block before is stored.
	Enter(types.Height, types.Round, types.Step)
	// Want asks for the proposal and the parts of a value that has a quorum (K5).
	Want(types.Height, types.Round, types.ValueID)
}

// noNetwork is the network of who is alone.
type noNetwork struct{}

func (noNetwork) Publish(types.Message)                         {}
func (noNetwork) Enter(types.Height, types.Round, types.Step)   {}
func (noNetwork) Want(types.Height, types.Round, types.ValueID) {}

// A Mempool has transactions that wait for a block.
type Mempool interface {
	// Limit says how much room, in bytes, and gas an empty block has (-1: without a bound), before transactions can come and whenever
	// that may have changed.
	Limit(room, gas int64)
	// Reap is what fits into a block, in order. The bounds are -1 for none. The slices are not to be changed.
	Reap(maxBytes, maxGas int64) [][]byte
	// Available has a value when there is something to reap that was not before; for nodes that make no empty blocks.
	Available() <-chan struct{}
	// Lock waits for checks under way, and lets none begin until Update, which is called after the application's Commit.
	Lock()
	// Update drops what was committed, checks the rest again, and unlocks.
	Update(ctx context.Context, height types.Height, txs [][]byte, codes []uint32) error
	// Unlock ends Lock where there is nothing to update.
	Unlock()
}

// An EvidencePool has proofs of faults that wait for a block (E1).
type EvidencePool interface {
	// Report takes what the core has found. The height may be the current one: it is completed when that is decided.
	Report(types.DoubleVote)
	// Pending is what fits into a block.
	Pending(maxBytes int64) []*types.DuplicateVoteEvidence
	// Check judges the evidence of somebody's block for the height after state.
	Check(state *types.State, evidence []*types.DuplicateVoteEvidence) error
	// Update tells that a block with evidence was committed, and what the state is after it.
	Update(state *types.State, evidence []*types.DuplicateVoteEvidence)
}

// A Store keeps blocks and states. It is safe for concurrent use.
type Store interface {
	// SaveBlock makes a decided block durable, with the precommits that were seen for it (W3).
	SaveBlock(block *types.Block, id types.ValueID, seen *types.Commit) error
	// SaveState makes the state after a block durable, with what the application said to the block.
	SaveState(state *types.State, results *types.Results) error
	// State is the last saved one; nil: there is none.
	State() (*types.State, error)
	// Base and Height are the lowest and the highest stored block; 0: none.
	Base() types.Height
	Height() types.Height
	// Block, its id, and the commit that was seen for it. ErrNotFound: it is not stored (any more).
	Block(types.Height) (*types.Block, types.ValueID, error)
	SeenCommit(types.Height) (*types.Commit, error)
	// Validators is the set of a height, with its priorities.
	Validators(types.Height) (*types.ValidatorSet, error)
	// Results is what the application said to the block of a height.
	Results(types.Height) (*types.Results, error)
	// Prune drops blocks, states and results below a height.
	Prune(retain types.Height) error
	Close() error
}
