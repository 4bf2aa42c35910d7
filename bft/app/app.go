package app

import (
	"context"
	"encoding/binary"
	"fmt"
	"log/slog"
	"math"
	"strings"
	"sync"
	"time"

	"github.com/flagship-go/flagship/bft/abci"
	"github.com/flagship-go/flagship/bft/app/store"
)

// Options are what an application is made of.
type Options struct {
	// Modules, in the order in which they begin and end blocks, and read their genesis.
	Modules []Module
	// Fees collects fees. nil: transactions have none.
	Fees FeeCollector
	// Ante is what transactions go through before their messages. nil: [Ante] with Fees.
	Ante []AnteStep
	// MinFee is what this node wants for a million gas before it takes a transaction into its mempool. The zero Coin: nothing. It has no
	// say in blocks.
	MinFee Coin
	// Store is where the state is, and how many versions of it can be queried. Default: in memory, 100.
	Store store.Options
	// Version is told by Info, for people.
	Version string
	// Logger is told of blocks. Default: silent.
	Logger *slog.Logger
}

// An App is an ABCI application of modules. Its calls come as package abci says: Query, CheckTx and Simulate at any time, the others
// one after the other.
type App struct {
	abci.BaseApplication
	opts     Options
	db       *store.DB
	routes   map[string]Route
	ante     []AnteStep
	verified *verified

	mu    sync.Mutex
	check *state // the mempool's; nil: there is no genesis yet

	// Of the calls that come one after the other:
	genesis *pending // between InitChain and the first Commit: the state, and the height of the first block
	next    *pending // between FinalizeBlock and Commit
}

// A pending state is not durable yet.
type pending struct {
	tree   store.Tree
	height int64
	time   time.Time
}

var _ abci.Application = (*App)(nil)

// New makes an application, and opens its state. Close it.
func New(opts Options) (*App, error) {
	a := &App{opts: opts, routes: map[string]Route{}, ante: opts.Ante, verified: newVerified(1 << 15)}
	if a.ante == nil {
		a.ante = Ante(opts.Fees)
	}
	if a.opts.Logger == nil {
		a.opts.Logger = slog.New(slog.DiscardHandler)
	}
	names := map[string]bool{storeOfSelf: true}
	for _, m := range opts.Modules {
		name := m.Name()
		if name == "" || strings.Contains(name, "/") || names[name] {
			return nil, fmt.Errorf("app: module name %q: it is to be unique, not %q, and without a slash", name, storeOfSelf)
		}
		names[name] = true
		for _, r := range m.Routes() {
			if _, twice := a.routes[r.Type]; twice || !strings.HasPrefix(r.Type, name+"/") {
				return nil, fmt.Errorf("app: module %s: message type %q: it is to be unique, and to begin with %q", name, r.Type, name+"/")
			}
			a.routes[r.Type] = r
		}
	}
	db, err := store.Open(opts.Store)
	if err != nil {
		return nil, fmt.Errorf("app: %w", err)
	}
	a.db = db
	if last := db.Last(); last.Height > 0 {
		if a.check, err = newState(last.Tree, last.Height+1, time.Time{}); err != nil {
			db.Close()
			return nil, err
		}
	}
	return a, nil
}

// Close lets the state's directory go.
func (a *App) Close() error { return a.db.Close() }

// newState is a branch of a tree for the block of a height.
func newState(tree store.Tree, height int64, at time.Time) (s *state, err error) {
	s = &state{branch: tree.Branch(), height: height, time: at, maxGas: math.MaxInt64}
	ctx := s.context()
	self := ctx.Store(storeOfSelf)
	chainID, err := self.Get(keyChainID)
	if err != nil {
		return nil, err
	}
	s.chainID = string(chainID)
	maxGas, err := self.Get(keyMaxGas)
	if err != nil {
		return nil, err
	}
	if maxGas != nil {
		s.maxGas = binary.BigEndian.Uint64(maxGas)
	}
	s.params, err = readParams(ctx)
	return s, err
}

// base is what the next block builds on, and its height.
func (a *App) base() (store.Tree, int64, error) {
	if last := a.db.Last(); last.Height > 0 {
		return last.Tree, last.Height + 1, nil
	}
	if a.genesis == nil {
		return store.Tree{}, 0, failf(ErrNotReady, "InitChain comes before the first block")
	}
	return a.genesis.tree, a.genesis.height, nil
}

