package main

import (
	"context"
	"errors"
	"os"
	"slices"
)

// store is what the workloads need of a contender. It is safe for concurrent use.
type store interface {
	// Update runs a transaction that writes, from the beginning again each time
	// somebody else's comes between, and returns how often that was.
	Update(ctx context.Context, fn func(tx tx) error) (conflicts int, err error)
	// Snapshot is the latest state. It serves one goroutine.
	Snapshot(ctx context.Context) (snapshot, error)
	Close() error
}

// reader reads as of one time. Slices are valid until the transaction, or the
// snapshot, ends.
type reader interface {
	// Get returns the value of a key, nil if it has none.
	Get(key []byte) ([]byte, error)
	// Scan calls fn for the keys of lo <= key < hi, in order.
	Scan(lo, hi []byte, fn func(key, value []byte) error) error
}

type snapshot interface {
	reader
	Close() error
}

// tx is a transaction that writes. It keeps the slices that it is given until it
// ends.
type tx interface {
	reader
	Put(key, value []byte) error
}

// locker is a tx that can lock keys before it reads them.
type locker interface {
	tx
	// Lock returns the latest values of keys, and keeps others from writing them.
	Lock(keys ...[]byte) ([][]byte, error)
}

// collector is a store of which old versions are collected by call: as of now.
type collector interface {
	Collect(ctx context.Context) error
}

// errConflict is what an attempt ended with that is to be made again.
var errConflict = errors.New("conflict")

// retry makes attempts until one does not end with errConflict.
func retry(ctx context.Context, attempt func() error) (conflicts int, err error) {
	for {
		if err := attempt(); !errors.Is(err, errConflict) {
			return conflicts, err
		}
		if err := ctx.Err(); err != nil {
			return conflicts, err
		}
		conflicts++
	}
}

// contender is an implementation: its name, module, and how its store is opened, in a
// directory that is empty.
type contender struct {
	name, module string
	open         func(dir string) (store, error)
}

// The contenders' names.
const (
	ours         = "flagship"
	ours2PC      = "flagship-2pc"
	oursSerial   = "flagship-serializable"
	oursLock     = "flagship-lock"
	oursLockEach = "flagship-lock-each"
	badgerMem    = "badger-mem"
	badgerDisk   = "badger-disk"
	etcdName     = "etcd"
	memdbName    = "go-memdb"
	sqliteName   = "sqlite"
	tikvName     = "client-go-mock"
)

func peers() []contender {
	return []contender{
		{badgerMem, "github.com/dgraph-io/badger/v4", openBadgerMem},
		{badgerDisk, "github.com/dgraph-io/badger/v4", openBadgerDisk},
		{etcdName, "go.etcd.io/etcd/server/v3", openEtcd},
		{memdbName, "github.com/hashicorp/go-memdb", openMemdb},
		{sqliteName, "modernc.org/sqlite", openSQLite},
		{tikvName, "github.com/tikv/client-go/v2", openTiKV},
	}
}

// without returns contenders without those of some names.
func without(all []contender, names ...string) []contender {
	return slices.DeleteFunc(slices.Clone(all), func(c contender) bool { return slices.Contains(names, c.name) })
}

// openFresh opens a store in a new directory below parent.
func openFresh(c contender, parent string) (s store, dir string, err error) {
	if dir, err = os.MkdirTemp(parent, c.name+"-"); err != nil {
		return nil, "", err
	}
	if s, err = c.open(dir); err != nil {
		return nil, "", errors.Join(err, os.RemoveAll(dir))
	}
	return s, dir, nil
}
