package blocksync

import (
	"errors"
	"fmt"

	"github.com/flagship-go/flagship/bft/types"
)

// ErrBlock is a block that is not the one that was decided, or has a commit that proves nothing: whoever has sent it
// made it up.
var ErrBlock = errors.New("blocksync: false block")

// A lie says who has lied: the sender of the first block or of the second.
type lie struct {
	second bool
	err    error
}

// judge tells whether the commit in second proves that first was decided after a state, and what first's id is (B1).
//
//	second's commit:  signed by 2/3 for first      -> first is the decided block
//	                  signed by 2/3 for another    -> first is made up: two thirds do not sign two blocks
//	                  not signed by 2/3            -> second is made up: it is not the block after any decided one
//
// All signatures are verified, not just enough of them: this commit is stored as the one that was seen, and given to others. A
// liar who adds a wrong one to a good commit would have us say what nobody correct says.
func judge(s *types.State, first, second *types.Block) (id types.ValueID, wrong *lie) {
	id = first.ID()
	commit := second.LastCommit
	if commit == nil {
		return id, &lie{true, fmt.Errorf("%w %d: it has no commit", ErrBlock, second.Height)}
	}
	if err := types.VerifyCommit(s.ChainID, s.Validators, commit.Value, first.Height, commit); err != nil {
		return id, &lie{true, fmt.Errorf("%w %d: %w", ErrBlock, second.Height, err)}
	}
	if commit.Value != id {
		return id, &lie{false, fmt.Errorf("%w %d: its id is %v (parts %v), and %v (parts %v) was decided",
			ErrBlock, first.Height, id, id.Parts, commit.Value, commit.Value.Parts)}
	}
	return id, nil
}
