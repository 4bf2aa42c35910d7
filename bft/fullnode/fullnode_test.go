package fullnode_test

import (
	"context"
	"crypto/sha256"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"

	"github.com/flagship-go/flagship/bft"
	"github.com/flagship-go/flagship/bft/abci"
	"github.com/flagship-go/flagship/bft/abci/kvstore"
	"github.com/flagship-go/flagship/bft/fullnode"
	"github.com/flagship-go/flagship/bft/privval"
	"github.com/flagship-go/flagship/bft/types"
	"github.com/flagship-go/flagship/internal/vfs"
	"github.com/stretchr/testify/require"
)

// A net is homes of validators over loopback TCP.
type net struct {
	t       *testing.T
	genesis *types.Genesis
	homes   []string
	nodes   []*fullnode.FullNode
}

func newNet(t *testing.T, validators int) *net {
	w := &net{t: t, genesis: &types.Genesis{ChainID: "full", Time: time.Now().Add(-time.Minute)}}
	for i := range validators {
		home := filepath.Join(t.TempDir(), fmt.Sprint("node", i))
		signer, err := privval.OpenFileSigner(nil, fullnode.SignerDir(home))
		require.NoError(t, err)
		w.genesis.Validators = append(w.genesis.Validators, types.Validator{PubKey: signer.PubKey(), Power: 10})
		require.NoError(t, signer.Close())
		w.homes = append(w.homes, home)
	}
	w.nodes = make([]*fullnode.FullNode, validators)
	return w
}

// start opens a node; it dials all that run.
func (w *net) start(i int) *fullnode.FullNode {
	w.t.Helper()
	var peers []string
	for _, n := range w.nodes {
		if n != nil {
			peers = append(peers, n.Address())
		}
	}
	return w.open(i, fullnode.Options{PersistentPeers: peers})
}

// open opens a node with its options, which say nothing of what all have in common.
func (w *net) open(i int, o fullnode.Options) *fullnode.FullNode {
	w.t.Helper()
	o.Home, o.Genesis, o.App, o.P2PListen, o.Moniker = w.homes[i], w.genesis, kvstore.New(), "127.0.0.1:0", fmt.Sprint("node", i)
	o.Timeouts.Propose = 200 * time.Millisecond // who is down costs this each fourth round
	n, err := fullnode.Open(o)
	require.NoError(w.t, err)
	w.t.Cleanup(func() { n.Close() })
	w.nodes[i] = n
	return n
}

func (w *net) stop(i int) {
	w.t.Helper()
	require.NoError(w.t, w.nodes[i].Close())
	w.nodes[i] = nil
}

func (w *net) context() context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	w.t.Cleanup(cancel)
	return ctx
}

// commit has a transaction committed by way of one node.
func (w *net) commit(n *fullnode.FullNode, tx string) *fullnode.TxResult {
	w.t.Helper()
	check, err := n.BroadcastTx(w.context(), []byte(tx))
	require.NoError(w.t, err)
	require.Equal(w.t, abci.CodeOK, check.Code, check.Log)
	result, err := n.WaitTx(w.context(), sha256.Sum256([]byte(tx)))
	require.NoError(w.t, err)
	require.Equal(w.t, tx, string(result.Tx))
	return result
}

func (w *net) value(n *fullnode.FullNode, key string) string {
	w.t.Helper()
	r, err := n.Query(w.context(), &abci.QueryRequest{Data: []byte(key)})
	require.NoError(w.t, err)
	return string(r.Value)
}

func TestThreeGoOnAndTheFourthCatchesUp(t *testing.T) {
	w := newNet(t, 4)
	for i := range 4 {
		w.start(i)
	}
	for i, n := range w.nodes {
		w.commit(n, fmt.Sprintf("a%d=%d", i, i))
	}
	w.stop(3)
	var last *fullnode.TxResult
	for i := range 10 {
		last = w.commit(w.nodes[i%3], fmt.Sprintf("b%d=%d", i, i))
	}
	back := w.start(3)
	found, err := back.WaitTx(w.context(), last.Hash) // B1
	require.NoError(t, err)
	require.Equal(t, last, found)
	for i := range 10 {
		require.Equal(t, fmt.Sprint(i), w.value(back, fmt.Sprint("b", i)))
	}
	w.stop(0)
	after := w.commit(back, "c=d") // it takes part: without it there is no quorum
	require.Equal(t, "d", w.value(back, "c"))
	for _, n := range w.nodes[1:] {
		require.NoError(t, n.Wait(w.context(), after.Height))
		b, id, err := n.Blocks().Block(after.Height)
		require.NoError(t, err)
		_, same, err := back.Blocks().Block(after.Height)
		require.NoError(t, err)
		require.Equal(t, id, same)
		require.Equal(t, [][]byte{[]byte("c=d")}, b.Txs)
	}
}

func TestAHomeBelongsToOneNode(t *testing.T) { // F1
	w := newNet(t, 1)
	first := w.start(0)
	_, err := fullnode.Open(fullnode.Options{Home: w.homes[0], Genesis: w.genesis, App: kvstore.New()})
	require.ErrorIs(t, err, vfs.ErrLocked, "RULE F1: a second node has the home")
	require.ErrorContains(t, err, "the home "+w.homes[0], "RULE F1: it was some file in it that was locked yet")
	w.commit(first, "a=b") // and the first one was not harmed
	require.NoError(t, first.Close())
	require.NoError(t, first.Close())
	require.ErrorIs(t, first.Err(), bft.ErrStopped)
	<-first.Done()
	w.start(0)
}

