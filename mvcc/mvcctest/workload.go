package mvcctest

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"

	"github.com/flagship-go/flagship/mvcc/history"
)

// Workloads lists the names of the workloads: what transactions do, made up by a seed.
//
//	bank         money goes from one account to another, and somebody adds all up
//	write-skew   reads two registers of a pair, writes one
//	long-fork    writes one register, or reads some, in any order
//	phantom      scans a range, and writes a key in it
//	list-append  reads lists, and appends to them
//	registers    reads, scans and writes registers
func Workloads() []string {
	return []string{"bank", "write-skew", "long-fork", "phantom", "list-append", "registers"}
}

// workload makes up transactions. What is written to a key is never the same twice.
type workload struct {
	name string
	keys [][]byte
	last []int // written, of each key
}

// balance is what an account has at first.
const balance = 100

func newWorkload(name string) *workload {
	keys := map[string]int{"bank": 6, "write-skew": 8, "long-fork": 6, "phantom": 12, "list-append": 6, "registers": 6}[name]
	if keys == 0 {
		panic("mvcctest: there is no workload " + name)
	}
	w := &workload{name: name, last: make([]int, keys)}
	for i := range keys {
		w.keys = append(w.keys, []byte(w.keyName(i)))
	}
	return w
}

func (w *workload) keyName(k int) string { return fmt.Sprintf("k%02d", k) }

// operation is one of a transaction's. A scan reads key <= k < end.
type operation struct {
	kind history.Kind
	scan bool
	key  int
	end  int
}

// program is what a transaction is to do. A transfer moves amount from the first of its keys
// to the second, if there is as much.
type program struct {
	ops      []operation
	transfer int
}

func (p *program) readOnly() bool {
	for _, o := range p.ops {
		if o.kind != history.Read {
			return false
		}
	}
	return p.transfer == 0
}

func (p *program) scans() bool {
	for _, o := range p.ops {
		if o.scan {
			return true
		}
	}
	return false
}

// next makes up a transaction.
func (w *workload) next(r *rand.Rand) (p program) {
	n := len(w.keys)
	read := func(k int) { p.ops = append(p.ops, operation{kind: history.Read, key: k}) }
	change := func(kind history.Kind, k int) { p.ops = append(p.ops, operation{kind: kind, key: k}) }
	scan := func(k, end int) { p.ops = append(p.ops, operation{scan: true, key: k, end: end}) }
	switch w.name {
	case "bank":
		if r.IntN(4) == 0 {
			scan(0, n)
			break
		}
		from := r.IntN(n)
		read(from)
		read((from + 1 + r.IntN(n-1)) % n)
		p.transfer = 1 + r.IntN(20)
	case "write-skew":
		k := r.IntN(n)
		read(k)
		read(k ^ 1)
		change(history.Write, k)
	case "long-fork":
		if r.IntN(2) == 0 {
			change(history.Write, r.IntN(n))
			break
		}
		for _, k := range r.Perm(n)[:2+r.IntN(n-2)] {
			read(k)
		}
	case "phantom":
		lo := r.IntN(3) * n / 3
		scan(lo, lo+n/3)
		change(history.Write, lo+r.IntN(n/3))
	case "list-append", "registers":
		kind := history.Write
		if w.name == "list-append" {
			kind = history.Append
		}
		for range 1 + r.IntN(5) {
			switch k := r.IntN(n); r.IntN(10) {
			case 0:
				scan(k, k+1+r.IntN(n-k))
			case 1, 2, 3, 4:
				read(k)
			default:
				change(kind, k)
			}
		}
	}
	return p
}

