package filters_test

import (
	"fmt"
	"io"
	"math"
	"net/http"
	"net/netip"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/flagship-go/flagship/gateway/filters"
	"github.com/flagship-go/flagship/gateway/filters/filtertest"
	"github.com/flagship-go/flagship/internal/tries"
)

// goes tells whether a request goes to the canary, which is http://new.
func goes(t *testing.T, f filters.Filter, x *filtertest.Context) bool {
	stable := filtertest.UpstreamFunc(func(c filters.FilterContext) (*http.Response, error) {
		return filtertest.Response(c.Request(), 200, "stable"), nil
	})
	filtertest.Run(x, stable, f)
	body := x.Body()
	require.Contains(t, []string{"stable", "http://new"}, body)
	return body == "http://new"
}

func user(i int) *filtertest.Context {
	x := request("GET", "http://h/", "")
	x.ID = fmt.Sprint("user-", i)
	return x
}

// T1, T2, and pitfall 8: a ramp adds users, and moves none back.
func TestCanaryGrowsAndMovesNobodyBack(t *testing.T) {
	users := tries.Of(500, 150)
	went := make([]bool, users)
	for _, percent := range []int{0, 5, 10, 30, 50, 100} {
		w := &filtertest.World{}
		f := in(t, w, "canary", "http://new", fmt.Sprint("percentage=", percent))
		n := 0
		for i := range users {
			is := goes(t, f, user(i))
			if i < 50 {
				require.Equal(t, is, goes(t, f, user(i)), "RULE T1: a user is on both sides")
			}
			require.False(t, went[i] && !is, "RULE T2: user %d has moved back at %d %%", i, percent)
			if went[i] = is; is {
				n++
			}
		}
		expected := float64(users*percent) / 100
		require.InDelta(t, expected, n, 1+4*math.Sqrt(expected*(1-float64(percent)/100)), "%d %%", percent)
		share := f.(filters.Reporter).Report().Shares[1]
		require.Equal(t, "http://new", share.Target)
		require.InDelta(t, float64(percent)/100, share.Share, 1e-9)
		require.GreaterOrEqual(t, share.N, uint64(n))
	}
}

func TestCanaryRamp(t *testing.T) {
	w := &filtertest.World{}
	f := in(t, w, "canary", "http://new", "start="+filtertest.Start.Format(time.RFC3339), "duration=1h", "steps=4", "percentage=50", "name=cart")
	share := func(after time.Duration) (n int) {
		for i := range 400 {
			x := user(i)
			x.Time = filtertest.Start.Add(after)
			if goes(t, f, x) {
				n++
			}
		}
		return n
	}
	for _, c := range []struct {
		after time.Duration
		want  int
	}{{-time.Hour, 0}, {0, 0}, {14 * time.Minute, 0}, {15 * time.Minute, 50}, {29 * time.Minute, 50}, {30 * time.Minute, 100}, {time.Hour, 200}, {24 * time.Hour, 200}} {
		require.InDelta(t, c.want, share(c.after), 40, "after %v", c.after)
	}
	require.False(t, goes(t, in(t, w, "canary", "http://new", "start=0", "duration=1h", "percentage=0"), user(1)))
}

// T3: who is chosen for one is not the one who is chosen for the next.
func TestCanariesOfDifferentNamesAreIndependent(t *testing.T) {
	w := &filtertest.World{}
	a, b := in(t, w, "canary", "http://new", "percentage=50", "name=a"), in(t, w, "canary", "http://new", "percentage=50", "name=b")
	both := 0
	for i := range 800 {
		if goes(t, a, user(i)) && goes(t, b, user(i)) {
			both++
		}
	}
	require.InDelta(t, 200, both, 50, "RULE T3: one split decides about another")
	// Without a name it is the route's.
	c, same := in(t, w, "canary", "http://new", "percentage=50"), 0
	for i := range 200 {
		x, y := user(i), user(i)
		y.Route = "another"
		if goes(t, c, x) == goes(t, c, y) {
			same++
		}
	}
	require.InDelta(t, 100, same, 40, "RULE T3: one split decides about another")
}

func TestCanaryOverrides(t *testing.T) {
	w := &filtertest.World{}
	make := func(args ...any) filters.Filter { return in(t, w, "canary", append([]any{"http://new"}, args...)...) }
	header := func(value, id string) *filtertest.Context {
		x := request("GET", "http://h/", "", "X-Canary", value)
		x.ID = id
		return x
	}
	none, all := make("percentage=0", "canary_by_header_name=X-Canary"), make("percentage=100", "canary_by_header_name=X-Canary")
	require.True(t, goes(t, none, header("always", "")))
	require.False(t, goes(t, none, header("sometimes", "")))
	require.False(t, goes(t, all, header("never", "")))
	require.True(t, goes(t, all, header("ALWAYS", "")))
	require.True(t, goes(t, make("percentage=100"), header("never", "")), "no header was named")

	allow := make("hash=allow", "groups=alice, bob", "canary_by_header_name=X-Canary")
	deny := make("hash=deny", "groups=alice")
	for _, c := range []struct {
		id          string
		allow, deny bool
	}{{"alice", true, false}, {"bob", true, true}, {"carol", false, true}, {"", false, true}} {
		require.Equal(t, c.allow, goes(t, allow, header("", c.id)), c.id)
		require.Equal(t, c.deny, goes(t, deny, header("", c.id)), c.id)
	}
	require.False(t, goes(t, allow, header("never", "alice")))
}

