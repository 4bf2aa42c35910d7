package bft

import (
	"testing"

	"github.com/flagship-go/flagship/bft/types"
	"github.com/stretchr/testify/require"
)

func TestWhatComesEarlyIsBounded(t *testing.T) {
	var w waitingRoom
	for i := range 100_000 {
		w.add(&types.Vote{Validator: types.Address{1}, Round: types.Round(i)})
		w.add(&types.Proposal{Proposer: types.Address{2}, Round: types.Round(i)})
		w.add(&types.BlockPart{Part: types.Part{Bytes: make([]byte, 1000)}})
	}
	if n := len(w.messages); n > 2*perSigner+waitingBytes/1000 {
		t.Fatalf("RULE K3: %d messages are waiting", n)
	}
	require.True(t, w.add(&types.Vote{Validator: types.Address{3}}), "a flood of one is not to the cost of another")
	require.NotEmpty(t, w.take())
	require.True(t, w.add(&types.Vote{Validator: types.Address{1}}))
}

// Parts are nobody's until their proposal is here. Whoever sends small ones, with long proofs, fills no more memory than who sends large ones.
func TestSmallPartsThatComeEarlyAreBounded(t *testing.T) {
	for _, p := range []types.Part{{Bytes: []byte{1}}, {Bytes: []byte{1}, Proof: make([][32]byte, 11)}} {
		var w waitingRoom
		for range 100_000 {
			w.add(&types.BlockPart{Height: 1, Part: p})
		}
		if n := len(w.messages); n*(100+32*len(p.Proof)) > waitingBytes {
			t.Fatalf("RULE K3: %d parts of a byte are waiting, with %d hashes each", n, len(p.Proof))
		}
	}
}
