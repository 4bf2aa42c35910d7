package lsmtest

import (
	"errors"
	"fmt"
	"slices"
)

// reader returns the store, or a snapshot, and what it must show.
func (p *player) reader(name string) (Reader, state) {
	if s := p.snaps[name]; s != nil {
		return s, s.state
	}
	return p.store, p.state
}

func (p *player) get(r Reader, st state, key []byte) error {
	want, ok := st.visible(string(key), p.now())
	got, err := r.Get(key)
	switch {
	case errors.Is(err, ErrNotFound) && (!ok || p.set.MayDrop):
		return nil
	case errors.Is(err, ErrNotFound):
		return fmt.Errorf("key %s is missing", show(string(key)))
	case err != nil:
		return err
	case !ok:
		return fmt.Errorf("key %s should not be there, it is %s", show(string(key)), show(string(got)))
	case string(got) != string(want):
		return fmt.Errorf("key %s is %s instead of %s", show(string(key)), show(string(got)), show(string(want)))
	}
	spoil(got) // it is ours
	return nil
}

func (p *player) scan(r Reader, st state, s step) error {
	var got []pair
	var err error
	want := st.pairs(s.low, s.high, p.now())
	if s.verb == "back" {
		got, err = readBack(r, s.low, s.high)
		slices.Reverse(got)
	} else {
		got, err = readAll(r, s.low, s.high)
	}
	if err != nil {
		return err
	}
	return compare(got, want, p.set.MayDrop)
}

// readAll returns what a reader shows within bounds.
func readAll(r Reader, low, high []byte) (got []pair, err error) {
	it, err := r.NewIter(low, high)
	if err != nil {
		return nil, err
	}
	defer it.Close()
	for ok := it.First(); ok; ok = it.Next() {
		x := pair{string(it.Key()), string(it.Value())}
		if it.Err() != nil {
			break // it was the value that could not be read
		}
		got = append(got, x)
	}
	return got, it.Err()
}

func readBack(r Reader, low, high []byte) (got []pair, err error) {
	it, err := r.NewIter(low, high)
	if err != nil {
		return nil, err
	}
	defer it.Close()
	back, ok := it.(ReverseIterator)
	if !ok {
		return nil, errors.New("the iterator has no Last and Prev, and Capabilities.Reverse is claimed")
	}
	for ok := back.Last(); ok; ok = back.Prev() {
		x := pair{string(back.Key()), string(back.Value())}
		if it.Err() != nil {
			break
		}
		got = append(got, x)
	}
	return got, it.Err()
}
