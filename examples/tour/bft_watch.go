package main

import (
	"fmt"
	"sync"

	"github.com/flagship-go/flagship/bft"
	"github.com/flagship-go/flagship/bft/types"
)

// A bftWatch keeps all that the validators of this process say of themselves: diagrams and claims are made of it.
type bftWatch struct {
	mu     sync.Mutex
	events [bftValidators][]bft.Event
}

func newBFTWatch() *bftWatch { return &bftWatch{} }

// hear is the ear for one validator. Its node calls it, in order.
func (w *bftWatch) hear(i int) func(bft.Event) {
	return func(e bft.Event) {
		w.mu.Lock()
		defer w.mu.Unlock()
		w.events[i] = append(w.events[i], e)
	}
}

// at are the events of a height.
func (w *bftWatch) at(h types.Height) (all [bftValidators][]bft.Event) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for i, events := range w.events {
		for _, e := range events {
			if e.Height == h {
				all[i] = append(all[i], e)
			}
		}
	}
	return all
}

// decided is the round in which a validator has decided a height, and whether it has, by its votes.
func (w *bftWatch) decided(i int, h types.Height) (types.Round, bool) {
	for _, e := range w.at(h)[i] {
		if e.Kind == bft.EventDecided {
			return e.Round, true
		}
	}
	return 0, false
}

// firstHeight is the first height that a validator took part in; 0: none.
func (w *bftWatch) firstHeight(i int) types.Height {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, e := range w.events[i] {
		if e.Kind == bft.EventHeight {
			return e.Height
		}
	}
	return 0
}

// fullRound is a height with transfers, decided in its first round by the votes of all four; of some, the one whose votes
// were counted most. 0: there is none.
func (w *bftWatch) fullRound(from, to types.Height, c *bftChain) (best types.Height) {
	most := 0
	for h := from; h <= to; h++ {
		b, _, err := c.nodes[0].Blocks().Block(h)
		if err != nil || len(b.Txs) == 0 {
			continue
		}
		counted, all := 0, true
		for _, events := range w.at(h) {
			first := false
			for _, e := range events {
				switch {
				case e.Kind == bft.EventDecided:
					first = e.Round == 0
				case e.Kind == bft.EventVote:
					counted++
				}
			}
			all = all && first
		}
		if all && counted > most {
			best, most = h, counted
		}
	}
	return best
}

// judge looks whether each precommit for a block followed from prevotes of more than two thirds, and each decision from
// precommits, as the validator itself had counted them (L36, L49).
func (w *bftWatch) judge(blocks bft.Store) (locks, decisions int, bad []string, err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	type tally struct {
		kind   types.VoteType
		height types.Height
		round  types.Round
		value  types.ValueID
	}
	sets := map[types.Height]*types.ValidatorSet{}
	for i, events := range w.events {
		powers := map[tally]int64{}
		for _, e := range events {
			if e.Height == 0 {
				continue
			}
			set := sets[e.Height]
			if set == nil {
				if set, err = blocks.Validators(e.Height); err != nil {
					return 0, 0, nil, err
				}
				sets[e.Height] = set
			}
			kind := types.Prevote
			switch {
			case e.Kind == bft.EventVote:
				if at := set.Index(e.Who); at >= 0 {
					powers[tally{e.Type, e.Height, e.Round, e.Value}] += set.At(at).Power
				}
				continue
			case e.Kind == bft.EventSigned && e.Type == types.Precommit && !e.Value.IsNil():
				locks++
			case e.Kind == bft.EventDecided:
				decisions++
				kind = types.Precommit
			default:
				continue
			}
			if counted := powers[tally{kind, e.Height, e.Round, e.Value}]; 3*counted <= 2*set.TotalPower() { // K1, not asked of the package
				bad = append(bad, fmt.Sprintf("v%d at height %d, round %d: %v by L%d", i+1, e.Height, e.Round, e.Kind, e.Line))
			}
		}
	}
	return locks, decisions, bad, nil
}
