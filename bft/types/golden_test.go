package types

import (
	"encoding/hex"
	"encoding/json"
	"fmt"
	"os"
	"testing"
	"time"

	"github.com/flagship-go/flagship/bft/abci"
	"github.com/stretchr/testify/require"
)

// A golden is four validators with their signers, in the order of the set, and the values that
// testdata/cometbft.json was made of with CometBFT v0.40.0.
type golden struct {
	set     *ValidatorSet
	signers []*signer
	values  map[string]string
}

const chainID = "chain-1"

var (
	someTime = time.Date(2026, 11, 27, 10, 20, 30, 123456789, time.UTC)
	valueA   = ValueID{Hash: counting(1), Parts: PartsHeader{Total: 3, Hash: counting(2)}}
	valueB   = ValueID{Hash: counting(9), Parts: PartsHeader{Total: 1, Hash: counting(8)}}
)

// counting is a hash of bytes that count up.
func counting(from byte) (h Hash) {
	for i := range h {
		h[i] = from + byte(i)
	}
	return h
}

// signingSet is a set of n validators with keys, and their signers in its order.
func signingSet(t testing.TB, n int, power func(i int) int64) (*ValidatorSet, []*signer) {
	t.Helper()
	byAddress := map[Address]*signer{}
	var vs []Validator
	for i := range n {
		s := newSigner(fmt.Sprintf("v%d", i+1))
		byAddress[AddressOf(s.PubKey())] = s
		vs = append(vs, Validator{Address: AddressOf(s.PubKey()), PubKey: s.PubKey(), Power: power(i)})
	}
	set := mustSet(t, vs...)
	var signers []*signer
	for i := range n {
		signers = append(signers, byAddress[set.At(i).Address])
	}
	return set, signers
}

func newGolden(t testing.TB) *golden {
	t.Helper()
	text, err := os.ReadFile("testdata/cometbft.json")
	require.NoError(t, err)
	c := &golden{}
	require.NoError(t, json.Unmarshal(text, &c.values))
	c.set, c.signers = signingSet(t, 4, func(i int) int64 { return int64(10 * (i + 1)) })
	return c
}

func (c *golden) is(t *testing.T, what string, got []byte) {
	t.Helper()
	require.Contains(t, c.values, what)
	require.Equal(t, c.values[what], hex.EncodeToString(got), "RULE S1: %s", what)
}

// vote is one of validator i, signed without a guard, which would not let it vote twice.
func (c *golden) vote(i int, kind VoteType, h Height, r Round, value ValueID) *Vote {
	v := &Vote{
		Type: kind, Height: h, Round: r, Value: value, Time: someTime.Add(time.Duration(i) * time.Second),
		Validator: c.set.At(i).Address, ValidRound: NoRound,
	}
	c.sign(i, v)
	return v
}

func (c *golden) sign(i int, v *Vote) {
	c.signers[i].sign(v)
}

// commit is of height 4, round 1: validator 1 is absent, and 2 has voted for nil.
func (c *golden) commit() *Commit {
	return MakeCommit(4, 1, valueA, []*Vote{
		c.vote(0, Precommit, 4, 1, valueA), nil, c.vote(2, Precommit, 4, 1, NilValue), c.vote(3, Precommit, 4, 1, valueA),
	})
}

func (c *golden) evidence(t testing.TB) *DuplicateVoteEvidence {
	e, err := NewEvidence(DoubleVote{First: *c.vote(2, Prevote, 3, 1, valueB), Second: *c.vote(2, Prevote, 3, 1, valueA)}, c.set, someTime)
	require.NoError(t, err)
	return e
}

func results() []abci.ExecTxResult {
	return []abci.ExecTxResult{
		{Code: 0, Data: []byte("ok"), Log: "log", GasWanted: 100, GasUsed: 50, Events: []abci.Event{{Type: "x"}}},
		{Code: 7, GasWanted: -1}, {},
	}
}

var blockParams = abci.BlockParams{MaxBytes: 55600190, MaxGas: -1}

