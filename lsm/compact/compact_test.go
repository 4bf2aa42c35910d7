package compact

import (
	"fmt"
	"math/rand/v2"
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/flagship-go/flagship/lsm/key"
)

// tree is a simulated store: it runs plans without reading anything. Every table
// is a range of keys and of sequence numbers.
type tree struct {
	t       *testing.T
	view    View
	num     uint64
	seq     uint64
	written uint64
}

func newTree(t *testing.T) *tree { return &tree{t: t, seq: 1} }

func (s *tree) table(from, to int, minSeq, maxSeq, size uint64) *Table {
	s.num++
	return &Table{Num: s.num, Size: size, Entries: size / 100, MinSeq: minSeq, MaxSeq: maxSeq,
		Smallest: key.Append(nil, fmt.Appendf(nil, "%04d", from), key.Trailer(maxSeq, key.Set)),
		Largest:  key.Append(nil, fmt.Appendf(nil, "%04d", to), key.Trailer(minSeq, key.Set))}
}

// flush puts tables over the whole range into L0.
func (s *tree) flush(size uint64, parts int) {
	for i := range parts {
		s.view.Levels[0] = append(s.view.Levels[0], s.table(i*1000/parts, (i+1)*1000/parts-1, s.seq, s.seq+9, size/uint64(parts)))
	}
	s.seq += 10
	s.layers()
}

func (s *tree) layers() {
	v := &s.view
	v.Layer, v.Layers = nil, 0
	for i, t := range v.Levels[0] {
		n := 0
		for j, older := range v.Levels[0][:i] {
			if v.meets(older, key.UserKey(t.Smallest), key.UserKey(t.Largest)) {
				n = max(n, v.Layer[j]+1)
			}
		}
		v.Layer, v.Layers = append(v.Layer, n), max(v.Layers, n+1)
	}
}

// run checks a plan against the rules of the package and applies it.
func (s *tree) run(p *Plan) {
	v := &s.view
	if v.Conflicts(p) {
		s.t.Fatalf("RULE compact-3: plan %s L%d-L%d meets a running one", p.Reason, p.Level, p.Target)
	}
	in := map[uint64]bool{}
	for _, t := range append(append([]*Table(nil), p.Inputs...), p.Overlaps...) {
		in[t.Num] = true
	}
	start, end := v.Bounds(p.Inputs)
	if p.Level == 0 {
		for i, t := range v.Levels[0] {
			for _, older := range v.Levels[0][:i] {
				if in[t.Num] && !in[older.Num] && v.meets(older, key.UserKey(t.Smallest), key.UserKey(t.Largest)) {
					s.t.Fatalf("RULE compact-1: table %d of L0 goes down before the older %d", t.Num, older.Num)
				}
			}
		}
	}
	for level := p.Level + 1; level < p.Target; level++ {
		if n := len(v.Overlapping(level, p.Start, p.End)); n > 0 {
			s.t.Fatalf("RULE compact-2: a plan L%d-L%d skips L%d, where %d tables overlap", p.Level, p.Target, level, n)
		}
	}
	for _, t := range v.Overlapping(p.Target, start, end) {
		if !in[t.Num] {
			s.t.Fatalf("RULE compact-3: table %d of L%d overlaps the result", t.Num, p.Target)
		}
	}
	for l := range v.Levels {
		var rest []*Table
		for _, t := range v.Levels[l] {
			if !in[t.Num] {
				rest = append(rest, t)
			}
		}
		v.Levels[l] = rest
	}
	if !p.Drop {
		s.output(p)
	}
	s.layers()
}

// output puts the result of p into its target, in tables of 8 each.
func (s *tree) output(p *Plan) {
	const tableSize = 8 << 10
	v := &s.view
	size := Size(p.Inputs) + Size(p.Overlaps)
	if !p.Move {
		s.written += size
		size = min(size, 1<<20) // overwritten keys go
	}
	from, _ := strconv.Atoi(string(p.Start))
	to, _ := strconv.Atoi(string(p.End))
	n := min(int(size/tableSize)+1, to-from+1)
	var out []*Table
	for i := range n {
		a, b := from+i*(to-from+1)/n, from+(i+1)*(to-from+1)/n-1
		out = append(out, s.table(a, b, 1, s.seq, size/uint64(n)))
	}
	level := append(append([]*Table(nil), v.Levels[p.Target]...), out...)
	for i := range level {
		for j := i; j > 0 && v.Order.Compare(level[j].Smallest, level[j-1].Smallest) < 0; j-- {
			level[j], level[j-1] = level[j-1], level[j]
		}
	}
	v.Levels[p.Target] = level
}

