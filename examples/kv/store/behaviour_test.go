package store_test

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/flagship-go/flagship/examples/kv/store"
)

// What etcd documents, case by case. The model test covers the combinations.

func put(key, value string) *store.PutRequest {
	return &store.PutRequest{Key: []byte(key), Value: []byte(value)}
}

func putOp(key string) store.Op { return store.Op{Put: put(key, "x")} }

func deleteOp(key, end string) store.Op {
	return store.Op{DeleteRange: &store.DeleteRangeRequest{Key: []byte(key), End: []byte(end)}}
}

func txnOp(success, failure []store.Op) store.Op {
	return store.Op{Txn: &store.TxnRequest{Success: success, Failure: failure}}
}

func TestAKeyCountsItsVersionsFromItsCreation(t *testing.T) {
	l := newLog(t)
	rule(t, "revision", l.Status().Revision == 1, "an empty store is at %d", l.Status().Revision)
	for _, step := range []struct {
		do                    func(string) int64
		rev                   int64
		create, mod, versions int64
	}{
		{func(k string) int64 { return l.put(k, "x") }, 2, 2, 2, 1},
		{func(k string) int64 { return l.put(k, "x") }, 3, 2, 3, 2},
		{func(string) int64 { return l.put("other", "x") }, 4, 2, 3, 2},
		{l.delete, 5, 0, 0, 0},
		{l.delete, 5, 0, 0, 0}, // there is nothing to delete, so no revision
		{func(k string) int64 { return l.put(k, "x") }, 6, 6, 6, 1},
	} {
		rev := step.do("k")
		rule(t, "revision", rev == step.rev && l.Status().Revision == rev, "revision %d, want %d", rev, step.rev)
		r, err := l.Range(&store.RangeRequest{Key: []byte("k")})
		require.NoError(t, err)
		var kv store.KeyValue
		if len(r.KVs) > 0 {
			kv = *r.KVs[0]
		}
		rule(t, "answers", kv.CreateRevision == step.create && kv.ModRevision == step.mod && kv.Version == step.versions, "at %d: %+v", rev, kv)
	}
}

func TestRangesEndWhereEtcdSays(t *testing.T) {
	l := newLog(t)
	for _, k := range []string{"a", "a\x00", "ab", "b", "\xff", "\xffz"} {
		l.put(k, "")
	}
	for _, c := range []struct{ key, end, want string }{
		{"a", "", "a="},
		{"a", "b", "a= a\x00= ab="},
		{"a", "a", ""},
		{"b", "a", ""},
		{"ab", "\x00", "ab= b= \xff= \xffz="},
		{"\x00", "\x00", "a= a\x00= ab= b= \xff= \xffz="},
		{"a", string(store.PrefixEnd([]byte("a"))), "a= a\x00= ab="},
		{"\xff", string(store.PrefixEnd([]byte("\xff"))), "\xff= \xffz="},
		{"none", "", ""},
	} {
		r, err := l.Range(&store.RangeRequest{Key: []byte(c.key), End: []byte(c.end)})
		require.NoError(t, err)
		rule(t, "range", show(r.KVs) == c.want, "[%q, %q) is %q, want %q", c.key, c.end, show(r.KVs), c.want)
		require.EqualValues(t, len(r.KVs), r.Count)
	}
	require.Equal(t, []byte("b"), store.PrefixEnd([]byte("a\xff\xff")))
}

