package main

import (
	"testing"
	"time"

	cmtmath "github.com/cometbft/cometbft/libs/math"
	cmtlight "github.com/cometbft/cometbft/light"
	cmt "github.com/cometbft/cometbft/types"
	"github.com/flagship-go/flagship/bft/light"
	"github.com/flagship-go/flagship/bft/types"
	"github.com/stretchr/testify/require"
)

// Light clients of both on one random chain: each pair of heights, with something spoilt or nothing.

// A lightChain is headers with their commits and sets, that change.
type lightChain struct {
	blocks []*light.Block // height 1 is the first
	keys   map[types.Address]types.PrivateKey
}

func (w *world) lightChain(t *testing.T, heights int) *lightChain {
	t.Helper()
	c := &lightChain{keys: map[types.Address]types.PrivateKey{}}
	for i := range 100 {
		key := keyOf(i)
		c.keys[types.AddressOf(key[types.KeySize:])] = key
	}
	n := 1 + w.IntN(8)
	set, _ := validators(n, equal)
	at, last := someTime, types.ValueID{}
	for h := range types.Height(heights) {
		next := set
		if w.sometimes(2) {
			changes := []types.Validator{validatorOf(keyOf(w.IntN(20)), 1+w.Int64N(20))}
			if w.sometimes(2) && set.Len() > 1 {
				changes[0] = set.At(w.IntN(set.Len()))
				changes[0].Power = 0
			}
			var err error
			next, err = set.Update(changes)
			require.NoError(t, err)
		}
		header := &types.Header{ChainID: chainID, Height: h + 1, Time: at, LastBlockID: last, LastCommitHash: w.hash(), DataHash: w.hash(),
			ValidatorsHash: set.Hash(), NextValidatorsHash: next.Hash(), ConsensusHash: w.hash(), AppHash: w.bytes(32),
			LastResultsHash: w.hash(), EvidenceHash: w.hash(), ProposerAddress: set.Proposer().Address}
		last = header.ID(types.PartsHeader{Total: 1, Hash: w.hash()})
		c.blocks = append(c.blocks, &light.Block{Header: header, Commit: c.commit(w, set, last, header.Height), Validators: set, Next: next})
		set, at = next.Rotate(1), at.Add(time.Duration(1+w.IntN(60))*time.Second)
	}
	return c
}

func (c *lightChain) commit(w *world, set *types.ValidatorSet, id types.ValueID, height types.Height) *types.Commit {
	keys := make([]types.PrivateKey, set.Len())
	for i := range keys {
		keys[i] = c.keys[set.At(i).Address]
	}
	return w.commitBy(set, keys, id, height)
}

func theirSigned(b *light.Block) *cmt.SignedHeader {
	return &cmt.SignedHeader{Header: theirHeader(b.Header), Commit: theirCommit(b.Commit)}
}

func TestLightClientsHaveTheSameVerdict(t *testing.T) { // C1
	right, wrong := 0, 0
	worlds(t, 60, func(t *testing.T, w *world) {
		c := w.lightChain(t, 12)
		for range 60 {
			trusted := c.blocks[w.IntN(len(c.blocks))]
			b, spoilt := c.spoil(w, c.blocks[w.IntN(len(c.blocks))])
			level := [][2]uint64{{1, 3}, {1, 2}, {2, 3}}[w.IntN(3)]
			period := time.Duration(1+w.IntN(30)) * time.Minute
			now := someTime.Add(time.Duration(w.IntN(30*60)) * time.Second)
			drift := time.Duration(1+w.IntN(60)) * time.Second
			our := light.Verify(light.Params{Level: types.Fraction{Numerator: level[0], Denominator: level[1]}, Period: period, Drift: drift},
				chainID, trusted.Trusted(), b, now)
			their := cmtlight.Verify(theirSigned(trusted), theirSet(trusted.Next), theirSigned(b), theirSet(b.Validators), period, now, drift,
				cmtmath.Fraction{Numerator: level[0], Denominator: level[1]})
			if our != nil && their == nil {
				// CometBFT has stopped before an address in the wrong place, or there twice, which ours has seen.
				require.Error(t, cmt.VerifyCommit(chainID, theirSet(b.Validators), theirID(b.Commit.Value), int64(b.Height()), theirCommit(b.Commit)), our)
				wrong++
				continue
			}
			require.Equal(t, their == nil, our == nil, "height %d by %d, spoilt by %q\nours: %v\nCometBFT's: %v",
				b.Height(), trusted.Height(), spoilt, our, their)
			if our == nil {
				right++
			} else {
				wrong++
			}
		}
	})
	require.Greater(t, right, 200)
	require.Greater(t, wrong, 200)
}

// spoil is the block, or one with something else in it: header, commit, or set.
func (c *lightChain) spoil(w *world, b *light.Block) (spoilt *light.Block, what string) {
	header, set := *b.Header, b.Validators
	commit := *b.Commit
	commit.Signatures = append([]types.CommitSig{}, b.Commit.Signatures...)
	next := b.Next
	switch w.IntN(8) {
	case 0:
		_, what = w.spoil(&commit)
	case 1:
		what, header.AppHash = "app hash", w.bytes(32)
	case 2:
		what, header.ChainID = "chain", "another"
	case 3: // signed by the right ones, for another header
		what, header.AppHash, header.Time = "a fork", w.bytes(32), header.Time.Add(time.Second)
		commit = *c.commit(w, set, header.ID(types.PartsHeader{Total: 1, Hash: w.hash()}), header.Height)
	case 4: // a set of somebody's own
		what = "another set"
		set, _ = validators(1+w.IntN(4), equal)
		next = set
		header.ValidatorsHash, header.NextValidatorsHash = set.Hash(), set.Hash()
		commit = *c.commit(w, set, header.ID(types.PartsHeader{Total: 1, Hash: w.hash()}), header.Height)
	}
	return &light.Block{Header: &header, Commit: &commit, Validators: set, Next: next}, what
}