func policy() *Leveled {
	return &Leveled{L0Trigger: 4, BaseSize: 64 << 10, Ratio: 4, TableSize: 8 << 10}
}

// TestLeveledKeepsTheRules runs random trees: flushes, and plans that end in
// another order than they began.
func TestLeveledKeepsTheRules(t *testing.T) {
	for seed := uint64(1); seed <= 30; seed++ {
		rng := rand.New(rand.NewPCG(seed, 0))
		s, p := newTree(t), policy()
		for range 150 {
			if rng.IntN(3) == 0 {
				s.flush(16<<10, 1+rng.IntN(4))
			}
			if plan := p.Pick(&s.view); plan != nil {
				require.False(t, s.view.Conflicts(plan), "RULE compact-3: seed %d", seed)
				s.view.Running = append(s.view.Running, plan)
			}
			if n := len(s.view.Running); n > 0 && (n > 3 || rng.IntN(2) == 0) {
				i := rng.IntN(n)
				plan := s.view.Running[i]
				s.view.Running = append(append([]*Plan(nil), s.view.Running[:i]...), s.view.Running[i+1:]...)
				s.run(plan)
			}
		}
	}
}

// TestLeveledSettles: without new data there comes an end, below the targets.
func TestLeveledSettles(t *testing.T) {
	s, p := newTree(t), policy()
	for range 200 {
		s.flush(16<<10, 4)
		for range 50 {
			plan := p.Pick(&s.view)
			if plan == nil {
				break
			}
			s.run(plan)
		}
		require.Nil(t, p.Pick(&s.view), "RULE compact-ends: 50 compactions were not enough")
		require.Less(t, s.view.Layers, p.L0Trigger)
	}
	require.NotEmpty(t, s.view.Levels[Levels-1])
	t.Logf("write amplification %.1f", float64(s.written)/(200*16<<10))
}

// TestBaseLevelSkipsNothing: a level that holds tables is never above the base
// level, whatever the sizes say (badger issue 2143).
func TestBaseLevelSkipsNothing(t *testing.T) {
	s, p := newTree(t), policy()
	s.view.Levels[2] = []*Table{s.table(0, 9, 1, 2, 100)}
	s.view.Levels[6] = []*Table{s.table(0, 999, 1, 1, 1<<20)}
	for range 4 {
		s.flush(16<<10, 1)
	}
	base, _ := p.Targets(&s.view)
	if base > 2 {
		t.Errorf("RULE compact-2: base level %d skips level 2, which is not empty", base)
	}
	s.run(p.Pick(&s.view))
}

// TestExpiredTablesGoUnread: but not above something that they hide.
func TestExpiredTablesGoUnread(t *testing.T) {
	s, p := newTree(t), policy()
	old := s.table(0, 99, 5, 9, 1000)
	old.Expires = 50
	s.view.Levels[5] = []*Table{old}
	require.Nil(t, p.Pick(&s.view), "RULE L11: not expired yet")
	s.view.Now = 50
	plan := p.Pick(&s.view)
	require.NotNil(t, plan)
	require.True(t, plan.Drop)
	s.view.Levels[6] = []*Table{s.table(50, 60, 1, 2, 1000)}
	if plan := p.Pick(&s.view); plan != nil && plan.Drop {
		t.Error("RULE L11: an expired table was dropped that hides an older value")
	}
}

// TestRewritePicksTablesOfTheFiles finds each table that points to a file once.
func TestRewritePicksTablesOfTheFiles(t *testing.T) {
	s := newTree(t)
	a, b := s.table(0, 9, 1, 2, 100), s.table(10, 19, 1, 2, 100)
	b.Values = append(b.Values, struct{ File, Bytes, End uint64 }{7, 10, 10})
	s.view.Levels[6] = []*Table{a, b}
	plan := s.view.Rewrite(map[uint64]bool{7: true})
	require.NotNil(t, plan)
	require.Equal(t, []*Table{b}, plan.Inputs)
	require.Equal(t, plan.Level, plan.Target)
	require.Nil(t, s.view.Rewrite(map[uint64]bool{8: true}))
	s.view.Running = []*Plan{plan}
	require.Nil(t, s.view.Rewrite(map[uint64]bool{7: true}))
}
