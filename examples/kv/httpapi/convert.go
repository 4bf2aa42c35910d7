package httpapi

import (
	"github.com/flagship-go/flagship/examples/kv/service"
	"github.com/flagship-go/flagship/examples/kv/store"
)

// From messages to the store's vocabulary, and back.

func (r *rangeRequest) store() *store.RangeRequest {
	return &store.RangeRequest{
		Key: r.Key, End: r.RangeEnd, Limit: r.Limit, Revision: r.Revision,
		SortOrder: store.SortOrder(r.SortOrder), SortTarget: store.SortTarget(r.SortTarget),
		KeysOnly: r.KeysOnly, CountOnly: r.CountOnly,
		MinModRevision: r.MinModRevision, MaxModRevision: r.MaxModRevision,
		MinCreateRevision: r.MinCreateRevision, MaxCreateRevision: r.MaxCreateRevision,
	}
}

func (r *putRequest) store() *store.PutRequest {
	return &store.PutRequest{Key: r.Key, Value: r.Value, Lease: r.Lease, PrevKV: r.PrevKv,
		IgnoreValue: r.IgnoreValue, IgnoreLease: r.IgnoreLease}
}

func (r *deleteRangeRequest) store() *store.DeleteRangeRequest {
	return &store.DeleteRangeRequest{Key: r.Key, End: r.RangeEnd, PrevKV: r.PrevKv}
}

func (r *txnRequest) store() *store.TxnRequest {
	t := &store.TxnRequest{Success: storeOps(r.Success), Failure: storeOps(r.Failure)}
	for i := range r.Compare {
		t.Compare = append(t.Compare, r.Compare[i].store())
	}
	return t
}

func (c *compare) store() store.Compare {
	s := store.Compare{Key: c.Key, End: c.RangeEnd, Result: store.CompareResult(c.Result),
		Target: store.CompareTarget(c.Target), Value: c.Value}
	switch s.Target {
	case store.CompareVersion:
		s.Number = c.Version
	case store.CompareCreate:
		s.Number = c.CreateRevision
	case store.CompareMod:
		s.Number = c.ModRevision
	case store.CompareLease:
		s.Number = c.Lease
	}
	return s
}

func storeOps(ops []requestOp) []store.Op {
	out := make([]store.Op, len(ops))
	for i, op := range ops {
		switch {
		case op.RequestRange != nil:
			out[i].Range = op.RequestRange.store()
		case op.RequestPut != nil:
			out[i].Put = op.RequestPut.store()
		case op.RequestDeleteRange != nil:
			out[i].DeleteRange = op.RequestDeleteRange.store()
		case op.RequestTxn != nil:
			out[i].Txn = op.RequestTxn.store()
		}
	}
	return out
}

// serializable says whether all reads of a transaction are content with what a
// member has.
func (r *txnRequest) serializable() bool {
	for _, ops := range [][]requestOp{r.Success, r.Failure} {
		for _, op := range ops {
			if op.RequestRange == nil || !op.RequestRange.Serializable {
				return false
			}
		}
	}
	return true
}

func header(h service.Header) *responseHeader {
	return &responseHeader{h.ClusterID, h.MemberID, h.Revision, h.Term}
}

func keyValueOf(kv *store.KeyValue) *keyValue {
	if kv == nil {
		return nil
	}
	return &keyValue{kv.Key, kv.CreateRevision, kv.ModRevision, kv.Version, kv.Value, kv.Lease}
}

func keyValuesOf(kvs []*store.KeyValue) []*keyValue {
	out := make([]*keyValue, len(kvs))
	for i, kv := range kvs {
		out[i] = keyValueOf(kv)
	}
	return out
}

func rangeResponseOf(r *store.RangeResponse, h *responseHeader) *rangeResponse {
	return &rangeResponse{h, keyValuesOf(r.KVs), r.More, r.Count}
}

func deleteRangeResponseOf(r *store.DeleteRangeResponse, h *responseHeader) *deleteRangeResponse {
	return &deleteRangeResponse{h, r.Deleted, keyValuesOf(r.PrevKVs)}
}

func txnResponseOf(r *store.TxnResponse, h *responseHeader) *txnResponse {
	out := &txnResponse{Header: h, Succeeded: r.Succeeded}
	for _, op := range r.Responses {
		var o responseOp
		// Within a transaction a header has the revision alone.
		switch {
		case op.Range != nil:
			o.ResponseRange = rangeResponseOf(op.Range, &responseHeader{Revision: op.Range.Revision})
		case op.Put != nil:
			o.ResponsePut = &putResponse{&responseHeader{Revision: op.Put.Revision}, keyValueOf(op.Put.PrevKV)}
		case op.DeleteRange != nil:
			o.ResponseDeleteRange = deleteRangeResponseOf(op.DeleteRange, &responseHeader{Revision: op.DeleteRange.Revision})
		case op.Txn != nil:
			o.ResponseTxn = txnResponseOf(op.Txn, &responseHeader{Revision: op.Txn.Revision})
		}
		out.Responses = append(out.Responses, o)
	}
	return out
}

func eventsOf(events []*store.Event) []event {
	out := make([]event, len(events))
	for i, e := range events {
		out[i] = event{eventType(e.Type), keyValueOf(e.KV), keyValueOf(e.PrevKV)}
	}
	return out
}

func memberOf(m service.MemberInfo) member {
	return member{m.ID, m.Name, m.PeerURLs, m.ClientURLs, m.Learner}
}

func membersOf(list []service.MemberInfo) []member {
	out := make([]member, len(list))
	for i, m := range list {
		out[i] = memberOf(m)
	}
	return out
}
