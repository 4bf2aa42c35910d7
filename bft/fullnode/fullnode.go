package fullnode

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/flagship-go/flagship/bft"
	"github.com/flagship-go/flagship/bft/blocksync"
	"github.com/flagship-go/flagship/bft/evidence"
	"github.com/flagship-go/flagship/bft/gossip"
	"github.com/flagship-go/flagship/bft/mempool"
	"github.com/flagship-go/flagship/bft/p2p"
	"github.com/flagship-go/flagship/bft/privval"
	"github.com/flagship-go/flagship/bft/store"
	"github.com/flagship-go/flagship/bft/types"
	"github.com/flagship-go/flagship/internal/vfs"
)

// A FullNode is a node of a chain with all that belongs to it. It is safe for concurrent use.
type FullNode struct {
	opts     Options
	store    *recent
	signer   *privval.FileSigner // nil: no vote
	mempool  *mempool.Pool
	sw       *p2p.Switch
	gossip   *gossip.Gossip
	sync     *blocksync.Sync
	evidence bft.EvidencePool
	follower *follower
	node     atomic.Pointer[bft.Node] // nil: the node fetches blocks yet
	closers  []io.Closer              // in the order in which they were opened

	closing sync.Once
	stop    context.CancelFunc
	stopped chan error // what run has returned
	closed  error
	ended   chan struct{} // closed when the node does not run any more
	mu      sync.Mutex
	err     error
}

// Open starts the node in a home with what its files hold. Errors: vfs.ErrLocked when another one has the home, a
// *vfs.CorruptError or *vfs.VersionError for files that cannot be read, a *bft.HaltError when application and chain do not agree.
func Open(o Options) (*FullNode, error) {
	o, err := o.withDefaults()
	if err != nil {
		return nil, err
	}
	n := &FullNode{opts: o, ended: make(chan struct{})}
	if err := n.open(); err != nil {
		return nil, errors.Join(err, n.release())
	}
	return n, nil
}

func (n *FullNode) open() error {
	for _, step := range []func() error{n.openHome, n.openChain, n.openNetwork, n.start} { // F4: the order matters
		if err := step(); err != nil {
			return err
		}
	}
	return nil
}

// owned is closed with the node.
func (n *FullNode) owned(c io.Closer) { n.closers = append(n.closers, c) }

// openHome takes the folder (F1), and opens the keys in it.
func (n *FullNode) openHome() error {
	for _, dir := range []string{n.opts.config(""), n.opts.data("")} {
		if err := os.MkdirAll(dir, 0o700); err != nil {
			return fmt.Errorf("fullnode: making the home: %w", err)
		}
	}
	lock, err := vfs.OS().Lock(n.opts.data("LOCK"))
	if err != nil {
		return fmt.Errorf("fullnode: the home %s: %w", n.opts.Home, err)
	}
	n.owned(lock)
	if n.opts.Follower {
		return nil
	}
	if n.signer, err = privval.OpenFileSigner(nil, SignerDir(n.opts.Home)); err != nil {
		return err
	}
	n.owned(n.signer)
	return nil
}

// openChain opens what is known of the chain, and brings the index up to it.
func (n *FullNode) openChain() error {
	disk, err := store.Open(n.opts.data("blocks"), &store.Options{Logger: n.opts.Logger})
	if err != nil {
		return err
	}
	n.owned(disk)
	n.store = &recent{Store: disk}
	state, err := disk.State()
	if err != nil {
		return fmt.Errorf("fullnode: reading the state: %w", err)
	}
	var last types.Height
	if state != nil {
		last = state.LastHeight
	}
	x, err := openIndex(n.opts.data("txindex"), disk.Base(), last, n.opts.Logger)
	if err != nil {
		return err
	}
	n.owned(x.log)
	n.follower = newFollower(n.store, x, n.fail)
	n.store.followed = n.follower.following
	if err := n.follower.catchUp(last); err != nil {
		return err
	}
	go n.follower.run(max(last+1, n.opts.Genesis.InitialHeight))
	n.owned(n.follower)
	return nil
}