// run does the operations of a program, and notes what came of them. pause is called before
// each.
func (w *workload) run(ctx context.Context, t Txn, p *program, rec *history.Txn, pause func()) error {
	found := map[int]int{}
	for _, o := range p.ops {
		pause()
		var err error
		switch {
		case o.scan:
			err = w.scan(ctx, t, o, rec)
		case o.kind == history.Read:
			var op history.Op
			op, err = w.read(ctx, t, o.key)
			found[o.key] = op.Value
			rec.Ops = append(rec.Ops, op)
		default:
			err = w.change(ctx, t, o, rec)
		}
		if err != nil {
			return err
		}
	}
	if p.transfer == 0 {
		return nil
	}
	from, to := p.ops[0].key, p.ops[1].key
	if found[from] < p.transfer {
		return nil
	}
	pause()
	return errors.Join(
		t.Put(w.keys[from], strconv.AppendInt(nil, int64(found[from]-p.transfer), 10)),
		t.Put(w.keys[to], strconv.AppendInt(nil, int64(found[to]+p.transfer), 10)))
}

func (w *workload) read(ctx context.Context, t Txn, k int) (history.Op, error) {
	v, err := t.Get(ctx, w.keys[k])
	if errors.Is(err, ErrNotFound) {
		v, err = nil, nil
	}
	if err != nil {
		return history.Op{Key: k}, err
	}
	return w.parse(k, v)
}

// parse makes a read of what was found.
func (w *workload) parse(k int, v []byte) (op history.Op, err error) {
	op.Key = k
	if len(v) == 0 {
		return op, nil
	}
	if w.name != "list-append" {
		op.Value, err = strconv.Atoi(string(v))
		return op, err
	}
	for s := range strings.SplitSeq(string(v), ",") {
		n, err := strconv.Atoi(s)
		if err != nil {
			return op, err
		}
		op.List = append(op.List, n)
	}
	return op, nil
}

func (w *workload) scan(ctx context.Context, t Txn, o operation, rec *history.Txn) error {
	var end []byte
	if o.end < len(w.keys) {
		end = w.keys[o.end]
	}
	k := o.key
	missing := func(until int) {
		for ; k < until; k++ {
			rec.Ops = append(rec.Ops, history.Op{Scan: true, Key: k})
		}
	}
	for kv, err := range t.Scan(ctx, w.keys[o.key], end) {
		if err != nil {
			return err
		}
		at, err := strconv.Atoi(strings.TrimPrefix(string(kv.Key), "k"))
		if err != nil || at < k || at >= o.end {
			return fmt.Errorf("a scan from %s to below %s finds key %q behind %s", w.keyName(o.key), w.keyName(o.end), kv.Key, w.keyName(k))
		}
		missing(at)
		op, err := w.parse(at, kv.Value)
		if err != nil {
			return err
		}
		op.Scan = true
		rec.Ops = append(rec.Ops, op)
		k = at + 1
	}
	missing(o.end)
	return nil
}

// change writes a new value, or appends it to what is there.
func (w *workload) change(ctx context.Context, t Txn, o operation, rec *history.Txn) error {
	w.last[o.key]++
	v := w.last[o.key]
	var list []byte
	if o.kind == history.Append {
		var err error
		if list, err = t.Get(ctx, w.keys[o.key]); err != nil && !errors.Is(err, ErrNotFound) {
			return err
		}
		if len(list) > 0 {
			list = append(list, ',')
		}
	}
	rec.Ops = append(rec.Ops, history.Op{Kind: o.kind, Key: o.key, Value: v})
	return t.Put(w.keys[o.key], strconv.AppendInt(list, int64(v), 10))
}

// setUp is the first transaction.
func (w *workload) setUp(t Txn) error {
	if w.name != "bank" {
		return nil
	}
	for _, k := range w.keys {
		if err := t.Put(k, fmt.Append(nil, balance)); err != nil {
			return err
		}
	}
	return nil
}

// judge says what a history shows that a mode forbids.
func (w *workload) judge(h *history.History, m Mode) error {
	h.KeyName = w.keyName
	if w.name != "bank" {
		return m.judge(h)
	}
	b := history.Bank{Total: balance * len(w.keys)}
	for k := range w.keys {
		b.Accounts = append(b.Accounts, k)
	}
	if found, _ := b.Check(h); len(found) > 0 {
		return &Broken{found[0]}
	}
	return nil
}
