package fullnode

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"slices"
	"sync"

	"github.com/flagship-go/flagship/bft"
	"github.com/flagship-go/flagship/bft/abci"
	"github.com/flagship-go/flagship/bft/internal/varint"
	"github.com/flagship-go/flagship/bft/types"
	"github.com/flagship-go/flagship/internal/wal"
)

// A TxResult is a transaction that is in a block.
type TxResult struct {
	Hash   types.Hash // SHA-256 of Tx
	Height types.Height
	Index  uint32 // its place in the block
	Tx     []byte
	Result abci.ExecTxResult
}

// An index knows where each transaction is. All of it is in memory, 50 bytes a transaction; its file spares a start the
// reading of all blocks.
//
//	record   height | hash of each transaction...    zeros: one that is not to be found here
//
// A transaction that comes again is found where it came last; but one that fails is not found in place of itself.
//
// A height is written when it is committed, and not synced: what a power cut takes is read from the blocks again.
type index struct {
	log *wal.Log

	mu      sync.Mutex
	places  map[types.Hash]place
	heights []indexed // in order, without gaps
	waiting map[types.Hash][]waiter
}

// A waiter is to be told of a transaction in a block after a height.
type waiter struct {
	after types.Height
	c     chan place
}

type place struct {
	height types.Height
	index  uint32
}

type indexed struct {
	height types.Height
	hashes []types.Hash
	seq    uint64
}

const indexSegment = 4 << 20

// openIndex reads the file of the heights from base to last, and forgets others.
func openIndex(dir string, base, last types.Height, logger *slog.Logger) (*index, error) {
	log, _, err := wal.Open(dir, &wal.Options{SegmentSize: indexSegment, Logger: logger})
	if err != nil {
		return nil, fmt.Errorf("fullnode: opening the index of transactions: %w", err)
	}
	x := &index{log: log, places: map[types.Hash]place{}, waiting: map[types.Hash][]waiter{}}
	if err := x.load(base, last); err != nil {
		return nil, errors.Join(fmt.Errorf("fullnode: the index of transactions (remove %s, and it is made again): %w", dir, err), log.Close())
	}
	return x, nil
}

func (x *index) load(base, last types.Height) error {
	for r, err := range x.log.Records(x.log.FirstSeq()) {
		if err != nil {
			return err
		}
		at, hashes, ok := decodeRecord(r.Data)
		if !ok {
			return fmt.Errorf("record %d has %d bytes, and is no height with hashes", r.Seq, len(r.Data))
		}
		if at < base {
			continue
		}
		if at > last || len(x.heights) > 0 && at != x.next() { // the store has lost it, or was exchanged
			return x.log.TruncateBack(r.Seq - 1)
		}
		x.place(indexed{at, hashes, r.Seq})
	}
	if len(x.heights) > 0 && x.heights[0].height > base { // it lacks a beginning
		x.heights, x.places = nil, map[types.Hash]place{}
	}
	return nil
}

func encodeRecord(h types.Height, hashes []types.Hash) []byte {
	b := binary.AppendUvarint(make([]byte, 0, 10+len(hashes)*len(types.Hash{})), uint64(h))
	for i := range hashes {
		b = append(b, hashes[i][:]...)
	}
	return b
}

// decodeRecord reads what encodeRecord has written, and nothing else. It keeps nothing of data.
func decodeRecord(data []byte) (h types.Height, hashes []types.Hash, ok bool) {
	at, n := varint.Take(data, math.MaxInt64)
	if n == 0 || at < 1 || (len(data)-n)%len(types.Hash{}) != 0 {
		return 0, nil, false
	}
	hashes = make([]types.Hash, 0, len(data)/len(types.Hash{}))
	for rest := data[n:]; len(rest) > 0; rest = rest[len(types.Hash{}):] {
		hashes = append(hashes, types.Hash(rest))
	}
	return types.Height(at), hashes, true
}

