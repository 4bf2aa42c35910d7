package main

import (
	"bytes"
	"slices"
	"testing"
	"time"

	cmted "github.com/cometbft/cometbft/crypto/ed25519"
	cmtmath "github.com/cometbft/cometbft/libs/math"
	cmtproto "github.com/cometbft/cometbft/proto/tendermint/types"
	cmt "github.com/cometbft/cometbft/types"
	"github.com/flagship-go/flagship/bft/privval"
	"github.com/flagship-go/flagship/bft/types"
	"github.com/stretchr/testify/require"
)

// Commits that one has made, judged by the other.

func TestCommitsMadeByCometBFTAreVerifiedByOurs(t *testing.T) { // COMMIT
	worlds(t, 100, func(t *testing.T, w *world) {
		n := 1 + w.IntN(20)
		set, keys := validators(n, w.powers(n))
		id, height, round := w.id(), w.height(), w.round()
		theirs := theirSet(set)
		gathered := cmt.NewVoteSet(chainID, int64(height), int32(round), cmtproto.PrecommitType, theirs)
		for i, key := range keys {
			v := &cmt.Vote{Type: cmtproto.PrecommitType, Height: int64(height), Round: int32(round), BlockID: theirID(id), Timestamp: w.time(),
				ValidatorAddress: theirs.Validators[i].Address, ValidatorIndex: int32(i)}
			if gathered.HasTwoThirdsMajority() {
				if w.sometimes(3) {
					continue // too late
				}
				if w.sometimes(3) {
					v.BlockID = cmt.BlockID{}
				}
			}
			signature, err := cmted.PrivKey(key).Sign(cmt.VoteSignBytes(chainID, v.ToProto()))
			require.NoError(t, err)
			v.Signature = signature
			added, err := gathered.AddVote(v)
			require.NoError(t, err)
			require.True(t, added)
		}
		c := ourCommit(gathered.MakeExtendedCommit(cmt.ABCIParams{}).ToCommit())
		require.NoError(t, types.VerifyCommit(chainID, set, id, height, c))
		require.NoError(t, types.VerifyCommitLight(chainID, set, id, height, c))
		require.NoError(t, types.VerifyCommitTrusting(chainID, set, c, types.Fraction{Numerator: 1, Denominator: 3}))
	})
}

func TestVotesOfOurSignersAreVerifiedByCometBFT(t *testing.T) { // S1
	worlds(t, 100, func(t *testing.T, w *world) {
		signer := privval.NewMemSigner("one")
		v := w.vote()
		v.Validator = types.AddressOf(signer.PubKey())
		require.NoError(t, signer.SignVote(chainID, v))
		require.NoError(t, theirVote(v, 0).Verify(chainID, cmted.PubKey(signer.PubKey())))
		require.ErrorIs(t, theirVote(v, 0).Verify("another chain", cmted.PubKey(signer.PubKey())), cmt.ErrVoteInvalidSignature)
	})
}

// TestVerdictsOnCommitsAreTheSame: right ones, and ones with something wrong.
func TestVerdictsOnCommitsAreTheSame(t *testing.T) { // COMMIT, K1, S3
	right, wrong := 0, 0
	worlds(t, 600, func(t *testing.T, w *world) {
		n := 1 + w.IntN(12)
		set, keys := validators(n, w.powers(n))
		id, height := w.id(), w.height()
		c := w.commitBy(set, keys, id, height)
		chain, spoilt := w.spoil(c)
		judged := height
		if w.sometimes(20) {
			judged++
		}
		// CometBFT has the caller check the commit by itself, and ours does it itself.
		theirs, commit := theirSet(set), theirCommit(c)
		basic := commit.ValidateBasic()
		// whole is CometBFT's verdict on all signatures: it may stop before what is wrong, which ours has seen in any case.
		same := func(our, their, whole error) {
			t.Helper()
			if basic != nil {
				their, whole = basic, basic
			}
			if our != nil && whole != nil {
				wrong++
				return
			}
			require.Equal(t, their == nil, our == nil, "spoilt by %q\nours: %v\nCometBFT's: %v", spoilt, our, their)
			right++
		}
		whole := cmt.VerifyCommit(chain, theirs, theirID(id), int64(judged), commit)
		same(types.VerifyCommit(chain, set, id, judged, c), whole, whole)
		same(types.VerifyCommitLight(chain, set, id, judged, c), cmt.VerifyCommitLight(chain, theirs, theirID(id), int64(judged), commit), whole)

		trusted, _ := validators(1+w.IntN(12), w.powers(12)) // some of the same keys
		level := [][2]uint64{{1, 3}, {1, 2}, {2, 3}}[w.IntN(3)]
		theirTrusted, theirLevel := theirSet(trusted), cmtmath.Fraction{Numerator: level[0], Denominator: level[1]}
		same(types.VerifyCommitTrusting(chain, trusted, c, types.Fraction{Numerator: level[0], Denominator: level[1]}),
			cmt.VerifyCommitLightTrusting(chain, theirTrusted, commit, theirLevel),
			cmt.VerifyCommitLightTrustingAllSignatures(chain, theirTrusted, commit, theirLevel))
	})
	require.Greater(t, right, 300)
	require.Greater(t, wrong, 300)
}

