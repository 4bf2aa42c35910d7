// Package ledger makes chains of blocks and states for tests, without a node and without an executor.
package ledger

import (
	"fmt"
	"testing"
	"time"

	"github.com/flagship-go/flagship/bft/abci"
	"github.com/flagship-go/flagship/bft/privval"
	"github.com/flagship-go/flagship/bft/types"
	"github.com/stretchr/testify/require"
)

// A Ledger is a chain of states made without a node, by validators who all sign at times of their own.
type Ledger struct {
	State  *types.State                    // after the last block
	Last   *types.Commit                   // of the last block
	Delays map[types.Address]time.Duration // of a validator's clock
	// Signers sign for every validator. Who is to join is put into it.
	Signers map[types.Address]*privval.MemSigner

	t *testing.T
}

// New is the state of a genesis with validators of these powers.
func New(t *testing.T, powers ...int64) *Ledger {
	l := &Ledger{t: t, Signers: make(map[types.Address]*privval.MemSigner), Last: &types.Commit{}, Delays: make(map[types.Address]time.Duration)}
	g := &types.Genesis{ChainID: "ledger", Time: time.Unix(1_700_000_000, 0), InitialHeight: 1, Validators: l.Validators(powers...)}
	var err error
	l.State, err = g.State()
	require.NoError(t, err)
	return l
}

// Validators are the first ones that a Ledger makes, with their powers.
func (l *Ledger) Validators(powers ...int64) (all []types.Validator) {
	for i, power := range powers {
		signer := privval.NewMemSigner(fmt.Sprint("v", i))
		l.Signers[types.AddressOf(signer.PubKey())] = signer
		all = append(all, types.Validator{PubKey: signer.PubKey(), Power: power})
	}
	return all
}

// Block is the next one, of the proposer of round 0.
func (l *Ledger) Block(txs ...string) *types.Block {
	var all [][]byte
	for _, tx := range txs {
		all = append(all, []byte(tx))
	}
	return l.State.MakeBlock(all, l.Last, nil, l.State.Validators.Proposer().Address)
}

// Decide commits a block with an answer of the application.
func (l *Ledger) Decide(b *types.Block, r *abci.FinalizeBlockResponse) {
	l.t.Helper()
	require.NoError(l.t, l.State.Validate(b))
	id, set := b.ID(), l.State.Validators
	votes := make([]*types.Vote, set.Len())
	for i := range votes {
		a := set.At(i).Address
		votes[i] = &types.Vote{Type: types.Precommit, Height: b.Height, Value: id, Validator: a, ValidRound: types.NoRound, Time: b.Time.Add(time.Second + l.Delays[a])}
		require.NoError(l.t, l.Signers[a].SignVote(l.State.ChainID, votes[i]))
	}
	l.Last = types.MakeCommit(b.Height, 0, id, votes)
	var err error
	l.State, err = l.State.Next(&b.Header, id, r)
	require.NoError(l.t, err)
}
