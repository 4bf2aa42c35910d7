package consumer

import (
	"errors"
	"testing"

	"github.com/flagship-go/flagship/erasure/erasuretest"
	"github.com/flagship-go/flagship/erasure/rs"
	"github.com/flagship-go/flagship/lsm"
	"github.com/flagship-go/flagship/lsm/lsmtest"
)

// store is somebody's own store, here by embedding ours.
type store struct{ *lsm.DB }

func (s store) NewIter(lower, upper []byte) (lsmtest.Iterator, error) {
	return s.DB.NewIter(&lsm.IterOptions{Lower: lower, Upper: upper})
}

func (s store) Get(key []byte) ([]byte, error) {
	v, err := s.DB.Get(key)
	if errors.Is(err, lsm.ErrNotFound) {
		err = lsmtest.ErrNotFound
	}
	return v, err
}

func (s store) Apply(ops []lsmtest.Op, sync bool) error {
	b := s.NewBatch()
	b.Sync = sync
	for _, op := range ops {
		switch op.Kind {
		case lsmtest.Put:
			b.Put(op.Key, op.Value)
		case lsmtest.Delete:
			b.Delete(op.Key)
		default:
			return lsmtest.ErrUnsupported
		}
	}
	return s.DB.Apply(b)
}

func TestTheKitGradesAStrangersStore(t *testing.T) {
	lsmtest.Run(t, lsmtest.Implementation{
		Name:   "stranger",
		Claims: lsmtest.Capabilities{EmptyKeys: true},
		Open: func(o lsmtest.Options) (lsmtest.Store, error) {
			db, err := lsm.Open(o.Dir, &lsm.Options{FS: o.FS})
			return store{db}, err
		},
	})
}

func TestAStrangerSeesThatAStoreIsTaken(t *testing.T) {
	var fs lsm.FS // an alias: the type can be named and implemented
	dir := t.TempDir()
	db, err := lsm.Open(dir, &lsm.Options{FS: fs})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if _, err := lsm.Open(dir, nil); !errors.Is(err, lsm.ErrLocked) {
		t.Fatalf("a second Open: %v, want ErrLocked", err)
	}
}

func TestTheKitGradesAStrangersCodec(t *testing.T) {
	erasuretest.Codec(t, rs.New)
}
