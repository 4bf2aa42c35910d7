package fullnode

import (
	"log/slog"
	"testing"

	"github.com/flagship-go/flagship/bft/internal/chaintest"
	"github.com/flagship-go/flagship/bft/types"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// An application that keeps the last block only is ahead of the follower: what that has not read yet stays until it has.
func TestWhatIsNotFollowedYetIsNotDropped(t *testing.T) { // F2
	c := chaintest.New(t, 1).Begin().Grow(20)
	store := &recent{Store: c.Store}
	x, err := openIndex(t.TempDir(), 1, 0, slog.New(slog.DiscardHandler))
	require.NoError(t, err)
	defer func() { require.NoError(t, x.log.Close()) }()
	f := newFollower(store, x, func(err error) { assert.NoError(t, err, "RULE F2: it cannot go on") })
	store.followed = f.following
	require.NoError(t, store.Prune(20))
	told := f.hub.subscribe(20)
	f.tell(20)
	go f.run(1)
	for h := range types.Height(20) {
		b, open := <-told.C()
		require.True(t, open, "RULE F2: height %d is not told", h+1)
		require.Equal(t, h+1, b.Block.Height, "RULE F2: each height, in order")
	}
	require.NoError(t, f.Close())
	require.NoError(t, store.Prune(20))
	require.Equal(t, types.Height(20), store.Base(), "and then it is dropped")
}
