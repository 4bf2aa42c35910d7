package store_test

import (
	"bytes"
	"fmt"
	"io"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/flagship-go/flagship/examples/kv/store"
	"github.com/flagship-go/flagship/examples/kv/store/model"
	"github.com/flagship-go/flagship/examples/kv/store/ondisk"
	"github.com/flagship-go/flagship/lsm/lsmtest"
	"github.com/flagship-go/flagship/raft"
)

var _ raft.StateMachine = (*store.Store)(nil)

// rule fails the test in the name of a rule of the package's essay, in the form
// that internal/killmatrix looks for.
func rule(t testing.TB, name string, ok bool, format string, args ...any) {
	t.Helper()
	if !ok {
		t.Fatalf("RULE %s: %s", name, fmt.Sprintf(format, args...))
	}
}

// log drives a store as raft would: numbered commands, encoded.
type log struct {
	t testing.TB
	*store.Store
	index   uint64
	machine *ondisk.Machine // nil: in memory
}

// newLog returns one on the storage that -storage names.
func newLog(t testing.TB) *log {
	if *storage != "lsm" {
		return &log{t: t, Store: store.New(store.Options{})}
	}
	d := openDir(t, lsmtest.NewMemFS())
	t.Cleanup(d.Close)
	m := d.Machine()
	return &log{t: t, Store: m.Store, machine: m}
}

func (l *log) try(c store.Command) (store.Response, error) {
	l.t.Helper()
	l.index++
	return store.DecodeResult(l.Apply(l.index, store.EncodeCommand(c)))
}

// Restore goes on behind what is restored, as raft's log does.
func (l *log) Restore(r io.Reader) error {
	restore := l.Store.Restore
	if l.machine != nil {
		restore = l.machine.Restore
	}
	err := restore(r)
	l.index = max(l.index, l.Status().Index)
	return err
}

// do executes a command that must be accepted.
func (l *log) do(c store.Command) store.Response {
	l.t.Helper()
	r, err := l.try(c)
	require.NoError(l.t, err, "%T%+v", c, c)
	return r
}

func (l *log) put(key, value string) int64 {
	l.t.Helper()
	return l.do(&store.PutRequest{Key: []byte(key), Value: []byte(value)}).(*store.PutResponse).Revision
}

func (l *log) delete(key string) int64 {
	l.t.Helper()
	return l.do(&store.DeleteRangeRequest{Key: []byte(key)}).(*store.DeleteRangeResponse).Revision
}

func (l *log) compact(rev int64) {
	l.t.Helper()
	l.do(&store.CompactionRequest{Revision: rev})
}

// all prints what a range of all keys returns, as "a=1 b=2".
func (l *log) all(rev int64) string {
	l.t.Helper()
	r, err := l.Range(&store.RangeRequest{Key: []byte{0}, End: []byte{0}, Revision: rev})
	require.NoError(l.t, err)
	return show(r.KVs)
}

func show(kvs []*store.KeyValue) string {
	var b bytes.Buffer
	for i, kv := range kvs {
		if i > 0 {
			b.WriteByte(' ')
		}
		fmt.Fprintf(&b, "%s=%s", kv.Key, kv.Value)
	}
	return b.String()
}

func (l *log) snapshot() []byte {
	l.t.Helper()
	w := l.Freeze()
	defer w.Close()
	var b bytes.Buffer
	n, err := w.WriteTo(&b)
	require.NoError(l.t, err)
	require.EqualValues(l.t, b.Len(), n)
	return b.Bytes()
}

// ahead is a snapshot of the same, one command later: a state on a disk stays
// what it is when it is as new as what is restored.
func (l *log) ahead() []byte {
	l.t.Helper()
	other := newTwin(l.t)
	require.NoError(l.t, other.Restore(bytes.NewReader(l.snapshot())))
	other.do(&store.AlarmRequest{})
	return other.snapshot()
}

func same(t testing.TB, name string, want, got any, format string, args ...any) {
	t.Helper()
	if !model.Same(want, got) {
		t.Fatalf("RULE %s: %s\nwant %s\ngot  %s", name, fmt.Sprintf(format, args...), dump(want), dump(got))
	}
}

// dump follows pointers.
func dump(v any) string {
	switch v := v.(type) {
	case *store.RangeResponse:
		s := fmt.Sprintf("revision %d count %d more %v:", v.Revision, v.Count, v.More)
		for _, kv := range v.KVs {
			s += " " + dump(kv)
		}
		return s
	case *store.PutResponse:
		return fmt.Sprintf("revision %d prev %s", v.Revision, dump(v.PrevKV))
	case *store.DeleteRangeResponse:
		s := fmt.Sprintf("revision %d deleted %d:", v.Revision, v.Deleted)
		for _, kv := range v.PrevKVs {
			s += " " + dump(kv)
		}
		return s
	case *store.TxnResponse:
		s := fmt.Sprintf("revision %d succeeded %v:", v.Revision, v.Succeeded)
		for _, r := range v.Responses {
			switch {
			case r.Range != nil:
				s += " [" + dump(r.Range) + "]"
			case r.Put != nil:
				s += " [" + dump(r.Put) + "]"
			case r.DeleteRange != nil:
				s += " [" + dump(r.DeleteRange) + "]"
			case r.Txn != nil:
				s += " [" + dump(r.Txn) + "]"
			}
		}
		return s
	case *store.KeyValue:
		if v == nil {
			return "none"
		}
		return fmt.Sprintf("%q=%q(create %d mod %d version %d lease %d)", v.Key, v.Value, v.CreateRevision, v.ModRevision, v.Version, v.Lease)
	case []store.Event:
		var s string
		for _, e := range v {
			s += fmt.Sprintf("\n  %d %s prev %s", e.Type, dump(e.KV), dump(e.PrevKV))
		}
		return s
	}
	return fmt.Sprintf("%+v", v)
}
