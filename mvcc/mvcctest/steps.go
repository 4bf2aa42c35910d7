// The words of a story, done on the store.

package mvcctest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"iter"
	"strconv"
	"strings"

	"github.com/flagship-go/flagship/mvcc"
	"github.com/flagship-go/flagship/mvcc/history"
)

// notThere reports a claim without the method.
func notThere(claim string) error {
	return fmt.Errorf("the mode claims %s, and the method is not there", claim)
}

// step is one step of a transaction, on the store.
func (p *player) step(a *actor, verb string, args []string) result {
	ctx, t := context.Background(), a.txn
	switch verb {
	case "get":
		return p.get(t, args[0])
	case "scan", "rscan":
		return p.scan(t, verb == "rscan", args)
	case "put", "insert":
		put, ok := t.Put, true
		if verb == "insert" {
			var i Inserter
			if i, ok = t.(Inserter); ok {
				put = i.Insert
			}
		}
		if !ok {
			return result{err: notThere("Insert")}
		}
		r := result{out: "ok", err: put([]byte(args[0]), []byte(args[1]))}
		if v, err := strconv.Atoi(args[1]); err == nil && r.err == nil {
			r.ops = []history.Op{{Kind: history.Write, Key: p.key(args[0]), Value: v}}
		}
		return r
	case "del":
		p.unjudged = true
		return result{out: "ok", err: t.Delete([]byte(args[0]))}
	case "lock":
		return p.lock(t, args)
	case "save":
		s, ok := t.(Savepointer)
		if !ok {
			return result{err: notThere("Savepoints")}
		}
		a.back = s.Savepoint()
		return result{out: "ok"}
	case "back":
		p.unjudged = true
		return result{out: "ok", err: a.back()}
	case "commit":
		return result{out: "ok", err: t.Commit(ctx)}
	case "rollback":
		return result{out: "ok", err: t.Rollback(ctx)}
	}
	return result{err: fmt.Errorf("there is no word %q", verb)}
}

func (p *player) get(t Txn, key string) result {
	v, err := t.Get(context.Background(), []byte(key))
	if errors.Is(err, ErrNotFound) {
		v, err = []byte("-"), nil
	}
	n, _ := strconv.Atoi(string(v))
	return result{out: string(v), err: err, ops: []history.Op{{Kind: history.Read, Key: p.key(key), Value: max(n, 0)}}}
}

func (p *player) scan(t Txn, reverse bool, args []string) (r result) {
	var lo, hi []byte
	if len(args) > 0 {
		lo, hi = []byte(args[0]), []byte(args[1])
	}
	found := map[string]int{}
	var out []string
	rows := t.Scan(context.Background(), lo, hi)
	if reverse {
		rev, ok := t.(Reverser)
		if !ok {
			return result{err: notThere("Reverse")}
		}
		rows = rev.ScanReverse(context.Background(), lo, hi)
	}
	for kv, err := range rows {
		if err != nil {
			return result{err: err}
		}
		out = append(out, string(kv.Key)+"="+string(kv.Value))
		found[string(kv.Key)], _ = strconv.Atoi(string(kv.Value))
	}
	for i, k := range p.keys {
		if (lo == nil || k >= string(lo)) && (hi == nil || k < string(hi)) {
			r.ops = append(r.ops, history.Op{Kind: history.Read, Scan: true, Key: i, Value: max(found[k], 0)})
		}
	}
	if r.out = strings.Join(out, " "); r.out == "" {
		r.out = "-"
	}
	return r
}

func (p *player) lock(t Txn, keys []string) (r result) {
	l, ok := t.(Locker)
	if !ok {
		return result{err: notThere("Locks")}
	}
	var bs [][]byte
	for _, k := range keys {
		bs = append(bs, []byte(k))
	}
	values, err := l.GetForUpdate(context.Background(), bs...)
	if err != nil {
		return result{err: err}
	}
	var out []string
	for i, v := range values {
		n, _ := strconv.Atoi(string(v))
		if v == nil {
			v = []byte("-")
		}
		out = append(out, string(v))
		r.ops = append(r.ops, history.Op{Kind: history.Read, Key: p.key(keys[i]), Value: n})
	}
	r.out = strings.Join(out, " ")
	return r
}

// describe names an error, and with whom a conflict is.
func describe(err error, verbose bool) string {
	var c *mvcc.ConflictError
	switch {
	case errors.Is(err, ErrUnknown):
		return "unknown"
	case verbose && errors.As(err, &c):
		return fmt.Sprintf("conflict: %s %v", c.Key, c.Reason)
	}
	for _, known := range []struct {
		name string
		is   error
	}{
		{"conflict", ErrConflict}, {"deadlock", ErrDeadlock}, {"exists", ErrExists}, {"locked", mvcc.ErrLocked},
		{"rolled back", mvcc.ErrRolledBack}, {"too old", mvcc.ErrTooOld}, {"over", mvcc.ErrDone}, {"only reads", mvcc.ErrReadOnly},
		{"from the future", mvcc.ErrFuture},
	} {
		if errors.Is(err, known.is) {
			return known.name
		}
	}
	return "error: " + err.Error()
}

// collect reads a range, for rules in code.
func collect(rows iter.Seq2[KV, error]) (keys, values [][]byte, err error) {
	for kv, err := range rows {
		if err != nil {
			return nil, nil, err
		}
		keys, values = append(keys, kv.Key), append(values, bytes.Clone(kv.Value))
	}
	return keys, values, nil
}
