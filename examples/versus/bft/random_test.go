package main

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/oasisprotocol/curve25519-voi/primitives/ed25519"
	"github.com/stretchr/testify/require"

	"github.com/flagship-go/flagship/bft"
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

func (w *world) hash() (h bft.Hash) {
	copy(h[:], w.bytes(len(h)))
	return h
}

func (w *world) address() (a bft.Address) {
	copy(a[:], w.bytes(len(a)))
	return a
}

// number is of any size up to bits.
func (w *world) number(bits int) int64 { return int64(w.Uint64() >> (64 - w.IntN(bits) - 1)) }

func (w *world) height() bft.Height { return bft.Height(w.number(62)) + 1 }

func (w *world) round() bft.Round { return bft.Round(w.number(30)) }

// time is within what protobuf allows, whole seconds among them.
func (w *world) time() time.Time {
	at := time.Unix(w.number(36)-w.number(34), 0)
	if !w.sometimes(4) {
		at = at.Add(time.Duration(w.number(29)))
	}
	return at.UTC()
}

func (w *world) id() bft.ValueID {
	return bft.ValueID{Hash: w.hash(), Parts: bft.PartsHeader{Total: 1 + uint32(w.IntN(bft.MaxParts)), Hash: w.hash()}}
}

// idOrNil is nil now and then.
func (w *world) idOrNil() bft.ValueID {
	if w.sometimes(4) {
		return bft.NilValue
	}
	return w.id()
}

func (w *world) chainID() string {
	return fmt.Sprintf("%x", w.bytes(1+w.IntN(bft.MaxChainIDLen/2)))
}

func (w *world) vote() *bft.Vote {
	return &bft.Vote{Type: bft.VoteType(1 + w.IntN(2)), Height: w.height(), Round: w.round(), Value: w.idOrNil(), Time: w.time(),
		Validator: w.address(), ValidRound: bft.NoRound, Signature: w.bytes(bft.SignatureSize)}
}

func (w *world) commitOf(height bft.Height) *bft.Commit {
	c := &bft.Commit{Height: height, Round: w.round(), Value: w.id()}
	for range 1 + w.IntN(20) {
		s := bft.CommitSig{Flag: bft.CommitAbsent}
		if !w.sometimes(4) {
			s = bft.CommitSig{Flag: bft.CommitFlag(2 + w.IntN(2)), Validator: w.address(), Time: w.time(), Signature: w.bytes(bft.SignatureSize)}
		}
		c.Signatures = append(c.Signatures, s)
	}
	return c
}

// powers are small, usual, or as large as n of them can be.
func (w *world) powers(n int) func(int) int64 {
	most := []int64{1, 10, 1_000_000, bft.MaxTotalPower / int64(n)}[w.IntN(4)]
	return func(int) int64 { return 1 + w.Int64N(most) }
}

func (w *world) evidence(t *testing.T) *bft.DuplicateVoteEvidence {
	t.Helper()
	set, keys := validators(4, w.powers(4))
	i, kind, h, r := w.IntN(4), bft.VoteType(1+w.IntN(2)), w.height(), w.round()
	double := bft.DoubleVote{First: *vote(set, keys, i, kind, h, r, w.id()), Second: *vote(set, keys, i, kind, h, r, w.idOrNil())}
	e, err := bft.NewEvidence(double, set, w.time())
	require.NoError(t, err)
	return e
}

// block is one that agrees with itself.
func (w *world) block(t *testing.T) *bft.Block {
	t.Helper()
	b := &bft.Block{Header: bft.Header{
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
func sign(v *bft.Vote, chain string, key bft.PrivateKey) *bft.Vote {
	v.Signature = ed25519.Sign(key, v.AppendSignBytes(nil, chain))
	return v
}