// Info tells the last commit (A3).
func (a *App) Info(context.Context, *abci.InfoRequest) (*abci.InfoResponse, error) {
	last := a.db.Last()
	res := &abci.InfoResponse{Version: a.opts.Version, LastBlockHeight: last.Height}
	if last.Height > 0 {
		res.LastBlockAppHash = last.Root[:]
	}
	return res, nil
}

// CheckTx runs the ante steps on the mempool's state, and messages not at all.
func (a *App) CheckTx(_ context.Context, r *abci.CheckTxRequest) (*abci.CheckTxResponse, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	m := modeCheck
	if r.Recheck {
		m = modeRecheck
	}
	res := txResult{err: ErrNotReady}
	if a.check != nil {
		res = a.runTx(a.check, m, r.Tx)
	}
	out := &abci.CheckTxResponse{GasWanted: gas(res.wanted), GasUsed: gas(res.used)}
	if res.err != nil {
		out.Code, out.Codespace = codeOf(res.err)
		out.Log = res.err.Error()
		return out, nil
	}
	out.Sender = res.tx.Signer().String()
	// What a million gas pays.
	price, err := MulDiv(res.tx.Fee.Amount, 1_000_000, res.tx.Gas, false)
	if err != nil {
		price = math.MaxUint64
	}
	out.Priority = gas(price)
	return out, nil
}

// FinalizeBlock executes a block: the modules' beginnings, the transactions, the modules' ends. The state that comes of it is
// durable with Commit; until then it can be called again, for this block or for another one.
func (a *App) FinalizeBlock(_ context.Context, r *abci.FinalizeBlockRequest) (*abci.FinalizeBlockResponse, error) {
	tree, height, err := a.base()
	if err != nil {
		return nil, err
	}
	if r.Height != height {
		return nil, failf(ErrHeight, "block %d; %d is next", r.Height, height)
	}
	s, err := newState(tree, height, r.Time)
	if err != nil {
		return nil, err
	}
	ctx := s.context()
	for _, m := range a.opts.Modules {
		if b, ok := m.(BeginBlocker); ok {
			if err := b.BeginBlock(ctx, r); err != nil {
				return nil, fmt.Errorf("app: module %s begins block %d: %w", m.Name(), height, err)
			}
		}
	}
	res := &abci.FinalizeBlockResponse{TxResults: make([]abci.ExecTxResult, len(r.Txs))}
	for i, raw := range r.Txs {
		res.TxResults[i] = a.runTx(s, modeDeliver, raw).exec()
	}
	for _, m := range a.opts.Modules {
		if e, ok := m.(EndBlocker); ok {
			updates, err := e.EndBlock(ctx)
			if err != nil {
				return nil, fmt.Errorf("app: module %s ends block %d: %w", m.Name(), height, err)
			}
			res.ValidatorUpdates = append(res.ValidatorUpdates, updates...)
		}
	}
	res.Events = ctx.events
	a.next = &pending{s.branch.Tree(), height, r.Time}
	root := a.next.tree.Root()
	res.AppHash = root[:]
	return res, nil
}

// exec is res as ABCI has it.
func (res txResult) exec() abci.ExecTxResult {
	out := abci.ExecTxResult{Data: res.data, GasWanted: gas(res.wanted), GasUsed: gas(res.used), Events: res.events}
	if res.err != nil {
		out.Code, out.Codespace = codeOf(res.err)
		out.Log = res.err.Error()
	}
	return out
}

// Commit makes the finalised block durable, and gives the mempool a fresh state.
func (a *App) Commit(context.Context, *abci.CommitRequest) (*abci.CommitResponse, error) {
	if a.next == nil {
		return nil, failf(ErrHeight, "no block is finalised")
	}
	next := a.next
	root, err := a.db.Commit(next.height, next.tree)
	if err != nil {
		return nil, fmt.Errorf("app: %w", err)
	}
	check, err := newState(next.tree, next.height+1, next.time)
	if err != nil {
		return nil, err
	}
	a.next, a.genesis = nil, nil
	a.mu.Lock()
	a.check = check
	a.mu.Unlock()
	a.opts.Logger.Debug("committed", "height", next.height, "app_hash", fmt.Sprintf("%x", root))
	return &abci.CommitResponse{}, nil
}