// openNetwork makes the switch and those who speak over it. Nothing is heard yet.
func (n *FullNode) openNetwork() error {
	key, err := p2p.OpenKey(NodeKeyFile(n.opts.Home))
	if err != nil {
		return err
	}
	n.sw, err = p2p.New(p2p.Options{Key: key, Network: n.opts.Genesis.ChainID, Moniker: n.opts.Moniker, Listen: n.opts.P2PListen,
		Persistent: n.opts.PersistentPeers, Logger: n.opts.Logger})
	if err != nil {
		return err
	}
	n.owned(n.sw)
	pool := n.opts.Mempool
	pool.Switch, pool.Logger = n.sw, n.opts.Logger
	if n.mempool, err = mempool.New(n.opts.App, pool); err != nil {
		return err
	}
	proofs, err := evidence.New(evidence.Options{Store: n.store, Dir: n.opts.data("evidence"), Switch: n.sw, Logger: n.opts.Logger})
	if err != nil {
		return err
	}
	n.owned(proofs)
	n.evidence = watched{proofs, n.follower}
	if n.sync, err = blocksync.New(blocksync.Options{Switch: n.sw, Store: n.store, HaltHeight: n.opts.HaltHeight, Logger: n.opts.Logger}); err != nil {
		return err
	}
	n.gossip, err = gossip.New(gossip.Options{Switch: n.sw, Store: n.store, Logger: n.opts.Logger})
	return err
}

// start brings the application to where the store is, lets peers in, and leaves the rest to run.
func (n *FullNode) start() error {
	exec := &bft.Executor{App: n.opts.App, Store: n.store, Mempool: n.mempool, Evidence: n.evidence, Timeout: appTimeout,
		HaltHeight: n.opts.HaltHeight}
	state, err := exec.Handshake(n.opts.Genesis)
	if err != nil {
		return err
	}
	if err := n.sw.Start(); err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(context.Background())
	n.stop, n.stopped = cancel, make(chan error, 1)
	go func() {
		err := n.run(ctx, exec, state)
		n.follower.settle() // who waits for what is in the last block is not told that it has not come
		n.fail(err)
		n.stopped <- err
	}()
	go func() { // a node that cannot index ends, and does not only say so
		<-n.ended
		cancel()
	}()
	n.owned(running{n})
	return nil
}

// appTimeout is how long a call of the application may take until it counts as hanging.
const appTimeout = time.Minute

// running is what start has started.
type running struct{ *FullNode }

// Close waits for it. What has ended it before is told once more.
func (r running) Close() error {
	r.stop()
	for _, err := range []error{<-r.stopped, r.Err()} {
		if !errors.Is(err, bft.ErrStopped) && !errors.Is(err, bft.ErrHaltHeight) && !errors.Is(err, context.Canceled) {
			return err
		}
	}
	return nil
}

// run fetches blocks, and then takes part, until ctx ends or something fails: the error says what.
func (n *FullNode) run(ctx context.Context, exec *bft.Executor, state *types.State) error {
	if !n.alone(state) {
		if _, err := n.sync.Run(ctx, exec, state); err != nil { // B1
			return err
		}
	}
	o := bft.Options{Genesis: n.opts.Genesis, App: n.opts.App, Store: n.store, WALDir: n.opts.data("wal"), Network: n.gossip,
		Mempool: n.mempool, Evidence: n.evidence, Timeouts: n.opts.Timeouts, CreateEmptyBlocks: n.opts.CreateEmptyBlocks, SignValidRounds: n.opts.SignValidRounds,
		EmptyBlocksInterval: n.opts.EmptyBlocksInterval, HaltHeight: n.opts.HaltHeight, AppTimeout: appTimeout, OnEvent: n.opts.OnEvent,
		Logger: n.opts.Logger}
	if n.signer != nil {
		o.Signer = n.signer
	}
	node, err := bft.NewNode(o)
	if err != nil {
		return err
	}
	n.node.Store(node)
	n.gossip.Attach(node.Deliver)
	select {
	case <-node.Done():
	case <-ctx.Done():
		node.Close()
	}
	return node.Err()
}

// alone tells whether no block can have been made without this node.
func (n *FullNode) alone(s *types.State) bool {
	return n.signer != nil && s.Validators.Len() == 1 && s.Validators.Index(types.AddressOf(n.signer.PubKey())) == 0
}

// fail says that the node does not run any more. The first reason counts.
func (n *FullNode) fail(err error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.err == nil {
		n.err = err
		close(n.ended)
	}
}

// Done is closed when the node has stopped, by Close or by itself.
func (n *FullNode) Done() <-chan struct{} { return n.ended }

// Err is why the node has stopped: bft.ErrStopped after Close, bft.ErrHaltHeight, a *bft.HaltError, an error of a disk. It is nil while the
// node runs. One that has stopped by itself still answers what it knows, until Close.
func (n *FullNode) Err() error {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.err
}

// Close stops the node, waits for all that it has started, and lets the home go. It may be called more than once.
func (n *FullNode) Close() error {
	n.closing.Do(func() {
		n.fail(bft.ErrStopped)
		n.closed = n.release()
	})
	return n.closed
}

// release closes what was opened, the last first: consensus, then the links, then the files.
func (n *FullNode) release() error {
	var errs []error
	for i := len(n.closers) - 1; i >= 0; i-- {
		errs = append(errs, n.closers[i].Close())
	}
	return errors.Join(errs...)
}
