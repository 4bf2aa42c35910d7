package route_test

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/flagship-go/flagship/gateway/eskip"
	"github.com/flagship-go/flagship/gateway/route"
	"github.com/flagship-go/flagship/internal/tries"
)

// A table that came about by changes answers like one that was built of what they lead to, and
// those it came from go on as they were.
func TestAnyChangesLeadToTheTableOfTheirResult(t *testing.T) {
	rng := rand.New(rand.NewPCG(5, 5))
	for range tries.Of(6, 1) {
		type state struct {
			table *route.Table
			defs  []*eskip.Route
		}
		now := map[string]*eskip.Route{}
		table := build(t, "")
		var states []state
		for range 20 {
			set := randomRoutes(t, rng, rng.IntN(8), "r")
			for _, def := range set {
				def.ID = fmt.Sprintf("r%d", rng.IntN(25))
			}
			set = slices.CompactFunc(slices.SortedFunc(slices.Values(set), func(a, b *eskip.Route) int { return strings.Compare(a.ID, b.ID) }),
				func(a, b *eskip.Route) bool { return a.ID == b.ID })
			var remove []string
			for range rng.IntN(8) {
				remove = append(remove, fmt.Sprintf("r%d", rng.IntN(25)))
			}
			next, err := table.Update(compile(t, set), remove)
			require.NoError(t, err)
			table = next
			for _, name := range remove {
				delete(now, name)
			}
			for _, def := range set {
				now[def.ID] = def
			}
			states = append(states, state{table, slices.Collect(maps.Values(now))})
		}
		for i, s := range states {
			requireEqualTables(t, rng, i, s.table, s.defs)
		}
	}
}

func requireEqualTables(t *testing.T, rng *rand.Rand, step int, table *route.Table, defs []*eskip.Route) {
	t.Helper()
	built, err := route.Build(compile(t, defs))
	require.NoError(t, err)
	if a, b := fmt.Sprint(names(table)), fmt.Sprint(names(built)); a != b || table.Len() != len(defs) {
		t.Fatalf("RULE M5: after change %d there are %d routes %s, want %d: %s", step, table.Len(), a, len(defs), b)
	}
	for range 20 {
		r, l := randomRequest(t, rng), &route.Lookup{Draw: rng.Float64()}
		got := table.Explain(r, l).String()
		if want := built.Explain(r, l).String(); got != want {
			t.Fatalf("RULE M5: after change %d and those behind it\n%swant\n%s", step, got, want)
		}
	}
	if a, b := table.Report().String(), built.Report().String(); a != b {
		t.Fatalf("RULE M5: after change %d the report is\n%swant\n%s", step, a, b)
	}
}

func names(table *route.Table) (all []string) {
	for r := range table.Routes() {
		all = append(all, id(r))
	}
	return all
}

func TestUpdateRefusesWhatBuildRefuses(t *testing.T) {
	table := build(t, "a: * -> <shunt>;")
	_, err := table.Update(compile(t, parse(t, "b: * -> <shunt>; b: * -> <shunt>;")), nil)
	require.ErrorContains(t, err, "the name b is taken")
	nul := compile(t, parse(t, "b: * -> <shunt>;"))
	nul[0].Def.ID = "b\x00"
	_, err = table.Update(nul, nil)
	require.ErrorContains(t, err, "NUL")
	same, err := table.Update(nil, []string{"nobody", "nobody"})
	require.NoError(t, err)
	require.Equal(t, []string{"a"}, names(same))
	again, err := table.Update([]*route.Route{table.Get("a")}, []string{"a", "a"})
	require.NoError(t, err)
	require.Equal(t, []string{"a"}, names(again))
	require.Equal(t, 1, again.Len())
}

func TestWhatIsEmptiedIsLikeWhatIsBuiltEmpty(t *testing.T) {
	rng := rand.New(rand.NewPCG(7, 7))
	routes := compile(t, randomRoutes(t, rng, 200, "r"))
	table, err := route.Build(routes)
	require.NoError(t, err)
	all := names(table)
	rng.Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
	for _, name := range all {
		table, err = table.Update(nil, []string{name})
		require.NoError(t, err)
	}
	if !route.IsEmpty(table) {
		t.Fatal("RULE M5: a table of which everything was removed has nodes left")
	}
}

func TestAChangeSharesTheRest(t *testing.T) {
	var b strings.Builder
	for i := range 2000 {
		fmt.Fprintf(&b, "r%d: Path(\"/svc%d/v%d/items/:id\") -> <shunt>;\n", i, i%100, i/100)
	}
	before := build(t, b.String())
	after, err := before.Update(compile(t, parse(t, `new: Path("/svc7/v3/items/:id/detail") -> <shunt>;`)), []string{"r700"})
	require.NoError(t, err)
	own, all := route.NotShared(before, after)
	if own*10 > all {
		t.Fatalf("RULE M5: of %d nodes %d are new for a change of two routes", all, own)
	}
}
