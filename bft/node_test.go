package bft

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/flagship-go/flagship/bft/abci"
	"github.com/flagship-go/flagship/internal/vfs"
	"github.com/stretchr/testify/require"
)

// listApp is an application whose state is the list of its transactions: the app hash covers how many there are, and what they are. A
// transaction "val <seed> <power>" changes a validator.
type listApp struct {
	abci.BaseApplication
	mu              sync.Mutex
	height          int64
	hash, next      []byte
	txs, pending    [][]byte
	finalized       map[int64]int // how often a height was finalised
	committed       map[int64]int
	requests        []*abci.FinalizeBlockRequest
	onFinalize      func(*abci.FinalizeBlockRequest, *abci.FinalizeBlockResponse) error
	onProcess       func(*abci.ProcessProposalRequest) (bool, error)
	retain          int64
	processed       int
	initChains      int
	genesis         []abci.ValidatorUpdate
	commitsRecorded []int64
}

func newListApp() *listApp {
	return &listApp{finalized: make(map[int64]int), committed: make(map[int64]int)}
}

func (a *listApp) Info(context.Context, *abci.InfoRequest) (*abci.InfoResponse, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	return &abci.InfoResponse{LastBlockHeight: a.height, LastBlockAppHash: a.hash}, nil
}

func (a *listApp) InitChain(_ context.Context, r *abci.InitChainRequest) (*abci.InitChainResponse, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.initChains++
	return &abci.InitChainResponse{Validators: a.genesis}, nil
}

func (a *listApp) ProcessProposal(_ context.Context, r *abci.ProcessProposalRequest) (*abci.ProcessProposalResponse, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.processed++
	if a.onProcess != nil {
		ok, err := a.onProcess(r)
		return &abci.ProcessProposalResponse{Accept: ok}, err
	}
	return &abci.ProcessProposalResponse{Accept: true}, nil
}

func (a *listApp) FinalizeBlock(_ context.Context, r *abci.FinalizeBlockRequest) (*abci.FinalizeBlockResponse, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.finalized[r.Height]++
	a.requests = append(a.requests, r)
	a.pending = r.Txs
	h := sha256.New()
	h.Write(a.hash)
	for _, tx := range r.Txs {
		h.Write(binary.BigEndian.AppendUint32(nil, uint32(len(tx))))
		h.Write(tx)
	}
	a.next = a.hash
	if len(r.Txs) > 0 {
		a.next = h.Sum(nil)
	}
	response := &abci.FinalizeBlockResponse{TxResults: make([]abci.ExecTxResult, len(r.Txs)), AppHash: a.next}
	for _, tx := range r.Txs {
		var seed string
		var power int64
		if n, _ := fmt.Sscanf(string(tx), "val %s %d", &seed, &power); n == 2 {
			response.ValidatorUpdates = append(response.ValidatorUpdates, abci.ValidatorUpdate{PubKey: NewMemSigner(seed).PubKey(), Power: power})
		}
	}
	if a.onFinalize != nil {
		if err := a.onFinalize(r, response); err != nil {
			return nil, err
		}
		a.next = response.AppHash
	}
	return response, nil
}

func (a *listApp) Commit(context.Context, *abci.CommitRequest) (*abci.CommitResponse, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.height = a.requests[len(a.requests)-1].Height
	a.committed[a.height]++
	a.txs, a.hash, a.pending = append(a.txs, a.pending...), a.next, nil
	return &abci.CommitResponse{RetainHeight: a.retain}, nil
}

// A member is one node of a test, with all that outlives it.
type member struct {
	name    string
	signer  Signer
	app     *listApp
	store   Store
	pool    *MemMempool
	fs      *vfs.Mem
	node    *Node
	link    *HubLink
	events  []Event
	options func(*Options)
}

// A chain is several nodes on one hub.
type chain struct {
	t       *testing.T
	genesis *Genesis
	hub     *Hub
	members []*member
}