// The key is what was chosen, or else the address.
func TestCanaryKeys(t *testing.T) {
	w := &filtertest.World{}
	base := request("GET", "http://h/", "")
	vary := map[string]func(x *filtertest.Context, i int){
		"consumer": func(x *filtertest.Context, i int) { x.ID = fmt.Sprint(i) },
		"ip":       func(x *filtertest.Context, i int) { x.Addr = netip.AddrFrom4([4]byte{10, 0, byte(i >> 8), byte(i)}) },
		"header":   func(x *filtertest.Context, i int) { x.OriginalRequest().Header.Set("X-User", fmt.Sprint(i)) },
		"cookie":   func(x *filtertest.Context, i int) { x.OriginalRequest().Header.Set("Cookie", fmt.Sprint("uid=", i)) },
	}
	options := map[string][]any{
		"consumer": {"hash=consumer"}, "ip": {"hash=ip"}, "header": {"hash=header", "hash_header=X-User"}, "cookie": {"hash=cookie", "hash_cookie=uid"},
	}
	for name, option := range options {
		f := in(t, w, "canary", append([]any{"http://new", "percentage=50"}, option...)...)
		for what, change := range vary {
			n := 0
			for i := range 100 {
				x := request("GET", "http://h/", "")
				x.Addr = base.Addr
				change(x, i)
				if goes(t, f, x) {
					n++
				}
			}
			if what == name || what == "ip" { // without the key it is the address
				require.InDelta(t, 50, n, 25, "RULE T1: hash=%s does not tell %ss apart", name, what)
				continue
			}
			require.Contains(t, []int{0, 100}, n, "RULE T1: hash=%s depends on the %s", name, what)
		}
	}
	f := in(t, w, "canary", "http://new", "percentage=50", "hash=none")
	w.Draw(0.1, 0.9, 0.49, 0.51, 0.999999)
	for _, want := range []bool{true, false, true, false, false} {
		require.Equal(t, want, goes(t, f, user(1)))
	}
}

func TestCanaryFallsBackWhenItWasNotReached(t *testing.T) {
	for _, c := range []struct {
		why  string
		err  error
		read bool
		want int
	}{
		{"nobody is there", dialError(), false, 200},
		{"no endpoint", &filters.Error{Status: 503, Local: true}, false, 200},
		{"it broke off", io.ErrUnexpectedEOF, false, 502},
		{"it has read the body", dialError(), true, 502},
	} {
		w := &filtertest.World{Upstreams: map[string]filtertest.UpstreamFunc{"http://new": func(f filters.FilterContext) (*http.Response, error) {
			if c.read {
				f.Request().Body.Read(make([]byte, 1))
			}
			f.Request().Body.Close()
			return nil, c.err
		}}}
		for _, fallback := range []bool{true, false} {
			f := in(t, w, "canary", "http://new", "percentage=100", "upstream_fallback="+fmt.Sprint(fallback))
			x := request("POST", "http://h/", "body")
			var g got
			filtertest.Run(x, g.upstream(200), f)
			if !fallback {
				require.NotEqual(t, 200, x.Response().StatusCode)
				continue
			}
			require.Equal(t, c.want, x.Response().StatusCode, "RULE F4: %s", c.why)
			if c.want == 200 {
				require.Equal(t, []string{"body"}, g.bodies)
				require.Equal(t, []string{"canary fallback"}, x.Events)
			}
		}
	}
}

func TestSplit(t *testing.T) {
	w := &filtertest.World{}
	before := in(t, w, "split", "checkout", "consumer", 80, "", 10, "http://b", 10, "http://c1,http://c2")
	after := in(t, w, "split", "checkout", "consumer", 80, "", 20, "http://b", 10, "http://c1,http://c2")
	counts := map[string]int{}
	for i := range 1000 {
		side := func(f filters.Filter) string {
			x := user(i)
			filtertest.Run(x, filtertest.Upstream(200, "own"), f)
			return x.Body()
		}
		was, is := side(before), side(after)
		counts[was]++
		if was != is { // T2: only b has grown, against both
			require.Equal(t, "http://b", is, "RULE T2: a user has moved from %s to %s", was, is)
		}
	}
	require.InDelta(t, 800, counts["own"], 50)
	require.InDelta(t, 100, counts["http://b"], 40)
	require.InDelta(t, 100, counts["http://c1,http://c2"], 40)
	r := before.(filters.Reporter).Report()
	require.Equal(t, filters.Share{Target: "http://b", Share: 0.1, N: uint64(counts["http://b"])}, r.Shares[1])
}
