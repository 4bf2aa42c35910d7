// Package chaintest makes chains block by block, without a node, for tests of what reads them.
package chaintest

import (
	"fmt"
	"testing"
	"time"

	"github.com/flagship-go/flagship/bft"
	"github.com/flagship-go/flagship/bft/abci/kvstore"
	"github.com/flagship-go/flagship/bft/memory"
	"github.com/flagship-go/flagship/bft/privval"
	"github.com/flagship-go/flagship/bft/types"
	"github.com/stretchr/testify/require"
)

// A Chain is a store with blocks that validators named "0", "1" ... of power 10 have decided, and the state after the last one.
type Chain struct {
	Genesis *types.Genesis
	Store   bft.Store
	State   *types.State
	Exec    *bft.Executor
	// Commit is the last block's.
	Commit *types.Commit
	t      testing.TB
	names  map[types.Address]string
}

// ID is each chain's id.
const ID = "test-chain"

// New makes a chain of n validators and no block, with a kvstore as its application.
func New(t testing.TB, n int) *Chain {
	c := &Chain{t: t, Store: memory.NewStore(), names: make(map[types.Address]string),
		Genesis: &types.Genesis{ChainID: ID, Time: time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)}}
	for i := range n {
		key := c.Know(fmt.Sprint(i))
		c.Genesis.Validators = append(c.Genesis.Validators, types.Validator{PubKey: key, Power: 10})
	}
	return c
}

// Know makes a validator's name known, so that it can sign when it is one, and returns its public key.
func (c *Chain) Know(name string) []byte {
	key := privval.NewMemSigner(name).PubKey()
	c.names[types.AddressOf(key)] = name
	return key
}

// Begin gives the application the genesis.
func (c *Chain) Begin() *Chain {
	c.Exec = NewExecutor(c.Store)
	var err error
	c.State, err = c.Exec.Handshake(c.Genesis)
	require.NoError(c.t, err)
	c.Commit = &types.Commit{}
	return c
}

// NewExecutor makes one with a kvstore, over a store.
func NewExecutor(store bft.Store) *bft.Executor {
	return &bft.Executor{App: kvstore.New(), Store: store, Mempool: memory.NewMempool(), Evidence: memory.NewEvidence(store)}
}

// Add decides a block a second after the one before.
func (c *Chain) Add(txs ...string) *types.Block {
	var block [][]byte
	for _, tx := range txs {
		block = append(block, []byte(tx))
	}
	return c.AddBlock(block, nil)
}

// Grow decides blocks of a transaction each, up to a height.
func (c *Chain) Grow(to types.Height) *Chain {
	for c.State.LastHeight < to {
		c.Add(fmt.Sprintf("height=%d", c.State.Height()))
	}
	return c
}

// AddBlock decides a block with transactions and evidence.
func (c *Chain) AddBlock(txs [][]byte, evidence []*types.DuplicateVoteEvidence) *types.Block {
	b := c.State.MakeBlock(txs, c.Commit, evidence, c.State.Validators.Proposer().Address)
	require.NoError(c.t, c.Exec.Validate(c.State, b))
	id := b.ID()
	commit := c.Sign(c.State.Validators, b.Height, id, b.Time.Add(time.Second))
	next, err := c.Exec.Apply(c.State, b, id, commit)
	require.NoError(c.t, err)
	c.State, c.Commit = next, commit
	return b
}

// Sign is the commit of all of a set for a block.
func (c *Chain) Sign(set *types.ValidatorSet, h types.Height, id types.ValueID, at time.Time) *types.Commit {
	votes := make([]*types.Vote, set.Len())
	for i := range votes {
		votes[i] = c.Vote(c.names[set.At(i).Address], types.Precommit, h, 0, id, at)
	}
	return types.MakeCommit(h, 0, id, votes)
}

// Vote is a vote of a validator, whatever it has signed before.
func (c *Chain) Vote(name string, kind types.VoteType, h types.Height, r types.Round, value types.ValueID, at time.Time) *types.Vote {
	signer := privval.NewMemSigner(name)
	v := &types.Vote{Type: kind, Height: h, Round: r, Value: value, Time: at, Validator: types.AddressOf(signer.PubKey()), ValidRound: types.NoRound}
	require.NoError(c.t, signer.SignVote(ID, v))
	return v
}

// Value is some value's id.
func Value(b byte) types.ValueID {
	return types.ValueID{Hash: types.Hash{b}, Parts: types.PartsHeader{Total: 1, Hash: types.Hash{b, 1}}}
}

// DoubleVote is two votes of a validator at a height, for two values.
func (c *Chain) DoubleVote(name string, h types.Height, r types.Round) types.DoubleVote {
	at := c.Genesis.Time.Add(time.Hour)
	return types.DoubleVote{First: *c.Vote(name, types.Prevote, h, r, Value(1), at), Second: *c.Vote(name, types.Prevote, h, r, Value(2), at)}
}

// Evidence is a double vote completed by the chain.
func (c *Chain) Evidence(name string, h types.Height, r types.Round) *types.DuplicateVoteEvidence {
	block, _, err := c.Store.Block(h)
	require.NoError(c.t, err)
	set, err := c.Store.Validators(h)
	require.NoError(c.t, err)
	e, err := types.NewEvidence(c.DoubleVote(name, h, r), set, block.Time)
	require.NoError(c.t, err)
	return e
}
