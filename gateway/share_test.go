package gateway

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// TestWhatRoutesHaveInCommonIsThereOnce: C3. Filters without state and pools are shared by routes that write them alike, for as
// long as one of them is there; what has state is each route's own.
func TestWhatRoutesHaveInCommonIsThereOnce(t *testing.T) {
	w := newWorld(t, Options{})
	w.apply(`
		a: Path("/a") -> setPath("/x") -> probe("x") -> "http://one";
		b: Path("/b") -> setPath("/x") -> probe("x") -> "http://one";
		c: Path("/c") -> setPath("/y") -> <consistentHash, "http://one">;
		d: Path("/d") -> setPath("/x") -> setPath("/x") -> fadeIn("1m") -> "http://one";
	`)
	of := func(id string) *compiled { return payload(w.table.Load().Get(id)) }
	a, b, c, d := of("a"), of("b"), of("c"), of("d")
	require.Same(t, a.made[0].instance, b.made[0].instance, "two instances of a filter without state")
	require.Same(t, a.made[0].instance, d.made[1].instance)
	require.NotSame(t, a.made[1].instance, b.made[1].instance, "RULE C3: a filter with state is two routes'")
	require.Equal(t, 2, w.made["x"], "RULE C3: a filter with state is two routes'")
	require.NotSame(t, a.made[0].instance, c.made[0].instance, "RULE C3: a filter is what another route has written")
	require.Same(t, a.pool, b.pool)
	require.NotSame(t, a.pool, c.pool, "RULE C3: a pool is what another route has asked for")
	require.NotSame(t, a.pool, d.pool, "RULE C3: a pool is what another route's filter has asked for")

	w.apply(`b: Path("/b") -> setPath("/x") -> probe("x") -> "http://one"`)
	require.Same(t, b, of("b"))
	require.Len(t, w.pools.Status(), 1, "RULE C3: a pool was closed that another route has")
	require.Len(t, w.shared.filters, 1, "RULE C3: what no route has any more is kept")
	require.Len(t, w.shared.pools, 1, "RULE C3: what no route has any more is kept")
	byHand := parsed(t, `b: Path("/b") -> setPath("/x") -> probe("x") -> "http://one"; c: * -> <"http://one", "http://two">; d: * -> "http://one"`)
	byHand[2].Backend.Addresses = []string{"http://one\nhttp://two"} // which the parser refuses
	require.Error(t, w.Apply(byHand), "RULE C3: one address is taken for two")
	require.Error(t, w.Apply(parsed(t, `b: Path("/b") -> setPath("/z") -> probe("x") -> nothing() -> "http://two"`)))
	require.Len(t, w.shared.filters, 1, "RULE C1: of what is not in force something is kept")

	require.NoError(t, w.Close())
	require.Empty(t, w.shared.filters)
	require.Empty(t, w.shared.pools)
	require.Empty(t, w.pools.Status(), "RULE C3: an endpoint that nobody has is kept")
}
