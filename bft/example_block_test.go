package bft_test

import (
	"fmt"
	"time"

	"github.com/flagship-go/flagship/bft"
)

// A block is proposed, travels in parts, and is decided by the signatures of four validators.
func ExampleVerifyCommit() {
	var validators []bft.Validator
	signers := map[bft.Address]bft.Signer{}
	for _, name := range []string{"n1", "n2", "n3", "n4"} {
		s := bft.NewMemSigner(name)
		address := bft.AddressOf(s.PubKey())
		signers[address] = s
		validators = append(validators, bft.Validator{Address: address, PubKey: s.PubKey(), Power: 1})
	}
	set, err := bft.NewValidatorSet(validators)
	if err != nil {
		fmt.Println(err)
		return
	}

	block := &bft.Block{
		Header: bft.Header{
			ChainID: "example", Height: 1, Time: time.Unix(1_800_000_000, 0),
			ValidatorsHash: set.Hash(), NextValidatorsHash: set.Hash(), ProposerAddress: set.Proposer().Address,
		},
		Txs: [][]byte{[]byte("a=1"), make([]byte, 100_000)}, LastCommit: &bft.Commit{},
	}
	block.Fill()
	header, parts := bft.MakeParts(block.Encode(nil))
	id := block.Header.ID(header)

	received := bft.NewPartSet(header)
	for i := range parts {
		if _, err := received.Add(&parts[len(parts)-1-i]); err != nil {
			fmt.Println(err)
		}
	}
	same, err := bft.DecodeBlock(received.Bytes())
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Printf("%d parts, %d transactions, the same block: %v\n", header.Total, len(same.Txs), same.Header.ID(header) == id)

	votes := make([]*bft.Vote, set.Len()) // that of the last one does not come
	for i := range 3 {
		address := set.At(i).Address
		votes[i] = &bft.Vote{Type: bft.Precommit, Height: 1, Value: id, Time: block.Time, Validator: address, ValidRound: bft.NoRound}
		if err := signers[address].SignVote("example", votes[i]); err != nil {
			fmt.Println(err)
		}
	}
	commit := bft.MakeCommit(1, 0, id, votes)
	fmt.Println("three of four:", bft.VerifyCommit("example", set, id, 1, commit))
	commit.Signatures[2] = bft.CommitSig{Flag: bft.CommitAbsent}
	fmt.Println("two of four:", bft.VerifyCommit("example", set, id, 1, commit))
	// Output:
	// 2 parts, 2 transactions, the same block: true
	// three of four: <nil>
	// two of four: bft: commit: not enough power at height 1: 2, and it takes more than 2/3 of 4
}

// A signer refuses to contradict itself.
func ExampleSigner() {
	var signer bft.Signer = bft.NewMemSigner("n1") // a validator has bft.OpenFileSigner(nil, "home/config")
	vote := func(hash byte) error {
		value := bft.ValueID{Hash: bft.Hash{hash}, Parts: bft.PartsHeader{Total: 1, Hash: bft.Hash{hash}}}
		return signer.SignVote("example", &bft.Vote{Type: bft.Prevote, Height: 7, Value: value, ValidRound: bft.NoRound})
	}
	fmt.Println(vote(1))
	fmt.Println(vote(1))
	fmt.Println(vote(2))
	// Output:
	// <nil>
	// <nil>
	// bft: double signing refused: something else was signed for height 7 round 0 prevote
}
