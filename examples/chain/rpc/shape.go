package rpc

import (
	"encoding/hex"
	"strings"
	"time"

	"github.com/flagship-go/flagship/bft/abci"
	"github.com/flagship-go/flagship/bft/merkle"
	"github.com/flagship-go/flagship/bft/types"
)

// Hex is bytes that are shown in upper-case hexadecimal.
type Hex []byte

// MarshalText implements encoding.TextMarshaler.
func (h Hex) MarshalText() ([]byte, error) {
	return []byte(strings.ToUpper(hex.EncodeToString(h))), nil
}

// UnmarshalText implements encoding.TextUnmarshaler.
func (h *Hex) UnmarshalText(text []byte) error {
	b, err := hex.DecodeString(string(text))
	*h = b
	return err
}

// The shapes of what blocks are made of.
type (
	// BlockID names a block.
	BlockID struct {
		Hash  Hex   `json:"hash"`
		Parts Parts `json:"parts"`
	}
	// Parts name the parts that it travels in.
	Parts struct {
		Total uint32 `json:"total"`
		Hash  Hex    `json:"hash"`
	}
	// Header is a block's.
	Header struct {
		Version            Version   `json:"version"`
		ChainID            string    `json:"chain_id"`
		Height             int64     `json:"height,string"`
		Time               time.Time `json:"time"`
		LastBlockID        BlockID   `json:"last_block_id"`
		LastCommitHash     Hex       `json:"last_commit_hash"`
		DataHash           Hex       `json:"data_hash"`
		ValidatorsHash     Hex       `json:"validators_hash"`
		NextValidatorsHash Hex       `json:"next_validators_hash"`
		ConsensusHash      Hex       `json:"consensus_hash"`
		AppHash            Hex       `json:"app_hash"`
		LastResultsHash    Hex       `json:"last_results_hash"`
		EvidenceHash       Hex       `json:"evidence_hash"`
		ProposerAddress    Hex       `json:"proposer_address"`
	}
	// Version has the versions of the block's format and of the application.
	Version struct {
		Block uint64 `json:"block,string"`
		App   uint64 `json:"app,string"`
	}
	// Commit is the precommits that decided a block.
	Commit struct {
		Height     int64       `json:"height,string"`
		Round      int32       `json:"round"`
		BlockID    BlockID     `json:"block_id"`
		Signatures []CommitSig `json:"signatures"`
	}
	// CommitSig is one of them.
	CommitSig struct {
		Flag      int       `json:"block_id_flag"`
		Validator Hex       `json:"validator_address"`
		Time      time.Time `json:"timestamp"`
		Signature []byte    `json:"signature"`
	}
	// Block is a block.
	Block struct {
		Header     Header       `json:"header"`
		Data       Data         `json:"data"`
		Evidence   EvidenceList `json:"evidence"`
		LastCommit Commit       `json:"last_commit"`
	}
	// Data is a block's transactions.
	Data struct {
		Txs [][]byte `json:"txs"`
	}
	// EvidenceList is a block's evidence.
	EvidenceList struct {
		Evidence []typed `json:"evidence"`
	}
	typed struct {
		Type  string `json:"type"`
		Value any    `json:"value"`
	}
	duplicateVote struct {
		VoteA            vote      `json:"vote_a"`
		VoteB            vote      `json:"vote_b"`
		TotalVotingPower int64     `json:"TotalVotingPower,string"`
		ValidatorPower   int64     `json:"ValidatorPower,string"`
		Timestamp        time.Time `json:"Timestamp"`
	}
	vote struct {
		Type      int       `json:"type"`
		Height    int64     `json:"height,string"`
		Round     int32     `json:"round"`
		BlockID   BlockID   `json:"block_id"`
		Time      time.Time `json:"timestamp"`
		Validator Hex       `json:"validator_address"`
		Index     int32     `json:"validator_index"`
		Signature []byte    `json:"signature"`
	}
	// Key is a public key.
	Key struct {
		Type  string `json:"type"`
		Value []byte `json:"value"`
	}
	// Validator is one of a set.
	Validator struct {
		Address  Hex   `json:"address"`
		PubKey   Key   `json:"pub_key"`
		Power    int64 `json:"voting_power,string"`
		Priority int64 `json:"proposer_priority,string"`
	}
)

// blockVersion is CometBFT's version of the block format.
const blockVersion = 11

func hexOf(h types.Hash) Hex {
	if h == (types.Hash{}) {
		return nil
	}
	return h[:]
}

