package mempool

import (
	"context"
	"fmt"
	"slices"

	"github.com/flagship-go/flagship/bft/abci"
	"github.com/flagship-go/flagship/bft/types"
)

// Reap implements [bft.Mempool]: the transactions for a block, in order (M3), up to the first that does not fit any
// more. One that would fit into no block, however empty, is passed over: it must not keep the others waiting.
func (p *Pool) Reap(maxBytes, maxGas int64) [][]byte {
	p.mu.Lock()
	defer p.mu.Unlock()
	left, gasLeft := maxBytes, maxGas
	var txs [][]byte
	for _, it := range p.order() {
		tx := &it.Value
		size := abci.TxSize(tx.bytes)
		if maxBytes >= 0 && size > maxBytes || maxGas >= 0 && tx.gas > maxGas {
			continue
		}
		if maxBytes >= 0 && size > left || maxGas >= 0 && tx.gas > gasLeft {
			break
		}
		left, gasLeft = left-size, gasLeft-tx.gas
		txs = append(txs, tx.bytes)
	}
	return txs
}

// order is the pool as it is to be reaped: as it came, or the higher priority first. A sender's next transaction is of no use before
// the one it follows, so it does not count for more than that.
func (p *Pool) order() []*item {
	items := slices.AppendSeq(make([]*item, 0, p.list.Len()), p.list.All())
	if !p.opts.Priorities {
		return items
	}
	last := make(map[string]int64) // the worth of a sender's last one
	for _, it := range items {
		tx := &it.Value
		tx.worth = tx.priority
		if before, follows := last[tx.sender]; follows && tx.sender != "" {
			tx.worth = min(before, tx.priority)
		}
		last[tx.sender] = tx.worth
	}
	slices.SortStableFunc(items, func(a, b *item) int { return -compare(a.Value.worth, b.Value.worth) })
	return items
}

// Available implements [bft.Mempool].
func (p *Pool) Available() <-chan struct{} { return p.available }

// Lock implements [bft.Mempool]: it waits for checks under way, and lets none begin. An application that hangs in one is waited for
// no longer than Options.Timeout: then it is Update that says so, and the node halts.
func (p *Pool) Lock() { p.hangs = !p.updating.lock(p.opts.Timeout) }

// Unlock implements [bft.Mempool].
func (p *Pool) Unlock() { p.updating.unlock() }

// Update implements [bft.Mempool]. What was committed leaves the pool, and is remembered if it went well, or with
// KeepInvalid. The error is the application's, of a recheck.
func (p *Pool) Update(ctx context.Context, _ types.Height, txs [][]byte, codes []uint32) error {
	defer p.updating.unlock()
	if p.hangs {
		return fmt.Errorf("%w: a CheckTx had not returned %v after the block was decided", ErrApplication, p.opts.Timeout)
	}
	if len(codes) != len(txs) {
		return fmt.Errorf("mempool: %d codes for %d transactions", len(codes), len(txs))
	}
	if err := p.recheck(ctx, p.committed(txs, codes)); err != nil {
		return err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	select { // what was said of transactions that are gone is taken back
	case <-p.available:
	default:
	}
	if p.list.Len() > 0 {
		p.notify()
	}
	return nil
}

// recheck asks again about what remains, in order. M4: the application's state is the new one, and nobody else asks it.
// Others may reap and send meanwhile. An application that hangs is not waited for.
func (p *Pool) recheck(ctx context.Context, items []*item) error {
	if len(items) == 0 {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, p.opts.Timeout)
	defer cancel()
	done := make(chan error, 1)
	go func() {
		for _, it := range items {
			response, err := p.ask(ctx, &abci.CheckTxRequest{Tx: it.Value.bytes, Recheck: true})
			if err == nil {
				err = ctx.Err()
			}
			if err != nil {
				done <- err
				return
			}
			p.rechecked(it, response)
		}
		done <- nil
	}()
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
		return fmt.Errorf("%w: the recheck of %d transactions is not done after %v: %w", ErrApplication, len(items), p.opts.Timeout, ctx.Err())
	}
}

// committed takes a block's transactions out, and returns what is to be checked again.
func (p *Pool) committed(txs [][]byte, codes []uint32) []*item {
	keys := make([]Key, len(txs))
	for i, tx := range txs {
		keys[i] = keyOf(tx)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	for i, key := range keys {
		if codes[i] == abci.CodeOK || p.opts.KeepInvalid {
			p.cache.add(key) // M1
		} else {
			p.cache.remove(key)
		}
		if it := p.txs[key]; it != nil {
			p.remove(it)
			p.metrics.Committed++
		}
	}
	if p.opts.SkipRecheck {
		return nil
	}
	return slices.Collect(p.list.All())
}

// rechecked drops a transaction that is wrong now, and takes over its new gas and priority otherwise.
func (p *Pool) rechecked(it *item, r *abci.CheckTxResponse) {
	tx := &it.Value
	p.mu.Lock()
	defer p.mu.Unlock()
	good := r.Code == abci.CodeOK && p.inNoBlock(tx.bytes, r.GasWanted) == nil
	if good && r.GasWanted == tx.gas && r.Priority == tx.priority {
		return
	}
	if good {
		tx.gas, tx.priority = r.GasWanted, r.Priority
		if p.opts.Priorities {
			p.lowest.remove(it)
			p.lowest.push(it)
		}
		return
	}
	p.remove(it)
	p.metrics.Dropped++
	if p.opts.KeepInvalid {
		p.cache.add(tx.key)
	}
}
