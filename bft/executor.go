package bft

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"slices"
	"time"

	"github.com/flagship-go/flagship/bft/abci"
	"github.com/flagship-go/flagship/bft/types"
)

// An Executor is what happens between consensus and the application. It is used by one goroutine at a time: a [Node]'s,
// or, before there is one, block sync's.
//
//	our turn      CreateBlock   mempool, evidence --> PrepareProposal
//	anyone's      Validate      every field of the header, the last commit, evidence
//	              Process       --> ProcessProposal (A2)
//	decided       Apply         store --> FinalizeBlock --> state saved --> Commit      (W3)
//	                                 |                 |              |
//	a crash here:            Handshake finalises   finalises again   commits what the application lacks
type Executor struct {
	App      abci.Application
	Store    Store
	Mempool  Mempool
	Evidence EvidencePool
	// Timeout is how long a call of the application may take before it counts as hanging. 0: for ever.
	Timeout time.Duration
	// HaltHeight is the last height to be applied: a stored block beyond it waits in the store. 0: none.
	HaltHeight types.Height

	oldest oldest
}

// ErrHalted is that the node must not go on, for its application or its chain is not what the others have. The error is
// a [*HaltError].
var ErrHalted = errors.New("bft: halted")

// A HaltError is the report of a node that stops in order not to fork (A1).
type HaltError struct {
	Height types.Height
	What   string // what was done, or compared
	Err    error  // what went wrong
	Remedy string
}

// Error is the report in one line.
func (e *HaltError) Error() string {
	return fmt.Sprintf("bft: halted at height %d: %s: %v; remedy: %s", e.Height, e.What, e.Err, e.Remedy)
}

// Unwrap makes errors.Is hold for ErrHalted and for the cause.
func (e *HaltError) Unwrap() []error { return []error{ErrHalted, e.Err} }

const (
	remedyApp     = "mend the application and start the node again: nothing of this call was made durable"
	remedyDiverge = "find what is not the same at each node (the order of a map, a clock, another version of the application); " +
		"then restore the application's data from another node's, or empty the data of both and sync anew"
)

// call makes one call of the application. It panics, hangs, errs or answers: three of them halt the node.
func call[Q, A any](e *Executor, h types.Height, name string, method func(context.Context, *Q) (*A, error), request *Q) (*A, error) {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	type answer struct {
		response *A
		err      error
	}
	done := make(chan answer, 1)
	go func() {
		var a answer
		defer func() {
			if p := recover(); p != nil {
				a.err = fmt.Errorf("the application panicked: %v\n%s", p, debug.Stack())
			}
			done <- a
		}()
		a.response, a.err = method(ctx, request)
		if a.err == nil && a.response == nil {
			a.err = errors.New("the application answered nothing")
		}
	}()
	a, answered := within(e.Timeout, time.After, done)
	if !answered {
		a.err = fmt.Errorf("the application has not answered for %v", e.Timeout)
	}
	if a.err != nil {
		return nil, &HaltError{Height: h, What: name, Err: a.err, Remedy: remedyApp}
	}
	return a.response, nil
}

// within is what comes in a time; 0: for ever. It is waited for in two halves: a machine that was paused for longer than all of it finds one
// of them over, and there is the other one for an application that has gone on as late as we have.
func within[T any](timeout time.Duration, after func(time.Duration) <-chan time.Time, c <-chan T) (v T, ok bool) {
	if timeout == 0 {
		return <-c, true
	}
	for range 2 {
		select {
		case v = <-c:
			return v, true
		case <-after(timeout / 2):
		}
	}
	return v, false
}

// Sizes of a block without its transactions, in CometBFT's encoding, at most.
const (
	maxHeaderBytes    = 626
	maxCommitBytes    = 94
	maxCommitSigBytes = 109 + 2
	maxOverheadBytes  = 11 + 10
)

// roomForTxs is what a block after state has for transactions and evidence, with a last commit of so many signatures.
func roomForTxs(s *types.State, signatures int) int64 {
	room := s.MaxBlockBytes() - maxOverheadBytes - maxHeaderBytes - maxCommitBytes - maxCommitSigBytes*int64(signatures)
	return room - int64(max(0, len(s.AppHash)-len(types.Hash{}))) // the header's size is with a hash of 32 bytes
}

