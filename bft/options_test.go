package bft

import (
	"testing"
	"time"

	"github.com/flagship-go/flagship/bft/types"
	"github.com/stretchr/testify/require"
)

func TestTimeoutsGrowAndDoNotOverflow(t *testing.T) {
	d := DefaultTimeouts()
	require.Equal(t, 3*time.Second, d.of(types.StepPropose, 0))
	require.Equal(t, 4*time.Second, d.of(types.StepPropose, 2))
	require.Equal(t, 2*time.Second, d.of(types.StepPrecommit, 2))
	last := time.Duration(0)
	for r := types.Round(0); r >= 0 && r < 1<<30; r = r*2 + 1 {
		got := d.of(types.StepPrevote, r)
		require.GreaterOrEqual(t, got, last)
		require.LessOrEqual(t, got, time.Hour)
		last = got
	}
	require.Equal(t, time.Hour, last)
}
