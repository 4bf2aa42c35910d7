package history

import (
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// add appends a history written by hand to another, with keys of its own.
func add(t *testing.T, h *History, text string) {
	more, err := Parse(text)
	require.NoError(t, err)
	for _, txn := range more.Txns {
		for i := range txn.Ops {
			txn.Ops[i].Key += 1_000_000
		}
		h.Txns = append(h.Txns, txn)
	}
}

func TestOneAnomalyIsFoundAmongManyTransactions(t *testing.T) {
	for name, text := range map[Name]string{
		G0:         "ok: append x 1; append y 1\nok: append x 2; append y 2\nok: read x [1 2]; read y [2 1]",
		G1c:        "ok: append x 1; read y [1]\nok: append y 1; read x [1]",
		GSingle:    "ok: write x 1; write y 1\nok: read x 1; read y nil",
		LostUpdate: "ok: read x nil; write x 1\nok: read x nil; write x 2",
		LongFork:   "ok: write x 1\nok: write y 1\nok: read x 1; read y nil\nok: read x nil; read y 1",
		G2Item:     "ok: read x nil; write y 1\nok: read y nil; write x 1",
		G2:         "ok: scan x nil; write y 1\nok: scan y nil; write x 1",
	} {
		for _, lists := range []bool{false, true} {
			h := big(5000, lists)
			add(t, h, text)
			r, err := Check(h, nil)
			require.NoError(t, err)
			require.Equal(t, map[Name]int{name: 1}, r.Count, "RULE complete: %v", r.Anomalies)
			a := r.Anomalies[0]
			require.True(t, a.Cycle)
			require.True(t, strings.HasPrefix(a.Text, string(name)+"\n"), a.Text)
			for _, s := range a.Steps {
				require.GreaterOrEqual(t, s.Txn, 5000)
			}
		}
	}
}

func TestAnomaliesBreakLevels(t *testing.T) {
	all := []Name{Garbage, Duplicate, Incompatible, G0, G1a, G1b, G1c, Internal, LostUpdate, GSingle, LongFork, G2Item, G2, WrongTotal}
	at := map[Level]int{ReadUncommitted: 4, ReadCommitted: 7, SnapshotIsolation: 12, Serializable: 14, StrictSerializable: 14}
	for l, want := range at {
		r := &Result{}
		for _, n := range all {
			r.Anomalies = append(r.Anomalies, Anomaly{Name: n})
		}
		require.Len(t, r.Breaks(l), want, "RULE levels: %v", l)
	}
	stale := Anomaly{Name: GSingle, RealTime: true}
	require.False(t, stale.Breaks(Serializable), "RULE levels: serializable promises nothing of time")
	require.True(t, stale.Breaks(StrictSerializable))
	require.Equal(t, "G-single: read skew, in real time", stale.Title())
}

func TestLimitDescribesAFewAndCountsAll(t *testing.T) {
	h := &History{}
	for i := range 30 {
		h.Txns = append(h.Txns, Txn{Ops: []Op{{Key: i, Value: 7}}})
	}
	r, err := Check(h, &Options{Limit: 3})
	require.NoError(t, err)
	require.Len(t, r.Anomalies, 3)
	require.Equal(t, map[Name]int{Garbage: 30}, r.Count)
}

func TestKeysMayBeAnyNumbers(t *testing.T) {
	const big = 1 << 30
	h := &History{Txns: []Txn{
		{Ops: []Op{{Kind: Append, Key: -big, Value: -5}, {Kind: Append, Key: big, Value: 1 << 30}}},
		{Ops: []Op{{Key: -big, List: []int{-5}}, {Key: big}}},
	}}
	r, err := Check(h, nil)
	require.NoError(t, err)
	require.Equal(t, map[Name]int{GSingle: 1}, r.Count)
	require.Contains(t, r.Anomalies[0].Text, "read -1073741824 [-5]; read 1073741824 []")
}

func TestEmptyHistoriesAreFine(t *testing.T) {
	for _, h := range []*History{{}, {Txns: make([]Txn, 3)}} {
		r, err := Check(h, &Options{RealTime: true})
		require.NoError(t, err)
		require.Empty(t, r.Anomalies)
	}
}

// One set of transactions of which all are before all: it must not take for ever.
func TestHistoryThatIsOneTangleIsJudged(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 1))
	h := big(20_000, true)
	for t := 1; t < len(h.Txns); t++ {
		for i := range h.Txns[t].Ops { // some reads are a little old
			if op := &h.Txns[t].Ops[i]; op.Kind == Read && len(op.List) > 0 && rng.IntN(4) == 0 {
				own := slices.ContainsFunc(h.Txns[t].Ops, func(o Op) bool { return o.Kind == Append && o.Key == op.Key })
				if !own {
					op.List = op.List[:len(op.List)-1]
				}
			}
		}
	}
	r, err := Check(h, nil)
	require.NoError(t, err)
	require.NotEmpty(t, r.Breaks(SnapshotIsolation), "RULE complete: %v", r.Count)
}

func TestBankIsShortOfMoney(t *testing.T) {
	b := &Bank{Accounts: []int{1, 2, 3}, Total: 30}
	balances := func(status Status, values ...int) Txn {
		t := Txn{Status: status}
		for i, v := range values {
			t.Ops = append(t.Ops, Op{Key: i + 1, Value: v})
		}
		return t
	}
	h := &History{Txns: []Txn{
		balances(OK, 10, 10, 10),
		balances(OK, 0, 25, 5),
		balances(OK, 3, 20), // not all
		balances(Failed, 1, 1, 1),
		balances(Unknown, 1, 1, 1),
		balances(OK, 10, 17, 10),
		balances(OK, 40, -20, 10),
	}}
	transfer := balances(OK, 10, 10)
	transfer.Ops = append(transfer.Ops, Op{Kind: Write, Key: 1, Value: 3}, Op{Key: 3, Value: 99})
	h.Txns = append(h.Txns, transfer)
	found, judged := b.Check(h)
	require.Equal(t, 4, judged, "RULE bank: not all who saw all are judged")
	require.Len(t, found, 2, "RULE bank: %v", found)
	require.Equal(t, "wrong total\n\n    T5  read 1 10; read 2 17; read 3 10\n        the sum is 37, and should be 30: +7\n", found[0].Text)
	require.Equal(t, "wrong total\n\n    T6  read 1 40; read 2 -20; read 3 10\n        account 2 has -20\n", found[1].Text)
	b.Overdraft = true
	found, _ = b.Check(h)
	require.Len(t, found, 1, "RULE bank: an overdraft is allowed")
}
