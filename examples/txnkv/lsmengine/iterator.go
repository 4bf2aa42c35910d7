package lsmengine

import (
	"fmt"

	"github.com/flagship-go/flagship/lsm"
	"github.com/flagship-go/flagship/mvcc"
)

// iterator is one of the store within a family. The store's goes from nowhere to the
// first key or the last; this one stays there.
type iterator struct {
	it     *lsm.Iterator
	prefix []byte
	cf     mvcc.CF
	on     bool
	seek   []byte
	err    error
}

func (s *snapshot) Iter(cf mvcc.CF, lo, hi []byte) mvcc.Iterator {
	it := &iterator{prefix: s.prefix, cf: cf}
	it.it, it.err = s.s.NewIter(&lsm.IterOptions{Lower: AppendKey(nil, s.prefix, cf, lo), Upper: AppendEnd(nil, s.prefix, cf, hi)})
	return it
}

func (it *iterator) SeekGE(key []byte) bool {
	if it.it == nil {
		return false
	}
	it.seek = AppendKey(it.seek[:0], it.prefix, it.cf, key)
	it.on = it.it.SeekGE(it.seek)
	return it.on
}

func (it *iterator) SeekLT(key []byte) bool {
	if it.it == nil {
		return false
	}
	it.seek = AppendKey(it.seek[:0], it.prefix, it.cf, key)
	it.on = it.it.SeekLT(it.seek)
	return it.on
}

func (it *iterator) Next() bool {
	it.on = it.on && it.it.Next()
	return it.on
}

func (it *iterator) Prev() bool {
	it.on = it.on && it.it.Prev()
	return it.on
}

func (it *iterator) Key() []byte { return it.it.Key()[len(it.prefix)+1:] }

// Value may fail: then it is nil, and Err says why.
func (it *iterator) Value() []byte {
	v := it.it.Value()
	if v == nil && it.it.Err() == nil {
		return []byte{}
	}
	return v
}

func (it *iterator) Err() error {
	if it.it != nil && it.err == nil {
		it.err = it.it.Err()
	}
	if it.err != nil {
		return fmt.Errorf("engine: iterator: %w", known(it.err, false))
	}
	return nil
}

func (it *iterator) Close() error {
	err := it.Err()
	if it.it != nil {
		it.it.Close() // what it has to say is in err
	}
	it.it, it.on = nil, false
	return err
}
