package main

import (
	"context"
	"errors"
	"path/filepath"

	"go.etcd.io/etcd/pkg/v3/traceutil"
	"go.etcd.io/etcd/server/v3/lease"
	"go.etcd.io/etcd/server/v3/storage/backend"
	"go.etcd.io/etcd/server/v3/storage/mvcc"
	"go.uber.org/zap"
)

// etcdStore is etcd's versioned store alone, without raft and without fsync. It has
// one writer at a time, who meets no conflict.
type etcdStore struct {
	kv      mvcc.KV
	backend backend.Backend
}

func openEtcd(dir string) (store, error) {
	lg := zap.NewNop()
	cfg := backend.DefaultBackendConfig(lg)
	cfg.Path, cfg.UnsafeNoFsync = filepath.Join(dir, "db"), true
	b := backend.New(cfg)
	return etcdStore{mvcc.New(lg, b, &lease.FakeLessor{}, mvcc.StoreConfig{}), b}, nil
}

func (s etcdStore) Update(ctx context.Context, fn func(tx) error) (int, error) {
	txn := s.kv.Write(traceutil.TODO())
	defer txn.End()
	return 0, fn(etcdTxn{etcdReader{ctx: ctx, view: txn}, txn})
}

func (s etcdStore) Snapshot(ctx context.Context) (snapshot, error) {
	// Reads at a revision need no transaction, and what they see stays until Compact.
	return etcdReader{ctx: ctx, view: s.kv, rev: s.kv.Rev()}, nil
}

func (s etcdStore) Collect(context.Context) error {
	done, err := s.kv.Compact(traceutil.TODO(), s.kv.Rev())
	if err == nil {
		<-done
	}
	if errors.Is(err, mvcc.ErrCompacted) {
		return nil // nothing was written since
	}
	return err
}

func (s etcdStore) Close() error { return errors.Join(s.kv.Close(), s.backend.Close()) }

type etcdReader struct {
	ctx  context.Context
	view mvcc.ReadView
	rev  int64 // 0: the latest
}

func (r etcdReader) Get(key []byte) ([]byte, error) {
	res, err := r.view.Range(r.ctx, key, nil, mvcc.RangeOptions{Rev: r.rev})
	if err != nil || len(res.KVs) == 0 {
		return nil, err
	}
	return res.KVs[0].Value, nil
}

func (r etcdReader) Scan(lo, hi []byte, fn func(k, v []byte) error) error {
	res, err := r.view.Range(r.ctx, lo, hi, mvcc.RangeOptions{Rev: r.rev})
	if err != nil {
		return err
	}
	for i := range res.KVs {
		if err := fn(res.KVs[i].Key, res.KVs[i].Value); err != nil {
			return err
		}
	}
	return nil
}

func (r etcdReader) Close() error { return nil }

type etcdTxn struct {
	etcdReader
	txn mvcc.TxnWrite
}

func (t etcdTxn) Put(key, value []byte) error {
	t.txn.Put(key, value, lease.NoLease)
	return nil
}
