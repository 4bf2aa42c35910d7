package main

import (
	"crypto/sha256"
	"fmt"
	"time"

	"github.com/oasisprotocol/curve25519-voi/primitives/ed25519"

	"github.com/flagship-go/flagship/bft"
)

// What both verify: validators with keys, and commits that they have signed.

const chainID = "versus"

var someTime = time.Date(2026, 11, 27, 10, 20, 30, 123456789, time.UTC)

// keyOf is the key of validator i, the same in each run.
func keyOf(i int) bft.PrivateKey {
	seed := sha256.Sum256(fmt.Appendf(nil, "validator %d", i))
	return ed25519.NewKeyFromSeed(seed[:])
}

func validatorOf(key bft.PrivateKey, power int64) bft.Validator {
	public := key[bft.KeySize:]
	return bft.Validator{Address: bft.AddressOf(public), PubKey: public, Power: power}
}

// validators are a set of n, and their keys in its order.
func validators(n int, power func(i int) int64) (*bft.ValidatorSet, []bft.PrivateKey) {
	byAddress := map[bft.Address]bft.PrivateKey{}
	var vs []bft.Validator
	for i := range n {
		key := keyOf(i)
		v := validatorOf(key, power(i))
		byAddress[v.Address] = key
		vs = append(vs, v)
	}
	set, err := bft.NewValidatorSet(vs)
	if err != nil {
		panic(err) // of a set that this program has made up
	}
	keys := make([]bft.PrivateKey, n)
	for i := range keys {
		keys[i] = byAddress[set.At(i).Address]
	}
	return set, keys
}

func equal(int) int64 { return 10 }

// vote is validator i's, signed.
func vote(set *bft.ValidatorSet, keys []bft.PrivateKey, i int, kind bft.VoteType, h bft.Height, r bft.Round, id bft.ValueID) *bft.Vote {
	v := &bft.Vote{Type: kind, Height: h, Round: r, Value: id, Time: someTime.Add(time.Duration(i) * time.Millisecond),
		Validator: set.At(i).Address, ValidRound: bft.NoRound}
	v.Signature = ed25519.Sign(keys[i], v.AppendSignBytes(nil, chainID))
	return v
}

// commit is one that all have signed.
func commit(set *bft.ValidatorSet, keys []bft.PrivateKey, h bft.Height, id bft.ValueID) *bft.Commit {
	votes := make([]*bft.Vote, set.Len())
	for i := range votes {
		votes[i] = vote(set, keys, i, bft.Precommit, h, 0, id)
	}
	return bft.MakeCommit(h, 0, id, votes)
}

// someID is a block's id, of nothing in particular.
func someID(name string) bft.ValueID {
	return bft.ValueID{Hash: sha256.Sum256([]byte(name)), Parts: bft.PartsHeader{Total: 1, Hash: sha256.Sum256([]byte(name + " parts"))}}
}
