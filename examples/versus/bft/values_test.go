package main

import (
	"testing"

	cmtabci "github.com/cometbft/cometbft/abci/types"
	cmtproto "github.com/cometbft/cometbft/proto/tendermint/types"
	cmt "github.com/cometbft/cometbft/types"
	"github.com/flagship-go/flagship/bft/abci"
	ourmerkle "github.com/flagship-go/flagship/bft/merkle"
	"github.com/flagship-go/flagship/bft/types"
	"github.com/stretchr/testify/require"
)

// Hashes, what is signed, and encodings of random values.

func TestSignBytesAreTheSame(t *testing.T) { // S1
	worlds(t, 2000, func(t *testing.T, w *world) {
		v, chain := w.vote(), w.chainID()
		require.Equal(t, cmt.VoteSignBytes(chain, theirVote(v, 0).ToProto()), v.AppendSignBytes(nil, chain))

		p := &types.Proposal{Height: w.height(), Round: w.round(), ValidRound: types.NoRound, Value: w.id(), Time: w.time()}
		if w.sometimes(2) {
			p.ValidRound = w.round()
		}
		theirs := &cmt.Proposal{Type: cmtproto.ProposalType, Height: int64(p.Height), Round: int32(p.Round), POLRound: int32(p.ValidRound),
			BlockID: theirID(p.Value), Timestamp: p.Time}
		require.Equal(t, cmt.ProposalSignBytes(chain, theirs.ToProto()), p.AppendSignBytes(nil, chain))
	})
}

func TestHashesAreTheSame(t *testing.T) { // ENC
	equal := func(t *testing.T, their []byte, our types.Hash, what string) {
		t.Helper()
		require.Equal(t, their, our[:], what)
	}
	worlds(t, 300, func(t *testing.T, w *world) {
		b := w.block(t)
		theirs := theirBlock(b)
		equal(t, theirs.Header.Hash(), b.Hash(), "header")
		equal(t, theirs.LastCommit.Hash(), b.LastCommit.Hash(), "commit")
		equal(t, theirs.Data.Txs.Hash(), types.DataHash(b.Txs), "transactions")
		equal(t, theirs.Evidence.Evidence.Hash(), types.EvidenceHash(b.Evidence), "evidence")
		for i, e := range b.Evidence {
			equal(t, theirs.Evidence.Evidence[i].Hash(), e.Hash(), "one evidence")
		}
		n := 1 + w.IntN(40)
		set, _ := validators(n, w.powers(n))
		equal(t, theirSet(set).Hash(), set.Hash(), "validators")

		results, theirResults := w.results()
		equal(t, cmt.NewResults(theirResults).Hash(), types.ResultsHash(results), "results")

		params := cmt.DefaultConsensusParams()
		params.Block = cmt.BlockParams{MaxBytes: w.number(40) - 1, MaxGas: w.number(63) - 1}
		equal(t, params.Hash(), types.ConsensusHash(abci.BlockParams{MaxBytes: params.Block.MaxBytes, MaxGas: params.Block.MaxGas}), "parameters")
	})
}

// results are those of random transactions, as both call them. Logs and events are not part of the hash.
func (w *world) results() (our []abci.ExecTxResult, their []*cmtabci.ExecTxResult) {
	for range w.IntN(10) {
		r := abci.ExecTxResult{Code: uint32(w.number(32)), Log: "log", GasWanted: w.number(63) - 1, GasUsed: w.number(63) - 1}
		if w.sometimes(2) {
			r.Data = w.bytes(1 + w.IntN(100))
		}
		our = append(our, r)
		their = append(their, &cmtabci.ExecTxResult{Code: r.Code, Data: r.Data, Log: "another", GasWanted: r.GasWanted, GasUsed: r.GasUsed})
	}
	return our, their
}

func TestBlocksOfEachAreDecodedByTheOther(t *testing.T) { // ENC, PART
	worlds(t, 200, func(t *testing.T, w *world) {
		b := w.block(t)
		our := b.Encode(nil)
		message, err := theirBlock(b).ToProto()
		require.NoError(t, err)
		their, err := message.Marshal()
		require.NoError(t, err)
		require.Equal(t, their, our)

		var read cmtproto.Block
		require.NoError(t, read.Unmarshal(our))
		decoded, err := cmt.BlockFromProto(&read) // it checks the block by itself, too
		require.NoError(t, err)
		require.Equal(t, b.Hash(), types.Hash(decoded.Hash()))

		back, err := types.DecodeBlock(their)
		require.NoError(t, err)
		require.NoError(t, back.Check())
		require.Equal(t, b.Hash(), back.Hash())
		require.Equal(t, our, back.Encode(nil))

		sameParts(t, our)
	})
}

// sameParts has each gather the parts that the other has cut, with their proofs.
func sameParts(t *testing.T, encoded []byte) {
	t.Helper()
	header, parts := types.MakeParts(encoded)
	theirs := cmt.NewPartSetFromData(encoded, cmt.BlockPartSizeBytes)
	require.Equal(t, theirs.Header(), cmt.PartSetHeader{Total: header.Total, Hash: header.Hash[:]})

	gathered := types.NewPartSet(header)
	received := cmt.NewPartSetFromHeader(theirs.Header())
	for i := range parts {
		part := theirs.GetPart(i)
		our := types.Part{Index: part.Index, Bytes: part.Bytes}
		for _, aunt := range part.Proof.Aunts {
			our.Proof = append(our.Proof, [32]byte(aunt))
		}
		added, err := gathered.Add(&our)
		require.NoError(t, err)
		require.True(t, added)

		leaf := ourmerkle.LeafHash(parts[i].Bytes)
		their := &cmt.Part{Index: parts[i].Index, Bytes: parts[i].Bytes}
		their.Proof.Total, their.Proof.Index, their.Proof.LeafHash = int64(header.Total), int64(i), leaf[:]
		for _, aunt := range parts[i].Proof {
			their.Proof.Aunts = append(their.Proof.Aunts, aunt[:])
		}
		added, err = received.AddPart(their)
		require.NoError(t, err)
		require.True(t, added)
	}
	require.Equal(t, encoded, gathered.Bytes())
	require.True(t, received.IsComplete())
}
