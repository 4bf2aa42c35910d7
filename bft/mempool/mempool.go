package mempool

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"log/slog"
	"runtime/debug"
	"sync"
	"time"

	"github.com/flagship-go/flagship/bft"
	"github.com/flagship-go/flagship/bft/abci"
	"github.com/flagship-go/flagship/bft/internal/relay"
	"github.com/flagship-go/flagship/bft/p2p"
	"github.com/flagship-go/flagship/bft/types"
)

// Why a transaction is not taken. What the application says against it is in the response, and no error.
var (
	// ErrSeen: it is in the pool, or was committed.
	ErrSeen = errors.New("mempool: transaction was seen before")
	// ErrFull: it does not fit. It may be handed in again when a block has made room.
	ErrFull = errors.New("mempool: full")
	// ErrTooLarge: it is longer than Options.MaxTxBytes, or no block has room or gas for it.
	ErrTooLarge = errors.New("mempool: transaction too large")
	// ErrApplication: the application failed, panicked, or answered what it must not.
	ErrApplication = errors.New("mempool: the application failed")
)

// Options configure a [Pool]. The zero value is a good default: CometBFT's limits, without peers.
type Options struct {
	// MaxTxs and MaxBytes bound the pool. Default 5,000 and 64 MiB. More holds larger bursts, and makes each block's
	// recheck longer.
	MaxTxs   int
	MaxBytes int64
	// MaxTxBytes bounds a transaction. Default 1 MiB.
	MaxTxBytes int
	// CacheSize is how many transactions are remembered when they have left the pool. Default 10,000.
	CacheSize int
	// KeepInvalid remembers also what the application has refused, and does not ask it again. By default a refused
	// transaction may be handed in again, since a later state may like it.
	KeepInvalid bool
	// SkipRecheck leaves what waits in the pool after a block as it is, for applications that sort it out
	// in PrepareProposal.
	SkipRecheck bool
	// Timeout is how long the recheck after a block, or a check under way when it is decided, may take until the application counts
	// as hanging, and the node halts. Default a minute.
	Timeout time.Duration
	// Priorities reaps by CheckTxResponse.Priority, the highest first, and when the pool is full drops the lowest.
	Priorities bool
	// Switch carries transactions to and from peers, and is not started yet. Default: there are none.
	Switch *p2p.Switch
	// Inbox bounds what a peer has sent and was not checked yet, in bytes; what comes beyond is dropped. Default 4 MiB.
	Inbox int
	// Logger hears of peers at fault. Default: silent.
	Logger *slog.Logger
}

// A Key names a transaction: its SHA-256.
type Key [sha256.Size]byte

// A Pool is the mempool of one node. It is safe for concurrent use.
type Pool struct {
	app  abci.Application
	opts Options

	updating gate // lets checks in, or an update; before mu
	hangs    bool // a check has not left in time; from Lock to Update

	mu         sync.Mutex
	txs        map[Key]*item // in the list, or being checked
	list       relay.List[transaction]
	neighbours map[string]*neighbour
	lowest     heap // with priorities
	bytes      int64
	room, gas  int64 // of an empty block (Limit); below 0: not bounded
	cache      cache
	metrics    Metrics
	available  chan struct{}
}

type (
	transaction struct {
		bytes         []byte
		key           Key
		gas, priority int64
		sender        string // "": the application does not say
		place         int    // in the heap
		worth         int64  // what order counts
		passed        bool   // on to us, by a peer
	}
	item = relay.Item[transaction]
)

var _ bft.Mempool = (*Pool)(nil)

// Metrics counts what a pool has done since it began, and what is in it.
type Metrics struct {
	Txs       int
	Bytes     int64
	Added     uint64
	Seen      uint64 // came again
	Refused   uint64 // by the application
	Full      uint64 // for want of room
	Evicted   uint64 // for one of higher priority
	Committed uint64 // left with a block
	Dropped   uint64 // had become wrong after a block
	Sent      uint64 // transactions to peers
	Announced uint64 // and their keys
	Batches   uint64 // of both
}