func TestTheIndexKnowsAllStoredBlocksAfterARestart(t *testing.T) { // F2
	w := newNet(t, 1)
	n := w.start(0)
	var results []*fullnode.TxResult
	for i := range 5 {
		results = append(results, w.commit(n, fmt.Sprintf("k%d=%d", i, i)))
	}
	for _, how := range []string{"kept", "lost"} {
		w.stop(0)
		if how == "lost" {
			require.NoError(t, os.RemoveAll(filepath.Join(w.homes[0], "data", "txindex")))
		}
		n = w.start(0)
		for _, r := range results {
			found, err := n.Tx(r.Hash)
			require.NoError(t, err, "RULE F2: with the index %s, a transaction is not found", how)
			require.Equal(t, r, found, "RULE F2: with the index %s", how)
		}
	}
	_, err := n.Tx(types.Hash{1})
	require.ErrorIs(t, err, types.ErrNotFound)
}

func TestSubscribersAreToldEachHeightOnceInOrderAndAfterItsCommit(t *testing.T) { // F2
	w := newNet(t, 1)
	n := w.start(0)
	s := n.Subscribe(100)
	for i := range 5 {
		w.commit(n, fmt.Sprintf("k%d=%d", i, i))
	}
	seen := 0
	for next := types.Height(1); seen < 5; next++ {
		c := <-s.C()
		require.Equal(t, next, c.Block.Height, "RULE F2: each height is told once, in order")
		require.Len(t, c.Results.TxResults, len(c.Block.Txs))
		for range c.Block.Txs {
			require.Equal(t, fmt.Sprint(seen), w.value(n, fmt.Sprint("k", seen)), "RULE F2: height %d is told before it is committed", next)
			seen++
		}
	}
	s.Close()
	s.Close()
	for range s.C() { // the block that proves the last one may have come
	}
	require.ErrorIs(t, s.Err(), bft.ErrStopped)
}

func TestASubscriberThatDoesNotReadIsEnded(t *testing.T) { // F3
	w := newNet(t, 1)
	n := w.start(0)
	s := n.Subscribe(1)
	for i := range 4 {
		w.commit(n, fmt.Sprintf("k%d=%d", i, i))
	}
	<-s.C()
	select {
	case _, open := <-s.C():
		require.False(t, open, "RULE F3: it goes on, and has missed some")
	default: // the second of four heights was too much
		require.Fail(t, "RULE F3: who does not read is not told")
	}
	require.ErrorIs(t, s.Err(), fullnode.ErrSlow)
	w.stop(0)
	_, open := <-n.Subscribe(1).C()
	require.False(t, open)
}

// A home whose node could not start, for its port is another one's, is free for the next one.
func TestANodeThatCannotStartLetsItsHomeGo(t *testing.T) { // F4
	w := newNet(t, 2)
	taken := w.start(0)
	for range 3 {
		_, err := fullnode.Open(fullnode.Options{Home: w.homes[1], Genesis: w.genesis, App: kvstore.New(), P2PListen: taken.P2PAddr()})
		require.Error(t, err)
		require.NotErrorIs(t, err, vfs.ErrLocked, "RULE F4: the one before has kept its home")
	}
	w.start(1)
	w.commit(taken, "a=b")
}

// A node that is behind does not go past the height that it is to halt at, whatever the others have; and not after a restart.
func TestHaltHeightIsTheLastAlsoOfBlocksThatAreFetched(t *testing.T) { // F5
	w := newNet(t, 1)
	validator := w.start(0)
	for i := range 10 {
		w.commit(validator, fmt.Sprintf("k%d=%d", i, i))
	}
	w.homes, w.nodes = append(w.homes, filepath.Join(t.TempDir(), "follower")), append(w.nodes, nil)
	o := fullnode.Options{Follower: true, HaltHeight: 3, PersistentPeers: []string{validator.Address()}}
	for range 3 {
		n := w.open(1, o)
		select {
		case <-n.Done():
		case <-w.context().Done():
			require.Fail(t, "it does not halt")
		}
		require.ErrorIs(t, n.Err(), bft.ErrHaltHeight)
		require.Equal(t, types.Height(3), n.Committed(), "RULE F5: committed, and halted at 3")
		require.Equal(t, types.Height(3), n.Blocks().Height(), "RULE F5: stored, and halted at 3")
		st, err := n.Status()
		require.NoError(t, err)
		require.False(t, st.CatchingUp, "it has stopped")
		w.stop(1)
	}
	o.HaltHeight = 0
	require.NoError(t, w.open(1, o).Wait(w.context(), 8))
}

func TestWhoWaitsForATransactionEndsWithTheNode(t *testing.T) { // F4
	synctest.Test(t, func(t *testing.T) {
		w := newNet(t, 1)
		n, err := fullnode.Open(fullnode.Options{Home: w.homes[0], Genesis: w.genesis, App: kvstore.New()})
		require.NoError(t, err)
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		_, err = n.WaitTx(ctx, types.Hash{1})
		require.ErrorIs(t, err, context.Canceled)
		done := make(chan error)
		waiting, over := context.WithTimeout(t.Context(), time.Minute)
		defer over()
		go func() {
			_, err := n.WaitTx(waiting, types.Hash{1})
			done <- err
		}()
		synctest.Wait()
		require.NoError(t, n.Close())
		require.ErrorIs(t, <-done, bft.ErrStopped, "RULE F4: the node has ended, and somebody waits")
	})
}
