package app

import (
	"context"
	"math"

	"github.com/flagship-go/flagship/bft/abci"
)

// PrepareProposal and ProcessProposal judge by the same function of the same things: the last committed state, the block's height
// and time, and the transactions in their order. So a block of a correct proposer is accepted by all (A2). What a node has
// of its own, the least fee or the mempool's state, has no part in it.

// A trial runs a proposal's transactions up to their messages.
type trial struct {
	app   *App
	state *state
	gas   uint64
}

// try tells whether a transaction may come next: it passes the ante steps, after those before it, and the block has gas left for it.
func (t *trial) try(raw []byte) bool {
	tx, err := DecodeTx(raw)
	if err != nil || tx.Gas > t.state.maxGas-t.gas {
		return false
	}
	if t.app.runTx(t.state, modePropose, raw).err != nil {
		return false
	}
	t.gas += tx.Gas
	return true
}

// PrepareProposal takes of the mempool's transactions, in their order, those that fit and pass; it leaves out the others.
func (a *App) PrepareProposal(_ context.Context, r *abci.PrepareProposalRequest) (*abci.PrepareProposalResponse, error) {
	tree, height, err := a.base()
	if err != nil {
		return nil, err
	}
	s, err := newState(tree, height, r.Time)
	if err != nil {
		return nil, err
	}
	t := trial{app: a, state: s}
	room := r.MaxTxBytes
	if room < 0 {
		room = math.MaxInt64
	}
	res := &abci.PrepareProposalResponse{}
	for _, raw := range r.Txs {
		if size := abci.TxSize(raw); size <= room && t.try(raw) {
			room -= size
			res.Txs = append(res.Txs, raw)
		}
	}
	return res, nil
}

// ProcessProposal accepts a block all of whose transactions pass.
func (a *App) ProcessProposal(_ context.Context, r *abci.ProcessProposalRequest) (*abci.ProcessProposalResponse, error) {
	tree, height, err := a.base()
	if err != nil {
		return nil, err
	}
	if r.Height != height {
		return &abci.ProcessProposalResponse{}, nil
	}
	s, err := newState(tree, height, r.Time)
	if err != nil {
		return nil, err
	}
	t := trial{app: a, state: s}
	for _, raw := range r.Txs {
		if !t.try(raw) {
			return &abci.ProcessProposalResponse{}, nil
		}
	}
	return &abci.ProcessProposalResponse{Accept: true}, nil
}