func (c *golden) block(t testing.TB) *Block {
	large := make([]byte, 150_000)
	for i := range large {
		large[i] = byte(i * i >> 8)
	}
	b := &Block{
		Header: Header{
			AppVersion: 3, ChainID: chainID, Height: 5, Time: someTime, LastBlockID: valueA,
			ValidatorsHash: c.set.Hash(), NextValidatorsHash: counting(40), ConsensusHash: ConsensusHash(blockParams), AppHash: []byte("app hash"),
			LastResultsHash: ResultsHash(results()), ProposerAddress: c.set.At(3).Address,
		},
		Txs: [][]byte{[]byte("a=1"), {}, large}, Evidence: []*DuplicateVoteEvidence{c.evidence(t)}, LastCommit: c.commit(),
	}
	b.Fill()
	return b
}

// S1.
func TestSignBytesAreCometBFTs(t *testing.T) {
	c := newGolden(t)
	bytes := func(v *Vote) []byte { return v.AppendSignBytes(nil, chainID) }
	c.is(t, "sign bytes: precommit", bytes(c.vote(0, Precommit, 5, 2, valueA)))
	c.is(t, "sign bytes: prevote nil", bytes(c.vote(0, Prevote, 5, 0, NilValue)))
	large := c.vote(0, Prevote, 1<<62, 1<<30, valueA)
	c.is(t, "sign bytes: large", large.AppendSignBytes(nil, "a chain with a name of fifty bytes, which is longest"))
	timeless := c.vote(0, Prevote, 1, 0, valueA)
	timeless.Time = time.Time{}
	c.is(t, "sign bytes: no time", bytes(timeless))
	c.is(t, "signature: precommit", c.vote(0, Precommit, 5, 2, valueA).Signature)

	p := Proposal{Height: 5, Round: 2, ValidRound: NoRound, Value: valueA, Time: someTime}
	c.is(t, "sign bytes: proposal", p.AppendSignBytes(nil, chainID))
	p.ValidRound = 0
	c.is(t, "sign bytes: proposal, valid round 0", p.AppendSignBytes(nil, chainID))
	p.ValidRound = 1
	c.is(t, "sign bytes: proposal, valid round 1", p.AppendSignBytes(nil, chainID))
}

func TestHashesAreCometBFTs(t *testing.T) {
	c := newGolden(t)
	hash := func(what string, h Hash) { t.Helper(); c.is(t, what, h[:]) }
	hash("validators hash", c.set.Hash())
	hash("commit hash", c.commit().Hash())
	e := c.evidence(t)
	hash("evidence hash", e.Hash())
	hash("evidence list hash", EvidenceHash([]*DuplicateVoteEvidence{e}))
	b := c.block(t)
	hash("data hash", DataHash(b.Txs))
	hash("data hash, none", DataHash(nil))
	hash("results hash", ResultsHash(results()))
	hash("consensus hash", ConsensusHash(blockParams))
	hash("block hash", b.Hash())
}

func TestEncodingsAreCometBFTs(t *testing.T) {
	c := newGolden(t)
	c.is(t, "validators bytes", c.set.Encode(nil))
	c.is(t, "commit bytes", c.commit().Encode(nil))
	c.is(t, "evidence bytes", c.evidence(t).Encode(nil))
	b := c.block(t)
	require.NoError(t, b.Check())
	c.is(t, "block header bytes", b.Header.Encode(nil))
	encoded := b.Encode(nil)
	require.Equal(t, c.values["block size"], fmt.Sprint(len(encoded)))
	header, _ := MakeParts(encoded)
	require.Equal(t, c.values["part set total"], fmt.Sprint(header.Total))
	c.is(t, "part set hash", header.Hash[:])
	require.Equal(t, ValueID{Hash: b.Hash(), Parts: header}, b.ID())

	first := Block{
		Header: Header{
			ChainID: chainID, Height: 1, Time: someTime, ValidatorsHash: c.set.Hash(), NextValidatorsHash: c.set.Hash(),
			ConsensusHash: ConsensusHash(blockParams), ProposerAddress: c.set.At(0).Address,
		},
		Txs: [][]byte{[]byte("tx")}, LastCommit: &Commit{},
	}
	first.Fill()
	c.is(t, "first block bytes", first.Encode(nil))
	h := first.Hash()
	c.is(t, "first block hash", h[:])
}