func TestRangesAreSortedLimitedAndCounted(t *testing.T) {
	l := newLog(t)
	l.put("a", "3") // 2
	l.put("b", "1") // 3
	l.put("c", "2") // 4
	l.put("b", "1") // 5: version 2
	l.put("d", "2") // 6
	for _, c := range []struct {
		name  string
		r     store.RangeRequest
		want  string
		more  bool
		count int64
	}{
		{"as they are", store.RangeRequest{}, "a=3 b=1 c=2 d=2", false, 4},
		{"limit", store.RangeRequest{Limit: 2}, "a=3 b=1", true, 4},
		{"limit of all", store.RangeRequest{Limit: 4}, "a=3 b=1 c=2 d=2", false, 4},
		{"negative limit", store.RangeRequest{Limit: -1}, "a=3 b=1 c=2 d=2", false, 4},
		{"descending", store.RangeRequest{SortOrder: store.SortDescend, Limit: 1}, "d=2", true, 4},
		{"by value", store.RangeRequest{SortTarget: store.SortByValue}, "b=1 c=2 d=2 a=3", false, 4},
		{"by value, descending", store.RangeRequest{SortTarget: store.SortByValue, SortOrder: store.SortDescend}, "a=3 c=2 d=2 b=1", false, 4},
		{"by version", store.RangeRequest{SortTarget: store.SortByVersion, SortOrder: store.SortDescend, Limit: 1}, "b=1", true, 4},
		{"by creation", store.RangeRequest{SortTarget: store.SortByCreate, SortOrder: store.SortDescend}, "d=2 c=2 b=1 a=3", false, 4},
		{"by change", store.RangeRequest{SortTarget: store.SortByMod, SortOrder: store.SortAscend}, "a=3 c=2 b=1 d=2", false, 4},
		{"keys only, by value", store.RangeRequest{SortTarget: store.SortByValue, KeysOnly: true}, "b= c= d= a=", false, 4},
		{"count only", store.RangeRequest{CountOnly: true, Limit: 1}, "", false, 4},
		{"changed since", store.RangeRequest{MinModRevision: 4, Limit: 2}, "b=1 c=2", true, 4},
		{"changed until", store.RangeRequest{MaxModRevision: 4}, "a=3 c=2", false, 4},
		{"created between", store.RangeRequest{MinCreateRevision: 3, MaxCreateRevision: 4}, "b=1 c=2", false, 4},
		{"in the past", store.RangeRequest{Revision: 3}, "a=3 b=1", false, 2},
	} {
		c.r.Key, c.r.End = []byte("a"), []byte("z")
		got, err := l.Range(&c.r)
		require.NoError(t, err)
		rule(t, "range", show(got.KVs) == c.want && got.More == c.more && got.Count == c.count && got.Revision == 6,
			"%s: %s more %v count %d revision %d, want %s %v %d", c.name, show(got.KVs), got.More, got.Count, got.Revision, c.want, c.more, c.count)
	}
	// Only the copies that were returned have lost their values.
	rule(t, "range", l.all(0) == "a=3 b=1 c=2 d=2", "%s after a range of keys only", l.all(0))
}

func TestCompactionKeepsWhatItsRevisionSees(t *testing.T) {
	l := newLog(t)
	l.put("a", "1") // 2
	l.put("a", "2") // 3
	l.put("b", "1") // 4
	l.delete("b")   // 5
	l.put("a", "3") // 6
	l.delete("a")   // 7
	before := map[int64]string{}
	for rev := int64(2); rev <= 7; rev++ {
		before[rev] = l.all(rev)
	}
	for _, c := range []struct {
		rev int64
		err error
	}{{8, store.ErrFutureRev}, {5, nil}, {5, store.ErrCompacted}, {4, store.ErrCompacted}, {0, store.ErrCompacted}, {6, nil}, {7, nil}} {
		_, err := l.try(&store.CompactionRequest{Revision: c.rev})
		rule(t, "compaction", err == c.err, "at %d: %v, want %v", c.rev, err, c.err)
		for rev := l.Status().CompactRevision; rev <= 7; rev++ {
			rule(t, "compaction", l.all(rev) == before[rev], "revision %d is %q after compaction, was %q", rev, l.all(rev), before[rev])
		}
		if below := l.Status().CompactRevision - 1; below > 0 {
			_, err = l.Range(&store.RangeRequest{Key: []byte("a"), Revision: below})
			rule(t, "compaction", err == store.ErrCompacted, "a read below: %v", err)
		}
	}
	require.EqualValues(t, 256+1, l.Status().SizeInUse, "the deletion at 7 is all that is left")
	l.put("b", "x")
	l.compact(8)
	require.EqualValues(t, 256+2, l.Status().SizeInUse)
}