// commitBy is signed by most, for nil by some.
func (w *world) commitBy(set *types.ValidatorSet, keys []types.PrivateKey, id types.ValueID, height types.Height) *types.Commit {
	round := w.round()
	missing := 2 + w.IntN(20)
	votes := make([]*types.Vote, set.Len())
	for i := range votes {
		if w.sometimes(missing) {
			continue
		}
		value := id
		if w.sometimes(missing) {
			value = types.NilValue
		}
		votes[i] = sign(&types.Vote{Type: types.Precommit, Height: height, Round: round, Value: value, Time: w.time(), Validator: set.At(i).Address,
			ValidRound: types.NoRound}, chainID, keys[i])
	}
	return types.MakeCommit(height, round, id, votes)
}

// spoil changes something about a commit, or nothing, and says what. The chain is the one to be verified for.
func (w *world) spoil(c *types.Commit) (chain, what string) {
	chain = chainID
	s := &c.Signatures[w.IntN(len(c.Signatures))]
	other := &c.Signatures[w.IntN(len(c.Signatures))]
	switch w.IntN(16) {
	case 0:
		what = "a signature"
		if len(s.Signature) > 0 {
			s.Signature = slices.Clone(s.Signature)
			s.Signature[w.IntN(len(s.Signature))] ^= 1 << w.IntN(8)
		}
	case 1:
		what, s.Signature = "another's signature", other.Signature
	case 2:
		what, s.Validator = "another's address", other.Validator
	case 3:
		what, s.Time = "a time", s.Time.Add(time.Nanosecond)
	case 4:
		what, s.Flag = "a flag", types.CommitFlag(1+w.IntN(3))
	case 5:
		what, chain = "the chain", "another chain"
	case 6:
		what, c.Round = "the round", c.Round+1
	case 7:
		what, c.Value = "the value", w.id()
	case 8:
		what, *s, *other = "two exchanged", *other, *s
	case 9:
		what, *s = "one twice", *other
	case 10:
		what, c.Signatures = "one is missing", c.Signatures[:len(c.Signatures)-1]
	}
	return chain, what
}

func TestVerdictsOnEvidenceAreTheSame(t *testing.T) { // E1
	worlds(t, 300, func(t *testing.T, w *world) {
		set, keys := validators(4, equal)
		i, kind, h, r := w.IntN(4), types.VoteType(1+w.IntN(2)), w.height(), w.round()
		first, second := vote(set, keys, i, kind, h, r, w.id()), vote(set, keys, i, kind, h, r, w.idOrNil())
		switch w.IntN(6) {
		case 0:
			second.Round++
			sign(second, chainID, keys[i])
		case 1:
			second.Value = first.Value
			sign(second, chainID, keys[i])
		case 2:
			second.Signature = w.bytes(types.SignatureSize)
		}
		e, err := types.NewEvidence(types.DoubleVote{First: *first, Second: *second}, set, someTime)
		require.NoError(t, err)
		theirs := theirEvidence(e)
		their := theirs.ValidateBasic()
		a, b := theirs.VoteA, theirs.VoteB
		key := cmted.PubKey(set.At(i).PubKey)
		switch { // CometBFT's evidence.VerifyDuplicateVote, without its store
		case their != nil:
		case a.Height != b.Height || a.Round != b.Round || a.Type != b.Type || a.BlockID.Equals(b.BlockID) || !bytes.Equal(a.ValidatorAddress, b.ValidatorAddress):
			their = types.ErrEvidence
		default:
			if their = a.Verify(chainID, key); their == nil {
				their = b.Verify(chainID, key)
			}
		}
		our := e.Verify(chainID, set)
		require.Equal(t, their == nil, our == nil, "ours: %v\nCometBFT's: %v", our, their)
	})
}
