package history

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// show writes a history as Parse reads it, for messages.
func show(h *History) string {
	var b strings.Builder
	for t := range h.Txns {
		txn := &h.Txns[t]
		var parts []string
		for i := range txn.Ops {
			parts = append(parts, h.describe(&txn.Ops[i], txn.Ops[i].List != nil))
		}
		fmt.Fprintf(&b, "%v %d-%d: %s\n", txn.Status, txn.Start, txn.End, strings.Join(parts, "; "))
	}
	return b.String()
}

// store is a state that a transaction can be run on; keys below 100 are lists.
type store struct {
	lists     map[int][]int
	registers map[int]int
}

func newStore() *store { return &store{map[int][]int{}, map[int]int{}} }

func (s *store) clone() *store {
	out := newStore()
	for k, v := range s.lists {
		out.lists[k] = slices.Clone(v)
	}
	for k, v := range s.registers {
		out.registers[k] = v
	}
	return out
}

// do runs an operation, and fills in what a read finds.
func (s *store) do(op *Op) {
	switch {
	case op.Kind == Append:
		s.lists[op.Key] = append(slices.Clip(s.lists[op.Key]), op.Value)
	case op.Kind == Write:
		s.registers[op.Key] = op.Value
	case op.Key < 100:
		op.List = append([]int{}, s.lists[op.Key]...)
	default:
		op.Value = s.registers[op.Key]
	}
}

// draft draws the operations of a transaction; values count up.
func draft(rng *rand.Rand, keys int, value *int) (ops []Op) {
	for range 1 + rng.IntN(4) {
		op := Op{Key: rng.IntN(keys) + 100*rng.IntN(2), Scan: rng.IntN(8) == 0}
		if rng.IntN(2) == 0 {
			*value++
			op = Op{Key: op.Key, Value: *value, Kind: Append}
			if op.Key >= 100 {
				op.Kind = Write
			}
		}
		ops = append(ops, op)
	}
	return ops
}

// serial is a history of transactions that ran one after another, each somewhere between
// its Start and End. Some fail, and of some nobody knows.
func serial(rng *rand.Rand, n, keys int) *History {
	h, s, value := &History{}, newStore(), 0
	for i := range n {
		t := Txn{Ops: draft(rng, keys, &value), Start: 10*i - rng.IntN(40), End: 10*i + 5 + rng.IntN(40)}
		after := s.clone()
		for j := range t.Ops {
			after.do(&t.Ops[j])
		}
		committed := true
		switch rng.IntN(10) {
		case 0:
			t.Status, committed = Failed, false
		case 1:
			t.Status, committed = Unknown, rng.IntN(2) == 0
			for j := range t.Ops { // what it read is nobody's business
				if t.Ops[j].Kind == Read && t.Ops[j].Key >= 100 {
					t.Ops[j].Value = 0
				}
			}
		}
		if committed {
			s = after
		}
		h.Txns = append(h.Txns, t)
	}
	return h
}

func TestWhatRanOneAfterAnotherIsNeverFlagged(t *testing.T) {
	for seed := range uint64(400) {
		rng := rand.New(rand.NewPCG(seed, 1))
		h := serial(rng, 2+rng.IntN(60), 1+rng.IntN(6))
		rng.Shuffle(len(h.Txns), func(i, j int) { h.Txns[i], h.Txns[j] = h.Txns[j], h.Txns[i] })
		for _, real := range []bool{false, true} {
			r, err := Check(h, &Options{RealTime: real})
			require.NoError(t, err)
			for _, a := range r.Anomalies {
				require.Fail(t, "a serial history is flagged", "RULE sound: seed %d: %s\n%s", seed, a.Text, show(h))
			}
		}
	}
}

// snapshots is a history of a store with snapshot isolation: each transaction reads as of
// when it began, and fails if a key that it writes was written since.
func snapshots(rng *rand.Rand, n, keys int) *History {
	h, value := &History{}, 0
	type running struct {
		txn   int
		began int // version
		state *store
	}
	states := []*store{newStore()}
	written := map[int]int{} // by version
	var now []running
	event := 0
	for len(h.Txns) < n || len(now) > 0 {
		event++
		if len(h.Txns) < n && (len(now) == 0 || len(now) < 4 && rng.IntN(2) == 0) {
			h.Txns = append(h.Txns, Txn{Ops: draft(rng, keys, &value), Start: event})
			now = append(now, running{len(h.Txns) - 1, len(states) - 1, states[len(states)-1].clone()})
			continue
		}
		i := rng.IntN(len(now))
		r := now[i]
		now = slices.Delete(now, i, i+1)
		txn := &h.Txns[r.txn]
		txn.End = event
		next := states[len(states)-1].clone()
		for j := range txn.Ops {
			op := &txn.Ops[j]
			r.state.do(op)
			if op.Kind != Read {
				if written[op.Key] > r.began {
					txn.Status = Failed
				}
				next.do(op)
			}
		}
		if txn.Status == OK {
			states = append(states, next)
			for j := range txn.Ops {
				if txn.Ops[j].Kind != Read {
					written[txn.Ops[j].Key] = len(states) - 1
				}
			}
		}
	}
	return h
}

func TestSnapshotIsolationShowsNothingButSkew(t *testing.T) {
	skews := 0
	for seed := range uint64(400) {
		rng := rand.New(rand.NewPCG(seed, 2))
		h := snapshots(rng, 2+rng.IntN(60), 1+rng.IntN(4))
		r, err := Check(h, nil)
		require.NoError(t, err)
		for _, a := range r.Breaks(SnapshotIsolation) {
			require.Fail(t, "snapshot isolation is flagged", "RULE sound: seed %d: %s\n%s", seed, a.Text, show(h))
		}
		skews += len(r.Anomalies)
	}
	require.Greater(t, skews, 50, "RULE complete: skew is not found")
}