// limit tells the mempool what fits into a block after state.
func (e *Executor) limit(s *types.State) {
	signatures := 0
	if s.LastValidators != nil {
		signatures = s.LastValidators.Len()
	}
	e.Mempool.Limit(max(roomForTxs(s, signatures), 0), s.Params.Block.MaxGas)
}

// CreateBlock makes the block after state, for a proposer of it. last is the commit of the block before.
func (e *Executor) CreateBlock(s *types.State, last *types.Commit, proposer types.Address) (*types.Block, error) {
	room := roomForTxs(s, len(last.Signatures))
	evidence := e.Evidence.Pending(s.Params.Evidence.MaxBytes)
	for i, d := range evidence {
		size := int64(len(d.Encode(nil))) + 2*maxFieldBytes
		if size > room { // the rest waits for the next block
			evidence = evidence[:i]
			break
		}
		room -= size
	}
	room = max(room, 0) // less than nothing would be no bound
	b := s.MakeBlock(nil, last, evidence, proposer)
	request := &abci.PrepareProposalRequest{MaxTxBytes: room, Txs: e.Mempool.Reap(room, s.Params.Block.MaxGas),
		LocalLastCommit: commitInfo(last, s.LastValidators), Misbehavior: misbehavior(evidence), Height: int64(b.Height),
		Time: b.Time, NextValidatorsHash: b.NextValidatorsHash[:], ProposerAddress: proposer[:]}
	response, err := call(e, b.Height, "PrepareProposal", e.App.PrepareProposal, request)
	if err != nil {
		return nil, err
	}
	var size int64
	for _, tx := range response.Txs {
		size += abci.TxSize(tx)
	}
	if size > room {
		return nil, &HaltError{Height: b.Height, What: "PrepareProposal", Remedy: remedyApp,
			Err: fmt.Errorf("the application returned transactions of %d bytes, and MaxTxBytes was %d", size, room)}
	}
	b.Txs = response.Txs
	b.Fill()
	return b, nil
}

// maxFieldBytes is what an encoded field has before its bytes, at most.
const maxFieldBytes = 6

// Validate tells whether a block may be the one after state, but for what the application says to it. ErrBlock,
// ErrEvidence and the like: it may not.
func (e *Executor) Validate(s *types.State, b *types.Block) error {
	if err := s.Validate(b); err != nil {
		return err
	}
	var size int64
	for _, d := range b.Evidence {
		size += int64(len(d.Encode(nil)))
	}
	if size > s.Params.Evidence.MaxBytes {
		return fmt.Errorf("%w %d: %d bytes of evidence, and Evidence.MaxBytes is %d", types.ErrBlock, b.Height, size, s.Params.Evidence.MaxBytes)
	}
	if len(b.Evidence) == 0 {
		return nil
	}
	return e.Evidence.Check(s, b.Evidence)
}

// Process asks the application whether a valid block is to be accepted (A2). The error is a [*HaltError].
func (e *Executor) Process(s *types.State, b *types.Block) (bool, error) {
	hash := b.Hash()
	response, err := call(e, b.Height, "ProcessProposal", e.App.ProcessProposal, &abci.ProcessProposalRequest{
		Txs: b.Txs, ProposedLastCommit: commitInfo(b.LastCommit, s.LastValidators), Misbehavior: misbehavior(b.Evidence),
		Hash: hash[:], Height: int64(b.Height), Time: b.Time, NextValidatorsHash: b.NextValidatorsHash[:],
		ProposerAddress: b.ProposerAddress[:]})
	return err == nil && response.Accept, err
}