// next is the height to be added; 0: any.
func (x *index) next() types.Height {
	if len(x.heights) == 0 {
		return 0
	}
	return x.heights[len(x.heights)-1].height + 1
}

func (x *index) place(h indexed) {
	x.heights = append(x.heights, h)
	for i, hash := range h.hashes {
		if hash != (types.Hash{}) {
			x.places[hash] = place{h.height, uint32(i)}
		}
	}
}

// found are the hashes of a block's transactions, with zeros for those that are to be found elsewhere. It is for the one who adds.
func (x *index) found(all []types.Hash, results []abci.ExecTxResult) []types.Hash {
	found := slices.Clone(all)
	var first map[types.Hash]int // made for the first that has failed: mostly there is none
	for i, hash := range all {
		if results[i].Code == abci.CodeOK {
			continue
		}
		if first == nil {
			first = make(map[types.Hash]int, len(all))
			for k := len(all) - 1; k >= 0; k-- {
				first[all[k]] = k
			}
		}
		if _, before := x.places[hash]; before || first[hash] < i {
			found[i] = types.Hash{}
		}
	}
	return found
}

// add indexes a committed block, and tells who waits for its transactions. Below base nothing is stored any more.
func (x *index) add(b *types.Block, results []abci.ExecTxResult, base types.Height) error {
	hashes := make([]types.Hash, len(b.Txs))
	for i, tx := range b.Txs {
		hashes[i] = sha256.Sum256(tx)
	}
	found := x.found(hashes, results)
	seq, err := x.log.Append(encodeRecord(b.Height, found))
	if err != nil {
		return fmt.Errorf("fullnode: indexing block %d: %w", b.Height, err)
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	x.place(indexed{b.Height, found, seq})
	for i, hash := range hashes {
		x.tell(hash, place{b.Height, uint32(i)})
	}
	return x.prune(base)
}

// tell tells who waits for a transaction of this height.
func (x *index) tell(hash types.Hash, p place) {
	x.leave(hash, func(w waiter) bool {
		if w.after >= p.height {
			return false
		}
		w.c <- p
		return true
	})
}

// leave drops those who wait for a transaction and do not any more.
func (x *index) leave(hash types.Hash, left func(waiter) bool) {
	if x.waiting[hash] = slices.DeleteFunc(x.waiting[hash], left); len(x.waiting[hash]) == 0 {
		delete(x.waiting, hash)
	}
}

func (x *index) prune(base types.Height) error {
	var drop int
	for ; x.heights[drop].height < base; drop++ {
		for _, hash := range x.heights[drop].hashes {
			if x.places[hash].height == x.heights[drop].height {
				delete(x.places, hash)
			}
		}
	}
	if drop == 0 {
		return nil
	}
	x.heights = append(x.heights[:0:0], x.heights[drop:]...)
	if err := x.log.TruncateFront(x.heights[0].seq); err != nil {
		return fmt.Errorf("fullnode: dropping pruned heights from the index: %w", err)
	}
	return nil
}

func (x *index) find(hash types.Hash) (place, bool) {
	x.mu.Lock()
	defer x.mu.Unlock()
	p, ok := x.places[hash]
	return p, ok
}

// wait returns when a transaction is in a block after a height.
func (x *index) wait(ctx context.Context, done <-chan struct{}, hash types.Hash, after types.Height) (place, error) {
	x.mu.Lock()
	if p, ok := x.places[hash]; ok && p.height > after {
		x.mu.Unlock()
		return p, nil
	}
	c := make(chan place, 1)
	x.waiting[hash] = append(x.waiting[hash], waiter{after, c})
	x.mu.Unlock()
	var err error
	select {
	case p := <-c:
		return p, nil
	case <-ctx.Done():
		err = ctx.Err()
	case <-done:
		err = bft.ErrStopped
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	select {
	case p := <-c: // meanwhile
		return p, nil
	default:
	}
	x.leave(hash, func(w waiter) bool { return w.c == c })
	return place{}, err
}
