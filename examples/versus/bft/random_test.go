package main

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/flagship-go/flagship/bft/types"
	"github.com/oasisprotocol/curve25519-voi/primitives/ed25519"
	"github.com/stretchr/testify/require"
)

// A world makes random values, the same from the same seed.
type world struct {
	*rand.Rand
	seed uint64
}

// worlds runs a test in so many of them.
func worlds(t *testing.T, n int, test func(t *testing.T, w *world)) {
	t.Helper()
	for seed := range uint64(n) {
		if !t.Run(fmt.Sprintf("seed=%d", seed), func(t *testing.T) { test(t, &world{rand.New(rand.NewPCG(seed, 1)), seed}) }) {
			return // others fail for the same reason
		}
	}
}

func (w *world) bytes(n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(w.Uint32())
	}
	return b
}

// sometimes is true once in n times.
func (w *world) sometimes(n int) bool { return w.IntN(n) == 0 }

func (w *world) hash() (h types.Hash) {
	copy(h[:], w.bytes(len(h)))
	return h
}

func (w *world) address() (a types.Address) {
	copy(a[:], w.bytes(len(a)))
	return a
}

// number is of any size up to bits.
func (w *world) number(bits int) int64 { return int64(w.Uint64() >> (64 - w.IntN(bits) - 1)) }

func (w *world) height() types.Height { return types.Height(w.number(62)) + 1 }

func (w *world) round() types.Round { return types.Round(w.number(30)) }

// time is within what protobuf allows, whole seconds among them.
func (w *world) time() time.Time {
	at := time.Unix(w.number(36)-w.number(34), 0)
	if !w.sometimes(4) {
		at = at.Add(time.Duration(w.number(29)))
	}
	return at.UTC()
}

func (w *world) id() types.ValueID {
	return types.ValueID{Hash: w.hash(), Parts: types.PartsHeader{Total: 1 + uint32(w.IntN(types.MaxParts)), Hash: w.hash()}}
}

// idOrNil is nil now and then.
func (w *world) idOrNil() types.ValueID {
	if w.sometimes(4) {
		return types.NilValue
	}
	return w.id()
}

func (w *world) chainID() string {
	return fmt.Sprintf("%x", w.bytes(1+w.IntN(types.MaxChainIDLen/2)))
}

func (w *world) vote() *types.Vote {
	return &types.Vote{Type: types.VoteType(1 + w.IntN(2)), Height: w.height(), Round: w.round(), Value: w.idOrNil(), Time: w.time(),
		Validator: w.address(), ValidRound: types.NoRound, Signature: w.bytes(types.SignatureSize)}
}

func (w *world) commitOf(height types.Height) *types.Commit {
	c := &types.Commit{Height: height, Round: w.round(), Value: w.id()}
	for range 1 + w.IntN(20) {
		s := types.CommitSig{Flag: types.CommitAbsent}
		if !w.sometimes(4) {
			s = types.CommitSig{Flag: types.CommitFlag(2 + w.IntN(2)), Validator: w.address(), Time: w.time(), Signature: w.bytes(types.SignatureSize)}
		}
		c.Signatures = append(c.Signatures, s)
	}
	return c
}

// powers are small, usual, or as large as n of them can be.
func (w *world) powers(n int) func(int) int64 {
	most := []int64{1, 10, 1_000_000, types.MaxTotalPower / int64(n)}[w.IntN(4)]
	return func(int) int64 { return 1 + w.Int64N(most) }
}

func (w *world) evidence(t *testing.T) *types.DuplicateVoteEvidence {
	t.Helper()
	set, keys := validators(4, w.powers(4))
	i, kind, h, r := w.IntN(4), types.VoteType(1+w.IntN(2)), w.height(), w.round()
	double := types.DoubleVote{First: *vote(set, keys, i, kind, h, r, w.id()), Second: *vote(set, keys, i, kind, h, r, w.idOrNil())}
	e, err := types.NewEvidence(double, set, w.time())
	require.NoError(t, err)
	return e
}

// block is one that agrees with itself.
func (w *world) block(t *testing.T) *types.Block {
	t.Helper()
	b := &types.Block{Header: types.Header{
		AppVersion: uint64(w.number(64)), ChainID: w.chainID(), Height: 2 + w.height(), Time: w.time(), LastBlockID: w.id(),
		ValidatorsHash: w.hash(), NextValidatorsHash: w.hash(), ConsensusHash: w.hash(), LastResultsHash: w.hash(), ProposerAddress: w.address(),
	}}
	if !w.sometimes(4) {
		b.AppHash = w.bytes(1 + w.IntN(64))
	}
	for range w.IntN(10) {
		b.Txs = append(b.Txs, w.bytes(w.IntN(1<<w.IntN(18))))
	}
	for range w.IntN(3) {
		b.Evidence = append(b.Evidence, w.evidence(t))
	}
	b.LastCommit = w.commitOf(b.Height - 1)
	b.Fill()
	return b
}

// sign is v with the signature of a key.
func sign(v *types.Vote, chain string, key types.PrivateKey) *types.Vote {
	v.Signature = ed25519.Sign(key, v.AppendSignBytes(nil, chain))
	return v
}