// New makes an empty pool in front of an application, and with a Switch adds the mempool's channel to it.
func New(app abci.Application, o Options) (*Pool, error) {
	for _, v := range [...]*int{&o.MaxTxs, &o.MaxTxBytes, &o.CacheSize, &o.Inbox} {
		if *v < 0 {
			return nil, fmt.Errorf("%w: a limit of the mempool is negative, %d", bft.ErrOptions, *v)
		}
	}
	o.MaxTxs = orDefault(o.MaxTxs, 5_000)
	o.MaxBytes = orDefault(o.MaxBytes, 64<<20)
	o.MaxTxBytes = orDefault(o.MaxTxBytes, 1<<20)
	o.CacheSize = orDefault(o.CacheSize, 10_000)
	o.Inbox = orDefault(o.Inbox, 4<<20)
	o.Timeout = orDefault(o.Timeout, time.Minute)
	if app == nil || o.MaxBytes < 0 || o.MaxTxBytes > maxTxBytes {
		return nil, fmt.Errorf("%w: the mempool needs an application, MaxBytes of at least 1, and MaxTxBytes of at most %d", bft.ErrOptions, maxTxBytes)
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	p := &Pool{app: app, opts: o, txs: make(map[Key]*item), neighbours: make(map[string]*neighbour), room: -1, gas: -1, cache: newCache(o.CacheSize), available: make(chan struct{}, 1)}
	p.updating.init()
	if o.Switch == nil {
		return p, nil
	}
	return p, p.join(o.Switch)
}

func orDefault[T comparable](v, d T) T {
	var zero T
	if v == zero {
		return d
	}
	return v
}

// maxTxBytes is the longest transaction that Options may allow: longer ones fit into no block.
const maxTxBytes = types.MaxBlockBytes

// A candidate is a transaction on its way in.
type candidate struct {
	tx       []byte
	key      Key
	item     *item // nil: it was not worth a question
	response *abci.CheckTxResponse
	err      error
}

// CheckTx asks the application about a transaction, and adds it to the pool if it likes it: Code is 0. The errors are
// ErrSeen, ErrFull, ErrTooLarge, ErrApplication. It waits while a block is committed. tx must not be changed afterwards.
func (p *Pool) CheckTx(ctx context.Context, tx []byte) (*abci.CheckTxResponse, error) {
	c := [1]candidate{{tx: tx}}
	p.check(ctx, "", c[:])
	return c[0].response, c[0].err
}

// check brings in transactions in their order, which come from a peer, or from nobody.
func (p *Pool) check(ctx context.Context, from string, batch []candidate) {
	for i := range batch {
		batch[i].key = keyOf(batch[i].tx)
	}
	p.updating.enter() // M4
	defer p.updating.leave()
	p.mu.Lock()
	for i := range batch {
		batch[i].err = p.meet(&batch[i], from)
	}
	p.mu.Unlock()
	for i := range batch {
		c := &batch[i]
		if c.item == nil {
			continue
		}
		c.response, c.err = p.ask(ctx, &abci.CheckTxRequest{Tx: c.tx})
		if from != "" && c.err == nil && c.response.Code == abci.CodeOK {
			c.item.Value.bytes = bytes.Clone(c.tx) // it is part of a message, and would keep it all
		}
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	for i := range batch {
		if c := &batch[i]; c.item != nil {
			p.settle(c)
		}
	}
	p.list.Wake()
}

// meet looks whether a transaction is worth a question to the application, and keeps its place.
func (p *Pool) meet(c *candidate, from string) error {
	if len(c.tx) > p.opts.MaxTxBytes {
		return fmt.Errorf("%w: %d bytes, and at most %d are taken", ErrTooLarge, len(c.tx), p.opts.MaxTxBytes)
	}
	if err := p.inNoBlock(c.tx, 0); err != nil {
		return err
	}
	if known := p.txs[c.key]; known != nil {
		p.list.Heard(known, from)
		p.again(from, c.key, known)
		return p.seen(c.key, from, "is in the pool")
	}
	if p.cache.has(c.key) {
		p.again(from, c.key, nil)
		return p.seen(c.key, from, "was committed or refused")
	}
	if !p.opts.Priorities && !p.fits(c.tx) {
		return p.full(c.tx)
	}
	c.item = &item{Value: transaction{bytes: c.tx, key: c.key, passed: from != ""}}
	p.list.Heard(c.item, from)
	p.txs[c.key] = c.item
	return nil
}

// seen is the error for what is known. Among peers that is most of what comes, and nobody reads it.
func (p *Pool) seen(key Key, from, where string) error {
	p.metrics.Seen++
	if from != "" {
		return ErrSeen
	}
	return fmt.Errorf("%w: %X %s", ErrSeen, key[:4], where)
}

// Limit implements [bft.Mempool]. What fits into no block is not taken, and dropped after the next block: it would never leave the
// pool, and cost its sender nothing (M2).
func (p *Pool) Limit(room, gas int64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.room, p.gas = room, gas
}

// inNoBlock is the error for what no block has room or gas for.
func (p *Pool) inNoBlock(tx []byte, gas int64) error {
	if size := abci.TxSize(tx); p.room >= 0 && size > p.room || p.gas >= 0 && gas > p.gas {
		return fmt.Errorf("%w: in a block it takes %d bytes and %d gas, and no block has more than %d and %d", ErrTooLarge, size, gas, p.room, p.gas)
	}
	return nil
}

// fits tells whether there is room (M2).
func (p *Pool) fits(tx []byte) bool {
	return p.list.Len() < p.opts.MaxTxs && int64(len(tx)) <= p.opts.MaxBytes-p.bytes
}

func (p *Pool) full(tx []byte) error {
	p.metrics.Full++
	return fmt.Errorf("%w: it has %d transactions of %d bytes in all, at most %d of %d, and there is no room for %d bytes more",
		ErrFull, p.list.Len(), p.bytes, p.opts.MaxTxs, p.opts.MaxBytes, len(tx))
}

// settle adds a transaction that the application was asked about, or lets it go.
func (p *Pool) settle(c *candidate) {
	tx := &c.item.Value
	if c.err == nil && c.response.Code == abci.CodeOK {
		if c.err = p.inNoBlock(c.tx, c.response.GasWanted); c.err == nil {
			c.err = p.makeRoom(c)
		}
		if c.err == nil {
			tx.gas, tx.priority, tx.sender = c.response.GasWanted, c.response.Priority, c.response.Sender
			p.add(c.item)
			return
		}
	} else if c.err == nil {
		p.metrics.Refused++
		if p.opts.KeepInvalid {
			p.cache.add(tx.key)
		}
	}
	delete(p.txs, tx.key)
}

func (p *Pool) makeRoom(c *candidate) error {
	if p.fits(c.tx) || p.opts.Priorities && p.evict(int64(len(c.tx)), c.response.Sender, c.response.Priority) {
		return nil
	}
	return p.full(c.tx)
}

func (p *Pool) add(it *item) {
	p.list.Append(it)
	p.bytes += int64(len(it.Value.bytes))
	p.metrics.Added++
	if p.opts.Priorities {
		p.lowest.push(it)
	}
	p.notify()
}

// remove takes a transaction out of the pool. The cache is another matter.
func (p *Pool) remove(it *item) {
	p.list.Remove(it)
	p.bytes -= int64(len(it.Value.bytes))
	delete(p.txs, it.Value.key)
	if p.opts.Priorities {
		p.lowest.remove(it)
	}
}

// ask asks the application. One that panics is not to take the node with it here: the node's own calls will tell.
func (p *Pool) ask(ctx context.Context, r *abci.CheckTxRequest) (response *abci.CheckTxResponse, err error) {
	defer func() {
		if cause := recover(); cause != nil {
			response, err = nil, fmt.Errorf("%w: CheckTx panicked: %v\n%s", ErrApplication, cause, debug.Stack())
		}
	}()
	response, err = p.app.CheckTx(ctx, r)
	switch {
	case err != nil:
		return nil, fmt.Errorf("%w: CheckTx: %w", ErrApplication, err)
	case response == nil || response.GasWanted < 0:
		return nil, fmt.Errorf("%w: CheckTx answered nothing, or a negative GasWanted", ErrApplication)
	}
	return response, nil
}

// notify says that there is something to reap.
func (p *Pool) notify() {
	select {
	case p.available <- struct{}{}:
	default:
	}
}

// Metrics are the counts so far.
func (p *Pool) Metrics() Metrics {
	p.mu.Lock()
	defer p.mu.Unlock()
	m := p.metrics
	m.Txs, m.Bytes = p.list.Len(), p.bytes
	return m
}
