package main

import (
	"github.com/cometbft/cometbft/crypto/ed25519"
	cmtversion "github.com/cometbft/cometbft/proto/tendermint/version"
	cmt "github.com/cometbft/cometbft/types"
	"github.com/flagship-go/flagship/bft/types"
)

// What CometBFT calls the same things. A hash or an address of zeros is one that is not there: CometBFT has no bytes then.

const blockProtocol = 11 // CometBFT's version.BlockProtocol, which ours is written for

func theirHash(h types.Hash) []byte {
	if h == (types.Hash{}) {
		return nil
	}
	return h[:]
}

func theirAddress(a types.Address) []byte {
	if a == (types.Address{}) {
		return nil
	}
	return a[:]
}

func theirID(v types.ValueID) cmt.BlockID {
	return cmt.BlockID{Hash: theirHash(v.Hash), PartSetHeader: cmt.PartSetHeader{Total: v.Parts.Total, Hash: theirHash(v.Parts.Hash)}}
}

func theirHeader(h *types.Header) *cmt.Header {
	return &cmt.Header{
		Version: cmtversion.Consensus{Block: blockProtocol, App: h.AppVersion}, ChainID: h.ChainID, Height: int64(h.Height), Time: h.Time,
		LastBlockID: theirID(h.LastBlockID), LastCommitHash: theirHash(h.LastCommitHash), DataHash: theirHash(h.DataHash),
		ValidatorsHash: theirHash(h.ValidatorsHash), NextValidatorsHash: theirHash(h.NextValidatorsHash),
		ConsensusHash: theirHash(h.ConsensusHash), AppHash: h.AppHash, LastResultsHash: theirHash(h.LastResultsHash),
		EvidenceHash: theirHash(h.EvidenceHash), ProposerAddress: theirAddress(h.ProposerAddress),
	}
}

func theirVote(v *types.Vote, index int32) *cmt.Vote {
	vote := &cmt.Vote{Height: int64(v.Height), Round: int32(v.Round), BlockID: theirID(v.Value), Timestamp: v.Time,
		ValidatorAddress: theirAddress(v.Validator), ValidatorIndex: index, Signature: v.Signature}
	switch v.Type {
	case types.Prevote:
		vote.Type = 1
	case types.Precommit:
		vote.Type = 2
	}
	return vote
}

func theirCommit(c *types.Commit) *cmt.Commit {
	commit := &cmt.Commit{Height: int64(c.Height), Round: int32(c.Round), BlockID: theirID(c.Value)}
	for i := range c.Signatures {
		s := &c.Signatures[i]
		commit.Signatures = append(commit.Signatures, cmt.CommitSig{BlockIDFlag: cmt.BlockIDFlag(s.Flag),
			ValidatorAddress: theirAddress(s.Validator), Timestamp: s.Time, Signature: s.Signature})
	}
	return commit
}

// theirValidator leaves the priority out: where it counts, both begin alike.
func theirValidator(v types.Validator) *cmt.Validator {
	return cmt.NewValidator(ed25519.PubKey(v.PubKey), v.Power)
}

func theirValidators(vs []types.Validator) []*cmt.Validator {
	theirs := make([]*cmt.Validator, len(vs))
	for i, v := range vs {
		theirs[i] = theirValidator(v)
	}
	return theirs
}

// theirSet has CometBFT make the set of the same members, by its own rules.
func theirSet(s *types.ValidatorSet) *cmt.ValidatorSet {
	members := make([]types.Validator, s.Len())
	for i := range members {
		members[i] = s.At(i)
	}
	return cmt.NewValidatorSet(theirValidators(members))
}

func theirEvidence(e *types.DuplicateVoteEvidence) *cmt.DuplicateVoteEvidence {
	return &cmt.DuplicateVoteEvidence{VoteA: theirVote(&e.First, e.ValidatorIndex), VoteB: theirVote(&e.Second, e.ValidatorIndex),
		TotalVotingPower: e.TotalVotingPower, ValidatorPower: e.ValidatorPower, Timestamp: e.Time}
}

func theirBlock(b *types.Block) *cmt.Block {
	block := &cmt.Block{Header: *theirHeader(&b.Header)}
	for _, tx := range b.Txs {
		block.Data.Txs = append(block.Data.Txs, tx)
	}
	for _, e := range b.Evidence {
		block.Evidence.Evidence = append(block.Evidence.Evidence, theirEvidence(e))
	}
	if b.LastCommit != nil {
		block.LastCommit = theirCommit(b.LastCommit)
	}
	return block
}

// ourCommit is the way back, for commits that CometBFT has made.
func ourCommit(c *cmt.Commit) *types.Commit {
	commit := &types.Commit{Height: types.Height(c.Height), Round: types.Round(c.Round), Value: ourID(c.BlockID)}
	for _, s := range c.Signatures {
		sig := types.CommitSig{Flag: types.CommitFlag(s.BlockIDFlag), Time: s.Timestamp, Signature: s.Signature}
		copy(sig.Validator[:], s.ValidatorAddress)
		commit.Signatures = append(commit.Signatures, sig)
	}
	return commit
}

func ourID(id cmt.BlockID) (v types.ValueID) {
	copy(v.Hash[:], id.Hash)
	copy(v.Parts.Hash[:], id.PartSetHeader.Hash)
	v.Parts.Total = id.PartSetHeader.Total
	return v
}
