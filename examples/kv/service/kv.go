package service

import (
	"context"

	"github.com/flagship-go/flagship/examples/kv/store"
)

// Range reads keys: linearizable, or, serializable, what this member has now.
func (m *Member) Range(ctx context.Context, r *store.RangeRequest, serializable bool) (*store.RangeResponse, error) {
	// What cannot be answered is refused before it costs a round of messages.
	if len(r.Key) == 0 {
		return nil, store.ErrEmptyKey
	}
	if !serializable {
		if err := m.read(ctx); err != nil {
			return nil, err
		}
	}
	return m.machine.Range(r)
}

// Put writes a key.
func (m *Member) Put(ctx context.Context, r *store.PutRequest) (*store.PutResponse, error) {
	return do[*store.PutResponse](m, ctx, r)
}

// DeleteRange deletes keys.
func (m *Member) DeleteRange(ctx context.Context, r *store.DeleteRangeRequest) (*store.DeleteRangeResponse, error) {
	return do[*store.DeleteRangeResponse](m, ctx, r)
}

// Txn executes a transaction. One that writes nothing does not enter the log;
// it is linearizable, unless it is serializable.
func (m *Member) Txn(ctx context.Context, t *store.TxnRequest, serializable bool) (*store.TxnResponse, error) {
	if !store.ReadOnly(t) {
		return do[*store.TxnResponse](m, ctx, t)
	}
	if err := store.Validate(t); err != nil {
		return nil, err
	}
	if !serializable {
		if err := m.read(ctx); err != nil {
			return nil, err
		}
	}
	return m.machine.ReadTxn(t)
}

// Compact forgets history.
func (m *Member) Compact(ctx context.Context, r *store.CompactionRequest) (*store.CompactionResponse, error) {
	return do[*store.CompactionResponse](m, ctx, r)
}

// Watch watches this member's store, which may be behind the others': it then
// tells later, and leaves nothing out.
func (m *Member) Watch(r *store.WatchRequest) (*store.Watcher, error) {
	return m.machine.Watch(r)
}
