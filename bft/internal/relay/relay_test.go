package relay

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
)

func one(string) int { return 1 }

// TestEachReaderIsToldOnceInOrder plays random stories against a model: for each reader, what it has told itself.
func TestEachReaderIsToldOnceInOrder(t *testing.T) {
	for seed := range uint64(300) {
		r := rand.New(rand.NewPCG(seed, 1))
		var l List[string]
		told, knows, woken := map[string][]string{}, map[string]map[string]bool{}, map[string]bool{}
		var live []*Item[string]
		join := func(id string) {
			told[id], knows[id] = nil, map[string]bool{}
			l.Join(id, func() { woken[id] = true })
		}
		for i := range 3 {
			join(fmt.Sprint("reader ", i))
		}
		ask := func(id string) {
			batch := l.Next(id, 1+r.IntN(5), one)
			told[id] = append(told[id], batch...)
			woken[id] = batch != nil
		}
		for step := range 300 {
			id := fmt.Sprint("reader ", r.IntN(3))
			switch r.IntN(9) {
			case 0, 1, 2:
				it := &Item[string]{Value: fmt.Sprintf("%04d", step)}
				if r.IntN(2) == 0 {
					l.Heard(it, id)
					knows[id][it.Value] = true
				}
				l.Append(it)
				live = append(live, it)
				l.Wake()
			case 3:
				if len(live) > 0 {
					i := r.IntN(len(live))
					l.Remove(live[i])
					live = append(live[:i], live[i+1:]...)
				}
			case 4:
				if len(live) > 0 {
					it := live[r.IntN(len(live))]
					l.Heard(it, id)
					knows[id][it.Value] = true
				}
			case 5:
				if r.IntN(10) == 0 {
					l.Leave(id)
					join(id)
				}
			case 6:
				if len(live) > 0 {
					it := live[r.IntN(len(live))]
					l.Again(it, id)
					told[id] = slices.DeleteFunc(told[id], func(v string) bool { return v >= it.Value })
				}
			default:
				if woken[id] {
					ask(id)
				}
			}
		}
		for id := range told {
			for woken[id] {
				ask(id)
			}
			has := map[string]bool{}
			for i, v := range told[id] {
				require.Falsef(t, has[v], "RULE P2: seed %d: %s was told %s twice", seed, id, v)
				require.Truef(t, i == 0 || told[id][i-1] < v, "RULE P2: seed %d: %s is told in order", seed, id)
				has[v] = true
			}
			for _, it := range live {
				require.Truef(t, has[it.Value] || knows[id][it.Value], "RULE P2: seed %d: %s was never told %s", seed, id, it.Value)
			}
		}
		require.Equal(t, len(live), l.Len())
	}
}

func TestWhatAReaderHasToldIsNotToldIt(t *testing.T) {
	var l List[string]
	l.Join("a", func() {})
	l.Join("b", func() {})
	it := &Item[string]{Value: "x"}
	l.Heard(it, "a")
	l.Append(it)
	require.Nil(t, l.Next("a", 9, one), "RULE P2: it has sent it")
	require.Equal(t, []string{"x"}, l.Next("b", 9, one))
	l.Leave("a")
	l.Join("a", func() {})
	require.Equal(t, []string{"x"}, l.Next("a", 9, one), "a link that is made anew is another reader")
	require.Nil(t, l.Next("nobody", 9, one))
}

func TestAnItemTooLargeForTheRoomGoesAlone(t *testing.T) {
	var l List[string]
	l.Join("a", func() {})
	for _, v := range []string{"x", "a large one", "y"} {
		l.Append(&Item[string]{Value: v})
	}
	size := func(s string) int { return len(s) }
	for _, v := range []string{"x", "a large one", "y"} {
		require.Equal(t, []string{v}, l.Next("a", 5, size), "RULE P2: once, in order")
	}
}

// TestWhoHasLeftIsNotKept: peers that come and go, and send the same each time, take no room.
func TestWhoHasLeftIsNotKept(t *testing.T) {
	var l List[string]
	l.Join("a", func() {})
	it := &Item[string]{Value: "x"}
	l.Heard(it, "a")
	l.Append(it)
	for range 100 {
		l.Join("b", func() {})
		l.Heard(it, "b")
		require.Nil(t, l.Next("b", 9, one), "RULE P2: it has sent it")
		l.Leave("b")
	}
	require.LessOrEqual(t, len(it.from), 2, "RULE P2: each of its links is kept for ever")
	require.Nil(t, l.Next("a", 9, one), "RULE P2: it has sent it, before the other one")
}