// Apply executes a decided block that is valid after s, and returns the state after it. seen is the precommits that
// decided it. W3: the block is on disk before it is finalised, and its results and the state after it before the
// application makes them durable: so whatever happens in between, the application is never ahead of the store.
func (e *Executor) Apply(s *types.State, b *types.Block, id types.ValueID, seen *types.Commit) (*types.State, error) {
	if e.Store.Height() < b.Height {
		if err := e.Store.SaveBlock(b, id, seen); err != nil {
			return nil, fmt.Errorf("bft: storing block %d: %w", b.Height, err)
		}
	}
	response, err := e.finalize(b, s.LastValidators)
	if err != nil {
		return nil, err
	}
	next, err := s.Next(&b.Header, id, response)
	if err != nil {
		return nil, &HaltError{Height: b.Height, What: "FinalizeBlock", Err: err, Remedy: remedyApp}
	}
	if err := e.Store.SaveState(next, &types.Results{Height: b.Height, Response: response}); err != nil {
		return nil, fmt.Errorf("bft: storing the state after block %d: %w", b.Height, err)
	}
	e.limit(next)
	retain, err := e.commit(b, response)
	if err != nil {
		return nil, err
	}
	e.Evidence.Update(next, b.Evidence)
	return next, e.prune(next, retain)
}

// finalize has the application execute a block. set is who may have signed its last commit.
func (e *Executor) finalize(b *types.Block, set *types.ValidatorSet) (*abci.FinalizeBlockResponse, error) {
	hash := b.Hash()
	response, err := call(e, b.Height, "FinalizeBlock", e.App.FinalizeBlock, &abci.FinalizeBlockRequest{
		Txs: b.Txs, DecidedLastCommit: commitInfo(b.LastCommit, set), Misbehavior: misbehavior(b.Evidence),
		Hash: hash[:], Height: int64(b.Height), Time: b.Time, NextValidatorsHash: b.NextValidatorsHash[:],
		ProposerAddress: b.ProposerAddress[:]})
	if err == nil && len(response.TxResults) != len(b.Txs) {
		err = &HaltError{Height: b.Height, What: "FinalizeBlock", Remedy: remedyApp,
			Err: fmt.Errorf("%d results for %d transactions", len(response.TxResults), len(b.Txs))}
	}
	return response, err
}

// commit makes the application's state durable. No transaction is checked meanwhile.
func (e *Executor) commit(b *types.Block, r *abci.FinalizeBlockResponse) (retain types.Height, err error) {
	e.Mempool.Lock()
	response, err := call(e, b.Height, "Commit", e.App.Commit, &abci.CommitRequest{})
	if err != nil {
		e.Mempool.Unlock()
		return 0, err
	}
	codes := make([]uint32, len(r.TxResults))
	for i := range codes {
		codes[i] = r.TxResults[i].Code
	}
	if err := e.Mempool.Update(context.Background(), b.Height, b.Txs, codes); err != nil {
		return 0, &HaltError{Height: b.Height, What: "the mempool's Update", Err: err, Remedy: remedyApp}
	}
	return types.Height(response.RetainHeight), nil
}

// commitInfo is a commit in the application's words. Before the first block there is none.
func commitInfo(c *types.Commit, set *types.ValidatorSet) abci.CommitInfo {
	if set == nil || c == nil || len(c.Signatures) == 0 {
		return abci.CommitInfo{}
	}
	info := abci.CommitInfo{Round: int32(c.Round), Votes: make([]abci.VoteInfo, 0, len(c.Signatures))}
	for i, sig := range c.Signatures {
		v := set.At(i)
		info.Votes = append(info.Votes, abci.VoteInfo{Validator: abci.Validator{Address: bytes.Clone(v.Address[:]), Power: v.Power},
			BlockIDFlag: abci.BlockIDFlag(sig.Flag)})
	}
	return info
}

// misbehavior is evidence in the application's words.
func misbehavior(evidence []*types.DuplicateVoteEvidence) []abci.Misbehavior {
	var out []abci.Misbehavior
	for _, e := range evidence {
		out = append(out, abci.Misbehavior{Type: abci.DuplicateVote, Height: int64(e.First.Height), Time: e.Time,
			Validator: abci.Validator{Address: bytes.Clone(e.First.Validator[:]), Power: e.ValidatorPower}, TotalVotingPower: e.TotalVotingPower})
	}
	slices.SortStableFunc(out, func(a, b abci.Misbehavior) int { return cmp.Compare(a.Height, b.Height) })
	return out
}
