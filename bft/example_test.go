package bft_test

import (
	"fmt"

	"github.com/flagship-go/flagship/bft"
	"github.com/flagship-go/flagship/bft/types"
)

// Four validators in one goroutine agree on a value. n4 is silent. A program puts between the cores what
// is a queue here: signatures, a network, a log.
func Example() {
	ids := []types.Address{{'n', '1'}, {'n', '2'}, {'n', '3'}, {'n', '4'}}
	var validators []types.Validator
	for _, id := range ids {
		validators = append(validators, types.Validator{Address: id, Power: 1})
	}
	set, err := types.NewValidatorSet(validators)
	if err != nil {
		fmt.Println(err)
		return
	}

	cores := make([]*bft.Core, 3) // n4 is not there
	inputs := make([][]bft.Input, 3)
	all := func(in bft.Input) {
		for i := range inputs {
			inputs[i] = append(inputs[i], in)
		}
	}
	for i := range cores {
		cores[i] = bft.NewCore(ids[i])
	}
	all(bft.Input{Start: &bft.Start{Height: 1, Validators: set}})

	for busy := true; busy; {
		busy = false
		for i, core := range cores {
			if len(inputs[i]) == 0 {
				continue
			}
			in := inputs[i][0]
			inputs[i], busy = inputs[i][1:], true
			outs, err := core.Step(in)
			if err != nil {
				fmt.Println(err)
				return
			}
			for _, o := range outs {
				switch o.Kind {
				case bft.OutGetValue:
					p := types.Proposal{Height: o.Height, Round: o.Round, ValidRound: types.NoRound, Value: types.ValueID{Hash: types.Hash{0xb1}}, Proposer: ids[i]}
					all(bft.Input{Proposal: &bft.Proposed{Proposal: p, Valid: true}})
				case bft.OutVote:
					fmt.Printf("n%d: %s %v in round %d, line %d\n", i+1, o.Type, o.Value, o.Round, o.Line)
					all(bft.Input{Vote: &types.Vote{Type: o.Type, Height: o.Height, Round: o.Round, Value: o.Value, Validator: ids[i]}})
				case bft.OutDecide:
					fmt.Printf("n%d: decides %v at height %d, line %d\n", i+1, o.Value, o.Height, o.Line)
				}
			}
		}
	}
	// Output:
	// n1: prevote b1000000 in round 0, line 24
	// n2: prevote b1000000 in round 0, line 24
	// n3: prevote b1000000 in round 0, line 24
	// n1: precommit b1000000 in round 0, line 40
	// n2: precommit b1000000 in round 0, line 40
	// n3: precommit b1000000 in round 0, line 40
	// n1: decides b1000000 at height 1, line 51
	// n2: decides b1000000 at height 1, line 51
	// n3: decides b1000000 at height 1, line 51
}
