package service

import (
	"context"
	"fmt"

	"github.com/flagship-go/flagship/mvcc"
)

// reserved begins the keys that are not the clients'.
const reserved = 0

func checkKey(key []byte) error {
	if len(key) > 0 && key[0] == reserved {
		return fmt.Errorf("%w: keys that begin with a zero byte are the tables'", mvcc.ErrKey)
	}
	return nil
}

// do has f done in the transaction of a name, or in one of its own without (S2). The own
// one may be run again: f must have no effect but through it.
func (s *Service) do(ctx context.Context, name string, o mvcc.TxnOptions, f func(t *mvcc.Txn) error) error {
	if name == "" {
		return s.o.DB.Run(ctx, o, f)
	}
	return s.in(ctx, name, f)
}

var (
	reading = mvcc.TxnOptions{Mode: mvcc.ReadOnly}
	writing = mvcc.TxnOptions{}
)

// Get returns the value of a key; mvcc.ErrNotFound if there is none.
func (s *Service) Get(ctx context.Context, txn string, key []byte) (value []byte, err error) {
	if err := checkKey(key); err != nil {
		return nil, err
	}
	err = s.do(ctx, txn, reading, func(t *mvcc.Txn) error {
		value, err = t.Get(ctx, key)
		return err
	})
	return value, err
}

// Put sets the value of a key; insert only where there is none.
func (s *Service) Put(ctx context.Context, txn string, key, value []byte, insert bool) error {
	if err := checkKey(key); err != nil {
		return err
	}
	return s.do(ctx, txn, writing, func(t *mvcc.Txn) error {
		if insert {
			return t.Insert(key, value)
		}
		return t.Put(key, value)
	})
}

// Delete removes a key, which need not be there.
func (s *Service) Delete(ctx context.Context, txn string, key []byte) error {
	if err := checkKey(key); err != nil {
		return err
	}
	return s.do(ctx, txn, writing, func(t *mvcc.Txn) error { return t.Delete(key) })
}

// Lock locks keys for a transaction, and returns their latest values, nil for none.
func (s *Service) Lock(ctx context.Context, txn string, keys [][]byte) (values [][]byte, err error) {
	for _, k := range keys {
		if err := checkKey(k); err != nil {
			return nil, err
		}
	}
	err = s.in(ctx, txn, func(t *mvcc.Txn) error {
		values, err = t.GetForUpdate(ctx, keys...)
		return err
	})
	return values, err
}

// ScanRange says what to scan: Start <= key < End, where an empty End is no bound.
type ScanRange struct {
	Start, End []byte
	Limit      int
	Reverse    bool
	KeysOnly   bool
}

// MaxScan is how many pairs a scan returns at most.
const MaxScan = 10_000

// Scan returns pairs, at most Limit, and whether there are more.
func (s *Service) Scan(ctx context.Context, txn string, r ScanRange) (pairs []mvcc.KV, more bool, err error) {
	switch {
	case r.Limit < 0 || r.Limit > MaxScan:
		return nil, false, fmt.Errorf("%w: a limit of %d: 1 to %d", ErrRequest, r.Limit, MaxScan)
	case r.Limit == 0:
		r.Limit = 1000
	}
	lo, hi := r.Start, r.End
	if len(hi) == 0 {
		hi = nil
	}
	if len(lo) == 0 || lo[0] == reserved {
		lo = []byte{reserved + 1}
	}
	err = s.do(ctx, txn, reading, func(t *mvcc.Txn) error {
		pairs, more = nil, false
		bytes := 0
		o := mvcc.ScanOptions{Reverse: r.Reverse, KeysOnly: r.KeysOnly, Limit: r.Limit + 1}
		for kv, err := range t.Scan(ctx, lo, hi, o) {
			if err != nil {
				return err
			}
			if len(pairs) == r.Limit || bytes > maxScanBytes {
				more = true
				return nil
			}
			bytes += len(kv.Key) + len(kv.Value)
			pairs = append(pairs, kv)
		}
		return nil
	})
	return pairs, more, err
}

// maxScanBytes is how much a scan returns, about.
const maxScanBytes = 16 << 20
