package fullnode

import (
	"context"
	"fmt"

	"github.com/flagship-go/flagship/bft"
	"github.com/flagship-go/flagship/bft/abci"
	"github.com/flagship-go/flagship/bft/mempool"
	"github.com/flagship-go/flagship/bft/p2p"
	"github.com/flagship-go/flagship/bft/types"
)

// BroadcastTx gives a transaction to the mempool, from where it goes to the others and into a block. A transaction that the application
// does not like has a Code in the answer; the errors are those of mempool.Pool.CheckTx. tx is not to be changed afterwards.
func (n *FullNode) BroadcastTx(ctx context.Context, tx []byte) (*abci.CheckTxResponse, error) {
	return n.mempool.CheckTx(ctx, tx)
}

// WaitTx returns when the transaction with a hash is in a committed block, or was before. bft.ErrStopped: it will not be, here.
func (n *FullNode) WaitTx(ctx context.Context, hash types.Hash) (*TxResult, error) {
	return n.WaitTxAfter(ctx, hash, 0)
}

// WaitTxAfter is WaitTx for a block after a height: that of Committed before BroadcastTx, say, when the same transaction may have been
// in a block long ago.
func (n *FullNode) WaitTxAfter(ctx context.Context, hash types.Hash, h types.Height) (*TxResult, error) {
	p, err := n.follower.index.wait(ctx, n.ended, hash, h)
	if err != nil {
		return nil, fmt.Errorf("fullnode: waiting for transaction %X: %w", hash[:], err)
	}
	return n.at(hash, p)
}

// Tx is the transaction with a hash; if it was in several blocks, in the last in which it did not fail. types.ErrNotFound: it is in no block that is stored.
func (n *FullNode) Tx(hash types.Hash) (*TxResult, error) {
	p, ok := n.follower.index.find(hash)
	if !ok {
		return nil, fmt.Errorf("fullnode: transaction %X: %w", hash[:], types.ErrNotFound)
	}
	return n.at(hash, p)
}

func (n *FullNode) at(hash types.Hash, p place) (*TxResult, error) {
	b, _, err := n.store.Block(p.height)
	if err != nil {
		return nil, err
	}
	results, err := n.store.Results(p.height)
	if err != nil {
		return nil, err
	}
	return &TxResult{Hash: hash, Height: p.height, Index: p.index, Tx: b.Txs[p.index], Result: results.Response.TxResults[p.index]}, nil
}

// Query asks the application about committed state.
func (n *FullNode) Query(ctx context.Context, r *abci.QueryRequest) (*abci.QueryResponse, error) {
	return n.opts.App.Query(ctx, r)
}

// Subscribe is told of each committed block from now on. room is how many may wait to be read: one more ends the subscription (F3).
func (n *FullNode) Subscribe(room int) *Subscription { return n.follower.hub.subscribe(room) }

// A Status is where a node is.
type Status struct {
	bft.NodeStatus
	Network    p2p.Status
	Earliest   types.Height // the lowest block that is stored; 0: none
	Committed  types.Height // by the application
	CatchingUp bool         // it fetches blocks, and does not take part yet
	Err        error        // why it has stopped; nil: it runs
}

// Status is where the node is. The error is the store's.
func (n *FullNode) Status() (Status, error) {
	s := Status{Network: n.sw.Status(), Earliest: n.store.Base(), Committed: n.follower.last(), Err: n.Err()}
	if node := n.node.Load(); node != nil {
		s.NodeStatus = node.Status()
		return s, nil
	}
	s.CatchingUp = s.Err == nil
	state, err := n.store.State()
	if err != nil || state == nil {
		return s, err
	}
	s.NodeStatus = bft.NodeStatus{LastHeight: state.LastHeight, LastBlockID: state.LastBlockID, LastTime: state.LastTime, AppHash: state.AppHash,
		Validators: state.Validators}
	s.Height = state.Height()
	if n.signer != nil {
		s.Self = types.AddressOf(n.signer.PubKey())
	}
	return s, nil
}

// Metrics counts what a node has done since it began.
type Metrics struct {
	Consensus bft.Metrics // zero while the node fetches blocks
	Mempool   mempool.Metrics
}

// Metrics are the counts so far.
func (n *FullNode) Metrics() Metrics {
	m := Metrics{Mempool: n.mempool.Metrics()}
	if node := n.node.Load(); node != nil {
		m.Consensus = node.Metrics()
	}
	return m
}

// Wait returns when the application has committed a height. bft.ErrStopped: it will not, here.
func (n *FullNode) Wait(ctx context.Context, h types.Height) error {
	for {
		at, changed := n.follower.at()
		if at >= h {
			return nil
		}
		select {
		case <-changed:
		case <-n.ended:
			return fmt.Errorf("fullnode: waiting for height %d: %w", h, bft.ErrStopped)
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// Address is "id@host:port" for others to dial; "": it does not listen.
func (n *FullNode) Address() string { return n.sw.Address() }

// Genesis is where the chain began. It is not to be changed.
func (n *FullNode) Genesis() *types.Genesis { return n.opts.Genesis }

// Blocks are the stored blocks, validators and results. They are shared, and not to be changed.
func (n *FullNode) Blocks() bft.Store { return n.store }

// Waiting are the transactions in the mempool, as they would be put into a block. They are not to be changed.
func (n *FullNode) Waiting() [][]byte { return n.mempool.Reap(-1, -1) }

// App is the application.
func (n *FullNode) App() abci.Application { return n.opts.App }

// PubKey is that of the validator; nil: the node has no vote.
func (n *FullNode) PubKey() []byte {
	if n.signer == nil {
		return nil
	}
	return n.signer.PubKey()
}

// Committed is the last height that the application has committed.
func (n *FullNode) Committed() types.Height { return n.follower.last() }

// P2PAddr is "host:port" where peers are listened to; "": nowhere.
func (n *FullNode) P2PAddr() string {
	if n.sw.Addr() == nil {
		return ""
	}
	return n.sw.Addr().String()
}
