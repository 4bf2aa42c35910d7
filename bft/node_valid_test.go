package bft

import (
	"fmt"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/flagship-go/flagship/bft/types"
	"github.com/stretchr/testify/require"
)

// reticent is a signer that keeps the prevotes it has signed, and precommits nil in round 0 of one height, whatever it is asked for.
type reticent struct {
	Signer
	silent types.Height

	mu       sync.Mutex
	prevotes []types.Vote
}

func (w *reticent) SignVote(chainID string, v *types.Vote) error {
	if v.Type == types.Precommit && v.Height == w.silent && v.Round == 0 {
		v.Value = types.NilValue
	}
	err := w.Signer.SignVote(chainID, v)
	if err == nil && v.Type == types.Prevote {
		w.mu.Lock()
		w.prevotes = append(w.prevotes, *v)
		w.mu.Unlock()
	}
	return err
}

// A chain that says so signs valid rounds: who has seen a polka in round 0 prevotes in round 1 with that round under its
// signature, and the others accept it. Without the option nobody signs one.
func TestValidRoundsAreSignedWhereTheChainSaysSo(t *testing.T) {
	for _, signed := range []bool{true, false} {
		t.Run(fmt.Sprint(signed), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				const height = 3
				c := newChain(t, 4, func(o *Options) { o.SignValidRounds = signed })
				var all []*reticent
				for _, m := range c.members {
					w := &reticent{Signer: m.signer, silent: height}
					m.signer, all = w, append(all, w)
				}
				c.startAll()
				c.wait(height + 2)
				c.close()
				later := 0
				for _, w := range all {
					for _, v := range w.prevotes {
						want := types.NoRound
						if signed && v.Height == height && v.Round > 0 {
							want = 0
							later++
						}
						if v.Round <= 1 {
							require.Equal(t, want, v.ValidRound, "RULE S1: height %d round %d", v.Height, v.Round)
						}
						require.True(t, v.Verify("test-chain", w.PubKey()), "RULE S1")
					}
				}
				require.Equal(t, signed, later > 0)
				c.agree("L28")
			})
		})
	}
}