func blockID(v types.ValueID) BlockID {
	return BlockID{hexOf(v.Hash), Parts{v.Parts.Total, hexOf(v.Parts.Hash)}}
}

func header(h *types.Header) Header {
	return Header{Version: Version{blockVersion, h.AppVersion}, ChainID: h.ChainID, Height: int64(h.Height), Time: h.Time, LastBlockID: blockID(h.LastBlockID),
		LastCommitHash: hexOf(h.LastCommitHash), DataHash: hexOf(h.DataHash), ValidatorsHash: hexOf(h.ValidatorsHash),
		NextValidatorsHash: hexOf(h.NextValidatorsHash), ConsensusHash: hexOf(h.ConsensusHash), AppHash: h.AppHash,
		LastResultsHash: hexOf(h.LastResultsHash), EvidenceHash: hexOf(h.EvidenceHash), ProposerAddress: h.ProposerAddress[:]}
}

func commit(c *types.Commit) Commit {
	out := Commit{Height: int64(c.Height), Round: int32(c.Round), BlockID: blockID(c.Value), Signatures: []CommitSig{}}
	for _, s := range c.Signatures {
		sig := CommitSig{Flag: int(s.Flag), Time: s.Time, Signature: s.Signature}
		if s.Flag != types.CommitAbsent {
			sig.Validator = s.Validator[:]
		}
		out.Signatures = append(out.Signatures, sig)
	}
	return out
}

func block(b *types.Block) *Block {
	out := &Block{Header: header(&b.Header), Data: Data{b.Txs}, Evidence: EvidenceList{[]typed{}}, LastCommit: commit(b.LastCommit)}
	if out.Data.Txs == nil {
		out.Data.Txs = [][]byte{}
	}
	for _, e := range b.Evidence {
		out.Evidence.Evidence = append(out.Evidence.Evidence, typed{"tendermint/DuplicateVoteEvidence", duplicateVote{
			voteOf(&e.First, e.ValidatorIndex), voteOf(&e.Second, e.ValidatorIndex), e.TotalVotingPower, e.ValidatorPower, e.Time}})
	}
	return out
}

func voteOf(v *types.Vote, index int32) vote {
	return vote{int(v.Type), int64(v.Height), int32(v.Round), blockID(v.Value), v.Time, v.Validator[:], index, v.Signature}
}

func pubKey(key []byte) Key { return Key{"tendermint/PubKeyEd25519", key} }

// The shapes of what the application says.
type (
	// TxResult is what a transaction did. Info is always empty.
	TxResult struct {
		Code      uint32  `json:"code"`
		Data      []byte  `json:"data"`
		Log       string  `json:"log"`
		Info      string  `json:"info"`
		GasWanted int64   `json:"gas_wanted,string"`
		GasUsed   int64   `json:"gas_used,string"`
		Events    []Event `json:"events"`
		Codespace string  `json:"codespace"`
	}
	// Event is something that happened.
	Event struct {
		Type       string      `json:"type"`
		Attributes []Attribute `json:"attributes"`
	}
	// Attribute says more about it.
	Attribute struct {
		Key   string `json:"key"`
		Value string `json:"value"`
		Index bool   `json:"index"`
	}
	// Proof leads from a transaction to the data hash.
	Proof struct {
		RootHash Hex    `json:"root_hash"`
		Data     []byte `json:"data"`
		Proof    struct {
			Total int64    `json:"total,string"`
			Index int64    `json:"index,string"`
			Leaf  []byte   `json:"leaf_hash"`
			Aunts [][]byte `json:"aunts"`
		} `json:"proof"`
	}
)

func txResult(r *abci.ExecTxResult) TxResult {
	return TxResult{Code: r.Code, Data: r.Data, Log: r.Log, GasWanted: r.GasWanted, GasUsed: r.GasUsed, Events: events(r.Events), Codespace: r.Codespace}
}

func events(in []abci.Event) []Event {
	out := []Event{}
	for _, e := range in {
		shown := Event{e.Type, []Attribute{}}
		for _, a := range e.Attributes {
			shown.Attributes = append(shown.Attributes, Attribute(a))
		}
		out = append(out, shown)
	}
	return out
}

func proof(root [32]byte, p merkle.Proof, tx []byte) *Proof {
	out := &Proof{RootHash: root[:], Data: tx}
	out.Proof.Total, out.Proof.Index, out.Proof.Leaf, out.Proof.Aunts = p.Total, p.Index, p.Leaf[:], [][]byte{}
	for _, a := range p.Aunts {
		out.Proof.Aunts = append(out.Proof.Aunts, a[:])
	}
	return out
}
