package main

import (
	"crypto/sha256"
	"fmt"
	"time"

	"github.com/flagship-go/flagship/bft/types"
	"github.com/oasisprotocol/curve25519-voi/primitives/ed25519"
)

// What both verify: validators with keys, and commits that they have signed.

const chainID = "versus"

var someTime = time.Date(2026, 11, 27, 10, 20, 30, 123456789, time.UTC)

// keyOf is the key of validator i, the same in each run.
func keyOf(i int) types.PrivateKey {
	seed := sha256.Sum256(fmt.Appendf(nil, "validator %d", i))
	return ed25519.NewKeyFromSeed(seed[:])
}

func validatorOf(key types.PrivateKey, power int64) types.Validator {
	public := key[types.KeySize:]
	return types.Validator{Address: types.AddressOf(public), PubKey: public, Power: power}
}

// validators are a set of n, and their keys in its order.
func validators(n int, power func(i int) int64) (*types.ValidatorSet, []types.PrivateKey) {
	byAddress := map[types.Address]types.PrivateKey{}
	var vs []types.Validator
	for i := range n {
		key := keyOf(i)
		v := validatorOf(key, power(i))
		byAddress[v.Address] = key
		vs = append(vs, v)
	}
	set, err := types.NewValidatorSet(vs)
	if err != nil {
		panic(err) // of a set that this program has made up
	}
	keys := make([]types.PrivateKey, n)
	for i := range keys {
		keys[i] = byAddress[set.At(i).Address]
	}
	return set, keys
}

func equal(int) int64 { return 10 }

// vote is validator i's, signed.
func vote(set *types.ValidatorSet, keys []types.PrivateKey, i int, kind types.VoteType, h types.Height, r types.Round, id types.ValueID) *types.Vote {
	v := &types.Vote{Type: kind, Height: h, Round: r, Value: id, Time: someTime.Add(time.Duration(i) * time.Millisecond),
		Validator: set.At(i).Address, ValidRound: types.NoRound}
	v.Signature = ed25519.Sign(keys[i], v.AppendSignBytes(nil, chainID))
	return v
}

// commit is one that all have signed.
func commit(set *types.ValidatorSet, keys []types.PrivateKey, h types.Height, id types.ValueID) *types.Commit {
	votes := make([]*types.Vote, set.Len())
	for i := range votes {
		votes[i] = vote(set, keys, i, types.Precommit, h, 0, id)
	}
	return types.MakeCommit(h, 0, id, votes)
}

// someID is a block's id, of nothing in particular.
func someID(name string) types.ValueID {
	return types.ValueID{Hash: sha256.Sum256([]byte(name)), Parts: types.PartsHeader{Total: 1, Hash: sha256.Sum256([]byte(name + " parts"))}}
}
