package memory_test

import (
	"testing"
	"time"

	"github.com/flagship-go/flagship/bft/internal/chaintest"
	"github.com/flagship-go/flagship/bft/memory"
	"github.com/flagship-go/flagship/bft/types"
	"github.com/stretchr/testify/require"
)

// E1: a validator that has voted for three values in one round is punished once.
func TestAFaultIsCommittedOnce(t *testing.T) {
	c := chaintest.New(t, 4).Begin().Grow(5)
	e := memory.NewEvidence(c.Store)
	first := c.DoubleVote("2", 3, 0)
	third := types.DoubleVote{First: first.First, Second: *c.Vote("2", types.Prevote, 3, 0, chaintest.Value(3), first.First.Time)}
	e.Report(first)
	e.Report(third)
	pending := e.Pending(1 << 20)
	require.Len(t, pending, 1, "RULE E1: reported twice, pending once")
	require.NoError(t, e.Check(c.State, pending))
	e.Update(c.State, pending)
	require.Empty(t, e.Pending(1<<20))
	require.ErrorIs(t, e.Check(c.State, pending), types.ErrEvidence, "RULE E1: committed before")
	e.Report(third)
	require.Empty(t, e.Pending(1<<20), "RULE E1: committed, and reported again")
	block, _, err := c.Store.Block(3)
	require.NoError(t, err)
	other, err := types.NewEvidence(third, c.State.Validators, block.Time)
	require.NoError(t, err)
	require.ErrorIs(t, e.Check(c.State, []*types.DuplicateVoteEvidence{other}), types.ErrEvidence, "RULE E1: the same fault, by another vote")
}

// A2: who has seen a fault that nobody else has, and proposes long after, does not propose what everybody refuses.
func TestAFaultThatIsTooOldIsNotProposed(t *testing.T) {
	c := chaintest.New(t, 4).Begin().Grow(5)
	e := memory.NewEvidence(c.Store)
	e.Report(c.DoubleVote("2", 3, 0))
	pending := e.Pending(1 << 20)
	later := *c.State
	later.LastHeight += types.Height(later.Params.Evidence.MaxAgeNumBlocks)
	e.Update(&later, nil)
	require.Len(t, e.Pending(1<<20), 1, "too many blocks, but not too long ago")
	later.LastTime = later.LastTime.Add(later.Params.Evidence.MaxAgeDuration + time.Hour)
	require.ErrorIs(t, e.Check(&later, pending), types.ErrEvidence)
	e.Update(&later, nil)
	require.Empty(t, e.Pending(1<<20), "RULE E1: it is proposed, and every block with it is refused")
}

// W3: an application that has all blocks but those that are kept is given these again.
func TestTheFirstBlockThatIsKeptCanBeExecutedAgain(t *testing.T) {
	c := chaintest.New(t, 4).Begin().Grow(4)
	behind := c.Exec.App // at block 4
	c.Exec = chaintest.NewExecutor(c.Store)
	var err error
	c.State, err = c.Exec.Handshake(c.Genesis)
	require.NoError(t, err)
	c.Grow(8)
	require.NoError(t, c.Store.Prune(5))
	require.Equal(t, types.Height(5), c.Store.Base())
	exec := chaintest.NewExecutor(c.Store)
	exec.App = behind
	state, err := exec.Handshake(c.Genesis)
	require.NoError(t, err, "RULE W3: block 5 is there, and cannot be executed")
	require.Equal(t, c.State.AppHash, state.AppHash)
	_, err = c.Store.Validators(3)
	require.ErrorIs(t, err, types.ErrNotFound)
}