func TestPutKeepsWhatItIsToldTo(t *testing.T) {
	l := newLog(t)
	l.do(&store.LeaseGrantRequest{ID: 7, TTL: 10})
	_, err := l.try(&store.PutRequest{Key: []byte("k"), IgnoreValue: true})
	rule(t, "answers", err == store.ErrKeyNotFound, "%v", err)
	_, err = l.try(&store.PutRequest{Key: []byte("k"), IgnoreLease: true})
	rule(t, "answers", err == store.ErrKeyNotFound, "%v", err)
	_, err = l.try(&store.PutRequest{Key: []byte("k"), Lease: 8})
	rule(t, "answers", err == store.ErrLeaseNotFound, "%v", err)
	rule(t, "revision", l.Status().Revision == 1, "a refused put makes a revision")
	l.do(&store.PutRequest{Key: []byte("k"), Value: []byte("v"), Lease: 7})
	l.do(&store.PutRequest{Key: []byte("k"), IgnoreValue: true, IgnoreLease: true})
	r := l.do(&store.PutRequest{Key: []byte("k"), Value: []byte("w"), PrevKV: true}).(*store.PutResponse)
	rule(t, "answers", string(r.PrevKV.Value) == "v" && r.PrevKV.Lease == 7 && r.PrevKV.Version == 2, "%+v", r.PrevKV)
	_, keys, _ := l.Lease(7, true)
	rule(t, "leases", len(keys) == 0, "a put without the lease leaves the key attached to it: %q", keys)
}

func TestTransactionsAreAllOrNothing(t *testing.T) {
	l := newLog(t)
	l.put("a", "1")
	for i, bad := range []store.Op{
		{Range: &store.RangeRequest{Key: []byte("a"), Revision: 9}},
		{Put: &store.PutRequest{Key: []byte("z"), Lease: 9}},
		{Put: &store.PutRequest{Key: []byte("z"), IgnoreValue: true}},
	} {
		for _, op := range []store.Op{bad, txnOp([]store.Op{bad}, nil)} {
			_, err := l.try(&store.TxnRequest{Success: []store.Op{putOp("b"), deleteOp("a", ""), op}})
			require.Error(t, err, "operation %d", i)
			rule(t, "txn-atomic", l.all(0) == "a=1" && l.Status().Revision == 2, "operation %d: refused, and left %s", i, l.all(0))
		}
	}
	// What is wrong in the branch not taken does not matter.
	l.do(&store.TxnRequest{Success: []store.Op{putOp("b")}, Failure: []store.Op{{Put: &store.PutRequest{Key: []byte("z"), Lease: 9}}}})
}

func TestTransactionsShareOneRevisionAndReadTheirWrites(t *testing.T) {
	l := newLog(t)
	l.put("a", "old")
	r := l.do(&store.TxnRequest{
		Compare: []store.Compare{{Key: []byte("a"), Target: store.CompareValue, Value: []byte("old")}},
		Success: []store.Op{
			{Range: &store.RangeRequest{Key: []byte("a")}},
			{Put: put("a", "new")},
			{Range: &store.RangeRequest{Key: []byte("a")}},
			{Range: &store.RangeRequest{Key: []byte("a"), Revision: 2}},
			// The compare of a nested transaction sees the state before.
			{Txn: &store.TxnRequest{
				Compare: []store.Compare{{Key: []byte("a"), Target: store.CompareValue, Value: []byte("old")}},
				Success: []store.Op{putOp("then")}, Failure: []store.Op{putOp("else")},
			}},
		},
	}).(*store.TxnResponse)
	out := r.Responses
	rule(t, "txn-reads", show(out[0].Range.KVs) == "a=old" && out[0].Range.Revision == 2, "first %s at %d", show(out[0].Range.KVs), out[0].Range.Revision)
	rule(t, "txn-reads", show(out[2].Range.KVs) == "a=new" && out[2].Range.Revision == 3, "then %s at %d", show(out[2].Range.KVs), out[2].Range.Revision)
	rule(t, "txn-reads", show(out[3].Range.KVs) == "a=old", "as of 2 %s", show(out[3].Range.KVs))
	rule(t, "txn-compares-before", out[4].Txn.Succeeded, "a nested compare sees what the transaction wrote")
	rule(t, "revision", r.Revision == 3 && l.Status().Revision == 3, "revision %d", r.Revision)
	rule(t, "txn-reads", l.all(0) == "a=new then=x", "%s", l.all(0))
}

