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
