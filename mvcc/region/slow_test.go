package region

import (
	"context"
	"slices"
	"sort"
	"strings"
	"sync"
)

// slowEngine is an Engine so simple that it is right: each family is a sorted slice,
// copied by every write. It is what other engines are compared with, and serves where
// speed does not matter.
type slowEngine struct {
	mu       sync.Mutex
	families [numCFs][]slowRow
}

type slowRow struct {
	key   string
	value []byte
}

func newSlow() *slowEngine { return &slowEngine{} }

func (e *slowEngine) Snapshot(context.Context) (Snapshot, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	return &slowSnapshot{e.families}, nil
}

func (e *slowEngine) Write(_ context.Context, b *Batch) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, op := range b.Ops {
		rows := slices.Clone(e.families[op.CF])
		i, found := slowFind(rows, op.Key)
		j := i
		if op.Kind == OpDeleteRange {
			j, _ = slowFind(rows, op.Value)
		} else if found {
			j++
		}
		rows = slices.Delete(rows, i, max(i, j))
		if op.Kind == OpPut {
			rows = slices.Insert(rows, i, slowRow{string(op.Key), append([]byte{}, op.Value...)})
		}
		e.families[op.CF] = rows
	}
	return nil
}

func slowFind(rows []slowRow, key []byte) (int, bool) {
	return sort.Find(len(rows), func(i int) int { return strings.Compare(string(key), rows[i].key) })
}

type slowSnapshot struct{ families [numCFs][]slowRow }

func (s *slowSnapshot) Close() error { return nil }

func (s *slowSnapshot) Get(cf CF, key []byte) ([]byte, bool, error) {
	if i, found := slowFind(s.families[cf], key); found {
		return s.families[cf][i].value, true, nil
	}
	return nil, false, nil
}

func (s *slowSnapshot) Iter(cf CF, lo, hi []byte) Iterator {
	rows := s.families[cf]
	i, _ := slowFind(rows, lo)
	j := len(rows)
	if hi != nil {
		j, _ = slowFind(rows, hi)
	}
	return &slowIterator{rows: rows[i:max(i, j)], at: -1}
}

// slowIterator writes over what it has shown when it shows another key: nobody may look
// at it any more.
type slowIterator struct {
	rows       []slowRow
	at         int
	key, value []byte
}

func (it *slowIterator) on() bool {
	if it.at < 0 || it.at >= len(it.rows) {
		it.at = -1
	}
	return it.at >= 0
}

func (it *slowIterator) SeekGE(key []byte) bool { it.at, _ = slowFind(it.rows, key); return it.on() }
func (it *slowIterator) SeekLT(key []byte) bool {
	it.at, _ = slowFind(it.rows, key)
	it.at--
	return it.on()
}
func (it *slowIterator) Next() bool {
	if it.at >= 0 {
		it.at++
	}
	return it.on()
}
func (it *slowIterator) Prev() bool {
	if it.at >= 0 {
		it.at--
	}
	return it.on()
}
func (it *slowIterator) Key() []byte {
	it.key = append(it.key[:0], it.rows[it.at].key...)
	return it.key
}
func (it *slowIterator) Value() []byte {
	it.value = append(it.value[:0], it.rows[it.at].value...)
	return it.value
}
func (it *slowIterator) Err() error   { return nil }
func (it *slowIterator) Close() error { return nil }