func TestComparesOfMissingKeys(t *testing.T) {
	l := newLog(t)
	l.put("a", "")
	for _, c := range []struct {
		c     store.Compare
		holds bool
	}{
		{store.Compare{Target: store.CompareVersion, Result: store.Equal, Number: 0}, true},
		{store.Compare{Target: store.CompareCreate, Result: store.Less, Number: 1}, true},
		{store.Compare{Target: store.CompareMod, Result: store.NotEqual, Number: 0}, false},
		{store.Compare{Target: store.CompareLease, Result: store.Equal}, true},
		{store.Compare{Target: store.CompareValue, Result: store.Equal}, false},
		{store.Compare{Target: store.CompareValue, Result: store.NotEqual, Value: []byte("x")}, false},
		{store.Compare{Target: store.CompareValue, Result: store.Equal, Key: []byte("a")}, true},
		{store.Compare{Target: store.CompareCreate, Result: store.Greater, Key: []byte("a"), End: []byte{0}}, true},
	} {
		if c.c.Key == nil {
			c.c.Key = []byte("missing")
		}
		r, err := l.ReadTxn(&store.TxnRequest{Compare: []store.Compare{c.c}})
		require.NoError(t, err)
		rule(t, "answers", r.Succeeded == c.holds, "%+v is %v", c.c, r.Succeeded)
	}
}

func TestReadTxnWritesNothing(t *testing.T) {
	l := newLog(t)
	l.put("a", "1")
	r, err := l.ReadTxn(&store.TxnRequest{Success: []store.Op{
		{Range: &store.RangeRequest{Key: []byte("a")}}, txnOp([]store.Op{{Range: &store.RangeRequest{Key: []byte("a"), Revision: 1}}}, nil),
	}})
	require.NoError(t, err)
	require.Equal(t, "a=1", show(r.Responses[0].Range.KVs))
	require.Empty(t, r.Responses[1].Txn.Responses[0].Range.KVs)
	require.EqualValues(t, 2, r.Revision)
	_, err = l.ReadTxn(&store.TxnRequest{Failure: []store.Op{txnOp(nil, []store.Op{putOp("a")})}})
	require.ErrorIs(t, err, store.ErrInvalidCommand)
	_, err = l.ReadTxn(&store.TxnRequest{Success: []store.Op{{Range: &store.RangeRequest{Key: []byte("a"), Revision: 9}}}})
	require.Equal(t, store.ErrFutureRev, err)
}

