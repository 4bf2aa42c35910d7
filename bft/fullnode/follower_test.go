package fullnode

import (
	"context"
	"crypto/sha256"
	"log/slog"
	"testing"
	"testing/synctest"
	"time"

	"github.com/flagship-go/flagship/bft"
	"github.com/flagship-go/flagship/bft/abci/kvstore"
	"github.com/flagship-go/flagship/bft/internal/chaintest"
	"github.com/flagship-go/flagship/bft/privval"
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

// opened is a node alone; change comes before it runs.
func opened(t *testing.T, halt types.Height, change func(*FullNode)) *FullNode {
	home := t.TempDir()
	signer, err := privval.OpenFileSigner(nil, SignerDir(home))
	require.NoError(t, err)
	genesis := &types.Genesis{ChainID: "follower", Time: time.Now().Add(-time.Minute), Validators: []types.Validator{{PubKey: signer.PubKey(), Power: 1}}}
	require.NoError(t, signer.Close())
	o, err := Options{Home: home, Genesis: genesis, App: kvstore.New(), HaltHeight: halt}.withDefaults()
	require.NoError(t, err)
	n := &FullNode{opts: o, ended: make(chan struct{})}
	require.NoError(t, n.openHome())
	require.NoError(t, n.openChain())
	change(n)
	require.NoError(t, n.openNetwork())
	require.NoError(t, n.start())
	t.Cleanup(func() { n.Close() })
	return n
}

// late is a store from which the follower reads for a second.
type late struct{ bft.Store }

func (l late) Results(h types.Height) (*types.Results, error) {
	time.Sleep(time.Second)
	return l.Store.Results(h)
}

// Consensus halts in the moment in which it has committed the last block, and the follower is a little behind.
func TestWhatIsInTheLastBlockIsTold(t *testing.T) { // F2, F5
	synctest.Test(t, func(t *testing.T) {
		n := opened(t, 1, func(n *FullNode) { n.follower.store = late{n.store} })
		tx := []byte("a=b")
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		_, err := n.BroadcastTx(ctx, tx)
		require.NoError(t, err)
		found, err := n.WaitTx(ctx, sha256.Sum256(tx))
		require.NoError(t, err, "RULE F2: it is in block 1, and that it will not come is told")
		require.Equal(t, types.Height(1), found.Height)
		<-n.Done()
		require.ErrorIs(t, n.Err(), bft.ErrHaltHeight)
		require.NoError(t, n.Close())
	})
}

// A disk that takes no index ends the node: it must not say that it has stopped, and go on.
func TestANodeThatCannotIndexEnds(t *testing.T) { // F2, F4
	synctest.Test(t, func(t *testing.T) {
		n := opened(t, 0, func(n *FullNode) { require.NoError(t, n.follower.index.log.Close()) })
		_, err := n.BroadcastTx(t.Context(), []byte("a=b"))
		require.NoError(t, err)
		<-n.Done()
		require.ErrorContains(t, n.Err(), "indexing block 1")
		synctest.Wait()
		require.Error(t, n.node.Load().Err(), "RULE F4: it says that it has stopped, and it runs")
		require.ErrorContains(t, n.Close(), "indexing block 1", "RULE F4: why it has ended")
	})
}