// newChain makes n validators of power 10, called a, b, c ..., which have not started.
func newChain(t *testing.T, n int, options func(*Options)) *chain {
	c := &chain{t: t, hub: NewHub(), genesis: &Genesis{ChainID: "test-chain", Time: time.Now()}}
	for i := range n {
		name := string(rune('a' + i))
		m := &member{name: name, signer: NewMemSigner(name), app: newListApp(), store: NewMemStore(), pool: NewMemMempool(), fs: vfs.NewMem(), options: options}
		c.members = append(c.members, m)
		c.genesis.Validators = append(c.genesis.Validators, Validator{PubKey: m.signer.PubKey(), Power: 10})
	}
	t.Cleanup(c.close)
	return c
}

func (c *chain) start(m *member) {
	require.NoError(c.t, c.tryStart(m))
}

func (c *chain) tryStart(m *member) error {
	m.link = c.hub.Join(m.name)
	o := Options{Genesis: c.genesis, App: m.app, Signer: m.signer, Store: m.store, WALDir: "wal", FS: m.fs, Network: m.link, Mempool: m.pool,
		CreateEmptyBlocks: true, OnEvent: func(e Event) { m.events = append(m.events, e) }}
	if m.options != nil {
		m.options(&o)
	}
	var err error
	if m.node, err = NewNode(o); err == nil {
		m.link.Attach(m.node)
	}
	return err
}

func (c *chain) startAll() *chain {
	for _, m := range c.members {
		c.start(m)
	}
	return c
}

func (m *member) stop() error {
	if m.node == nil {
		return nil
	}
	err := m.node.Close()
	err = errors.Join(err, m.link.Close())
	m.node = nil
	return err
}

func (c *chain) close() {
	for _, m := range c.members {
		_ = m.stop()
	}
}

// wait waits until some members have committed a height.
func (c *chain) wait(h Height, members ...*member) {
	c.t.Helper()
	if members == nil {
		members = c.members
	}
	ctx, cancel := context.WithTimeout(c.t.Context(), time.Hour)
	defer cancel()
	for _, m := range members {
		require.NoErrorf(c.t, m.node.Wait(ctx, h), "member %s, height %d: %+v", m.name, h, m.node.Status())
	}
}

// agree checks that all members have the same blocks, and applied each once.
func (c *chain) agree(rule string, members ...*member) {
	c.t.Helper()
	if members == nil {
		members = c.members
	}
	ids := make(map[Height]ValueID)
	for _, m := range members {
		for h := max(m.store.Base(), 1); h <= m.store.Height(); h++ {
			_, id, err := m.store.Block(h)
			require.NoError(c.t, err)
			if was, ok := ids[h]; ok && was != id {
				c.t.Fatalf("RULE %s: member %s has block %v at height %d, and another one has %v", rule, m.name, id, h, was)
			}
			ids[h] = id
		}
		for h, n := range m.app.committed {
			if n != 1 {
				c.t.Fatalf("RULE %s: member %s has committed height %d %d times", rule, m.name, h, n)
			}
		}
		var want [][]byte
		for h := Height(1); h <= m.store.Height(); h++ {
			if b, _, err := m.store.Block(h); err == nil {
				want = append(want, b.Txs...)
			}
		}
		if m.store.Base() <= 1 && int64(m.store.Height()) == m.app.height && !slices.EqualFunc(want, m.app.txs, bytes.Equal) {
			c.t.Fatalf("RULE %s: member %s has applied %d transactions, and its blocks have %d", rule, m.name, len(m.app.txs), len(want))
		}
	}
}

func TestFourNodesCommitAHundredHeights(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newChain(t, 4, nil).startAll()
		for i := range 20 {
			c.members[i%4].pool.Add(fmt.Appendf(nil, "tx %d", i))
			c.wait(Height(i + 1))
		}
		c.wait(100)
		c.close()
		c.agree("W3")
		for _, m := range c.members {
			require.Len(t, m.app.txs, 20)
		}
	})
}
