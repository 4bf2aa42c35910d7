package main

import (
	"fmt"
	"os"
)

// store is what the workloads need of a contender. Its methods are safe for
// concurrent use.
type store interface {
	// Get appends the value of k to dst; false when there is none.
	Get(dst, k []byte) ([]byte, bool, error)
	// Put is as durable as settings.sync asks for.
	Put(k, v []byte) error
	NewBatch() batch
	NewIter() (iterator, error)
	// Flush writes what is in memory to tables, where the contender can be
	// asked to.
	Flush() error
	Close() error
}

// batch is several writes. Apply makes them and empties the batch.
type batch interface {
	Put(k, v []byte) error
	Apply() error
}

// iterator goes forwards. Key and Value are valid until it moves.
type iterator interface {
	Seek(k []byte) bool
	First() bool
	Next() bool
	Key() []byte
	Value() []byte
	Close() error
}

// settings are the same for all contenders, as far as they have them.
type settings struct {
	sync     bool
	cache    int64 // bytes of block cache, where blocks are not read by mmap
	memtable int   // bytes
	values   bool  // large values in a value log
}

const (
	memtables  = 5
	bitsPerKey = 10
	// threshold is from which length on values go to the value log, where
	// settings.values asks for one.
	threshold = 512
)

var usual = settings{cache: 256 << 20, memtable: 64 << 20}

// contender is an implementation: its name, module, and how its store is opened.
type contender struct {
	name, module string
	open         func(dir string, s settings) (store, error)
}

// The contenders' names.
const (
	ours       = "flagship"
	oursValues = "flagship-vlog"
	pebbleName = "pebble"
	badgerName = "badger"
	badgerVlog = "badger-vlog"
	goleveldb  = "goleveldb"
	bboltName  = "bbolt"
)

func contenders() []contender {
	return []contender{
		{ours, "github.com/flagship-go/flagship", openOurs},
		{pebbleName, "github.com/cockroachdb/pebble/v2", openPebble},
		{badgerName, "github.com/dgraph-io/badger/v4", openBadger},
		{goleveldb, "github.com/syndtr/goleveldb", openGoleveldb},
		{bboltName, "go.etcd.io/bbolt", openBolt},
	}
}

// withValues are those that have a value log, set to use it.
func withValues(c contender) contender {
	inner := c.open
	c.open = func(dir string, s settings) (store, error) {
		s.values = true
		return inner(dir, s)
	}
	c.name += "-vlog"
	return c
}

// named returns the contenders of these names, in this order.
func named(names ...string) (chosen []contender) {
	all := contenders()
	for _, c := range contenders() {
		all = append(all, withValues(c))
	}
	for _, name := range names {
		for _, c := range all {
			if c.name == name {
				chosen = append(chosen, c)
			}
		}
	}
	return chosen
}

// fill writes the keys from..to in batches, in the order of their numbers, which
// is a random order of the keys.
func fill(s store, size, from, to int) error {
	b := s.NewBatch()
	var k []byte
	for i := from; i < to; i++ {
		k = keyOf(k, uint64(i))
		if err := b.Put(k, valueOf(uint64(i), size)); err != nil {
			return fmt.Errorf("filling: %w", err)
		}
		if (i-from)%1000 == 999 || i == to-1 {
			if err := b.Apply(); err != nil {
				return fmt.Errorf("filling: %w", err)
			}
		}
	}
	return nil
}

// openFresh opens a store in a new directory below parent.
func openFresh(c contender, parent string, s settings) (st store, dir string, err error) {
	if dir, err = os.MkdirTemp(parent, c.name+"-"); err != nil {
		return nil, "", err
	}
	if st, err = c.open(dir, s); err != nil {
		os.RemoveAll(dir)
	}
	return st, dir, err
}
