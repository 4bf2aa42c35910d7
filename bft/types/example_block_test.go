package types_test

import (
	"fmt"
	"time"

	"github.com/flagship-go/flagship/bft"
	"github.com/flagship-go/flagship/bft/privval"
	"github.com/flagship-go/flagship/bft/types"
)

// A block is proposed, travels in parts, and is decided by the signatures of four validators.
func ExampleVerifyCommit() {
	var validators []types.Validator
	signers := map[types.Address]bft.Signer{}
	for _, name := range []string{"n1", "n2", "n3", "n4"} {
		s := privval.NewMemSigner(name)
		address := types.AddressOf(s.PubKey())
		signers[address] = s
		validators = append(validators, types.Validator{Address: address, PubKey: s.PubKey(), Power: 1})
	}
	set, err := types.NewValidatorSet(validators)
	if err != nil {
		fmt.Println(err)
		return
	}

	block := &types.Block{
		Header: types.Header{
			ChainID: "example", Height: 1, Time: time.Unix(1_800_000_000, 0),
			ValidatorsHash: set.Hash(), NextValidatorsHash: set.Hash(), ProposerAddress: set.Proposer().Address,
		},
		Txs: [][]byte{[]byte("a=1"), make([]byte, 100_000)}, LastCommit: &types.Commit{},
	}
	block.Fill()
	header, parts := types.MakeParts(block.Encode(nil))
	id := block.Header.ID(header)

	received := types.NewPartSet(header)
	for i := range parts {
		if _, err := received.Add(&parts[len(parts)-1-i]); err != nil {
			fmt.Println(err)
		}
	}
	same, err := types.DecodeBlock(received.Bytes())
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Printf("%d parts, %d transactions, the same block: %v\n", header.Total, len(same.Txs), same.Header.ID(header) == id)

	votes := make([]*types.Vote, set.Len()) // that of the last one does not come
	for i := range 3 {
		address := set.At(i).Address
		votes[i] = &types.Vote{Type: types.Precommit, Height: 1, Value: id, Time: block.Time, Validator: address, ValidRound: types.NoRound}
		if err := signers[address].SignVote("example", votes[i]); err != nil {
			fmt.Println(err)
		}
	}
	commit := types.MakeCommit(1, 0, id, votes)
	fmt.Println("three of four:", types.VerifyCommit("example", set, id, 1, commit))
	commit.Signatures[2] = types.CommitSig{Flag: types.CommitAbsent}
	fmt.Println("two of four:", types.VerifyCommit("example", set, id, 1, commit))
	// Output:
	// 2 parts, 2 transactions, the same block: true
	// three of four: <nil>
	// two of four: bft: commit: not enough power at height 1: 2, and it takes more than 2/3 of 4
}

// A signer refuses to contradict itself.
func ExampleSigner() {
	var signer bft.Signer = privval.NewMemSigner("n1") // a validator has privval.OpenFileSigner(nil, "home/config")
	vote := func(hash byte) error {
		value := types.ValueID{Hash: types.Hash{hash}, Parts: types.PartsHeader{Total: 1, Hash: types.Hash{hash}}}
		return signer.SignVote("example", &types.Vote{Type: types.Prevote, Height: 7, Value: value, ValidRound: types.NoRound})
	}
	fmt.Println(vote(1))
	fmt.Println(vote(1))
	fmt.Println(vote(2))
	// Output:
	// <nil>
	// <nil>
	// bft: double signing refused: something else was signed for height 7 round 0 prevote
}