// jumbled is a small history of lists with reads that may be wrong. It ends with
// a read of all keys, so nothing is hidden.
func jumbled(rng *rand.Rand, n, keys int) *History {
	h, value := &History{}, 0
	final := make([][]int, keys)
	for range n {
		var t Txn
		for range 1 + rng.IntN(3) {
			k := rng.IntN(keys)
			if rng.IntN(2) == 0 {
				value++
				t.Ops = append(t.Ops, Op{Kind: Append, Key: k, Value: value})
				at := rng.IntN(len(final[k]) + 1)
				if rng.IntN(2) == 0 {
					at = len(final[k])
				}
				final[k] = slices.Insert(final[k], at, value)
			} else {
				t.Ops = append(t.Ops, Op{Key: k})
			}
		}
		h.Txns = append(h.Txns, t)
	}
	for t := range h.Txns {
		for i := range h.Txns[t].Ops {
			if op := &h.Txns[t].Ops[i]; op.Kind == Read {
				op.List = append([]int{}, final[op.Key][:rng.IntN(len(final[op.Key])+1)]...)
			}
		}
	}
	var last Txn
	for k := range keys {
		last.Ops = append(last.Ops, Op{Key: k, List: append([]int{}, final[k]...)})
	}
	h.Txns = append(h.Txns, last)
	return h
}

// someOrder tries all orders.
func someOrder(h *History, s *store, left []int) bool {
	if len(left) == 0 {
		return true
	}
	for i, t := range left {
		after := s.clone()
		if runs(&h.Txns[t], after) && someOrder(h, after, slices.Concat(left[:i], left[i+1:])) {
			return true
		}
	}
	return false
}

// runs runs a transaction on a state, and reports whether its reads are right.
func runs(t *Txn, s *store) bool {
	for _, op := range t.Ops {
		got := op
		s.do(&got)
		if op.Kind == Read && !slices.Equal(got.List, op.List) {
			return false
		}
	}
	return true
}

// TestVerdictIsThatOfTryingAllOrders: where nothing is hidden, what is not flagged has an
// order, and what is flagged has none.
func TestVerdictIsThatOfTryingAllOrders(t *testing.T) {
	verdicts := map[bool]int{}
	for seed := range uint64(6000) {
		rng := rand.New(rand.NewPCG(seed, 3))
		h := jumbled(rng, 1+rng.IntN(5), 1+rng.IntN(2))
		var all []int
		for i := range h.Txns {
			all = append(all, i)
		}
		want := someOrder(h, newStore(), all)
		r, err := Check(h, nil)
		require.NoError(t, err)
		if want {
			require.Empty(t, r.Anomalies, "RULE sound: seed %d: there is an order\n%s", seed, show(h))
		} else {
			require.NotEmpty(t, r.Anomalies, "RULE complete: seed %d: there is no order\n%s", seed, show(h))
		}
		verdicts[want]++
	}
	require.Greater(t, verdicts[true], 500)
	require.Greater(t, verdicts[false], 500)
}

// someSchedule tries all ways to run transactions with snapshot isolation: each reads at
// once when it begins, and commits later, unless a key that it writes was written since.
// last is, of each key, the number of the commit that wrote it last.
func someSchedule(h *History, s *store, left []int, running map[int]int, last map[int]int, commits int) bool {
	if len(left) == 0 && len(running) == 0 {
		return true
	}
	for i, t := range left { // begins
		if !runs(&h.Txns[t], s.clone()) {
			continue
		}
		running[t] = commits
		ok := someSchedule(h, s, slices.Concat(left[:i], left[i+1:]), running, last, commits)
		delete(running, t)
		if ok {
			return true
		}
	}
	for _, t := range slices.Sorted(maps.Keys(running)) { // commits
		began, after, wrote, free := running[t], s.clone(), maps.Clone(last), true
		for _, op := range h.Txns[t].Ops {
			if op.Kind != Read {
				free = free && last[op.Key] <= began
				after.do(&op)
				wrote[op.Key] = commits + 1
			}
		}
		if !free {
			continue
		}
		delete(running, t)
		ok := someSchedule(h, after, left, running, wrote, commits+1)
		running[t] = began
		if ok {
			return true
		}
	}
	return false
}

// TestSnapshotVerdictIsThatOfTryingAllSchedules is the same for snapshot isolation.
func TestSnapshotVerdictIsThatOfTryingAllSchedules(t *testing.T) {
	verdicts := map[bool]int{}
	for seed := range uint64(3000) {
		rng := rand.New(rand.NewPCG(seed, 4))
		h := jumbled(rng, 1+rng.IntN(4), 1+rng.IntN(2))
		var all []int
		for i := range h.Txns {
			all = append(all, i)
		}
		want := someSchedule(h, newStore(), all, map[int]int{}, map[int]int{}, 0)
		r, err := Check(h, nil)
		require.NoError(t, err)
		if want {
			require.Empty(t, r.Breaks(SnapshotIsolation), "RULE sound: seed %d: there is a schedule\n%s", seed, show(h))
		} else {
			require.NotEmpty(t, r.Breaks(SnapshotIsolation), "RULE complete: seed %d: there is no schedule\n%s", seed, show(h))
		}
		verdicts[want]++
	}
	require.Greater(t, verdicts[true], 300)
	require.Greater(t, verdicts[false], 300)
}