func TestWhatNoStateWouldAccept(t *testing.T) {
	ops := func(n int) (l []store.Op) {
		for i := range n {
			l = append(l, putOp(fmt.Sprint(i)))
		}
		return l
	}
	nest := func(depth int) *store.TxnRequest {
		op := putOp("deep")
		for range depth {
			op = txnOp([]store.Op{op}, nil)
		}
		return op.Txn
	}
	then := func(l ...store.Op) *store.TxnRequest { return &store.TxnRequest{Success: l} }
	for _, c := range []struct {
		name string
		cmd  store.Command
		err  error
	}{
		{"no key", put("", "x"), store.ErrEmptyKey},
		{"no key to delete", &store.DeleteRangeRequest{End: []byte("b")}, store.ErrEmptyKey},
		{"no key to compare", &store.TxnRequest{Compare: []store.Compare{{}}}, store.ErrEmptyKey},
		{"no key to read", then(store.Op{Range: &store.RangeRequest{}}), store.ErrEmptyKey},
		{"value to ignore", &store.PutRequest{Key: []byte("a"), Value: []byte("x"), IgnoreValue: true}, store.ErrValueProvided},
		{"lease to ignore", &store.PutRequest{Key: []byte("a"), Lease: 1, IgnoreLease: true}, store.ErrLeaseProvided},
		{"empty operation", then(store.Op{}), store.ErrKeyNotFound},
		{"two in one", then(store.Op{Put: put("a", ""), DeleteRange: &store.DeleteRangeRequest{Key: []byte("b")}}), store.ErrKeyNotFound},
		{"sort", then(store.Op{Range: &store.RangeRequest{Key: []byte("a"), SortTarget: 9}}), store.ErrInvalidSort},
		{"128 operations", then(ops(128)...), nil},
		{"129 operations", then(ops(129)...), store.ErrTooManyOps},
		{"129 in else", &store.TxnRequest{Failure: ops(129)}, store.ErrTooManyOps},
		{"128 deep", nest(128), nil},
		{"129 deep", nest(129), store.ErrTooManyOps},
		{"many in many", then(append(ops(100), txnOp(ops(29), nil))...), store.ErrTooManyOps},
		{"put twice", then(putOp("a"), putOp("a")), store.ErrDuplicateKey},
		{"put in both branches", &store.TxnRequest{Success: []store.Op{putOp("a")}, Failure: []store.Op{putOp("a")}}, nil},
		{"put and delete", then(putOp("b"), deleteOp("a", "c")), store.ErrDuplicateKey},
		{"put at the end of a deletion", then(putOp("c"), deleteOp("a", "c")), nil},
		{"put after open deletion", then(deleteOp("a", "\x00"), putOp("z")), store.ErrDuplicateKey},
		{"put before open deletion", then(deleteOp("b", "\x00"), putOp("a")), nil},
		{"deletions joined", then(deleteOp("a", "c"), deleteOp("b", "e"), deleteOp("x", ""), putOp("d")), store.ErrDuplicateKey},
		{"inverted deletion", then(deleteOp("c", "a"), putOp("b")), nil},
		{"two deletions", then(deleteOp("a", ""), deleteOp("a", "")), nil},
		{"put above and below", then(putOp("a"), txnOp([]store.Op{putOp("a")}, nil)), store.ErrDuplicateKey},
		{"put in both nested branches", then(txnOp([]store.Op{putOp("a")}, []store.Op{putOp("a")})), nil},
		{"put in two nested", then(txnOp([]store.Op{putOp("a")}, nil), txnOp(nil, []store.Op{putOp("a")})), store.ErrDuplicateKey},
		{"put here, deleted below", then(putOp("a"), txnOp(nil, []store.Op{deleteOp("a", "")})), store.ErrDuplicateKey},
		{"deleted below, put below", then(txnOp([]store.Op{deleteOp("a", "")}, nil), txnOp([]store.Op{putOp("a")}, nil)), store.ErrDuplicateKey},
		{"ttl", &store.LeaseGrantRequest{ID: 1, TTL: store.MaxLeaseTTL + 1}, store.ErrLeaseTTLTooLarge},
		{"alarm", &store.AlarmRequest{Action: 3}, store.ErrInvalidCommand},
		{"compare", &store.TxnRequest{Compare: []store.Compare{{Key: []byte("a"), Target: 9}}}, store.ErrInvalidCommand},
	} {
		err := store.Validate(c.cmd)
		rule(t, "validate", err == c.err, "%s: %v, want %v", c.name, err, c.err)
		_, err = newLog(t).try(c.cmd)
		rule(t, "validate", err == c.err, "%s: Apply says %v, want %v", c.name, err, c.err)
	}
}

// TestManyOverlapsAreFoundQuickly: nested transactions multiply operations,
// and a test of each put against each deletion would take minutes.
func TestManyOverlapsAreFoundQuickly(t *testing.T) {
	n := 0
	var level func(ops int) store.Op
	level = func(ops int) store.Op {
		var txn store.TxnRequest
		for i := range ops {
			n++
			switch {
			case ops > 20:
				txn.Success = append(txn.Success, level(ops/2))
			case i%2 == 0:
				txn.Success = append(txn.Success, putOp(fmt.Sprintf("p%d", n)))
			default:
				txn.Success = append(txn.Success, deleteOp(fmt.Sprintf("d%d", n), ""))
			}
		}
		return store.Op{Txn: &txn}
	}
	require.NoError(t, store.Validate(level(64).Txn))
	require.Greater(t, n, 30_000)
}

// More keys than are looked for at once are deleted under one revision, each once.
func TestADeletionOfManyKeysIsOne(t *testing.T) {
	l := newLog(t)
	for i := range 2000 {
		l.put(fmt.Sprintf("k%05d", i), "x")
	}
	l.put("l", "stays")
	rev := l.Status().Revision
	r := l.do(&store.DeleteRangeRequest{Key: []byte("k"), End: []byte("l"), PrevKV: true}).(*store.DeleteRangeResponse)
	rule(t, "range", r.Deleted == 2000 && len(r.PrevKVs) == 2000 && r.Revision == rev+1, "%d of 2000 deleted at %d", r.Deleted, r.Revision)
	for i, kv := range r.PrevKVs {
		require.Equal(t, fmt.Sprintf("k%05d", i), string(kv.Key))
	}
	require.Equal(t, "l=stays", l.all(0))
	require.EqualValues(t, rev+1, l.Status().Revision)
}
