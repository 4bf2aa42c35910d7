package predicates

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/flagship-go/flagship/gateway/eskip"
	"github.com/flagship-go/flagship/gateway/route"
)

// tableOf is a table of a text.
func tableOf(t testing.TB, text string) *route.Table {
	t.Helper()
	defs, err := eskip.Parse("", text)
	require.NoError(t, err)
	specs, err := route.NewSpecs(All()...)
	require.NoError(t, err)
	routes := make([]*route.Route, len(defs))
	for i, def := range defs {
		routes[i], err = route.Compile(def, specs)
		require.NoError(t, err)
	}
	table, err := route.Build(routes)
	require.NoError(t, err)
	return table
}

// shares are the shares of n requests that each route gets.
func shares(table *route.Table, n int) map[string]float64 {
	rng := rand.New(rand.NewPCG(1, 1))
	got := map[string]float64{}
	r := request("GET /")
	var l route.Lookup
	for range n {
		l.Reset()
		l.Draw = rng.Float64()
		got[table.Lookup(r, &l).Def.ID] += 1 / float64(n)
	}
	return got
}

func TestSegmentsThatAdjoinShareOutAllRequests(t *testing.T) {
	table := tableOf(t, `a: TrafficSegment(0, 0.5) -> <shunt>; b: TrafficSegment(0.5, 0.8) -> <shunt>; c: TrafficSegment(0.8, 1) -> <shunt>; rest: * -> <shunt>`)
	got := shares(table, 6000)
	for id, want := range map[string]float64{"a": 0.5, "b": 0.3, "c": 0.2, "rest": 0} {
		if math.Abs(got[id]-want) > 0.02 {
			t.Errorf("RULE M4: %s has %.3f of the requests, want %.3f", id, got[id], want)
		}
	}
	l := route.Lookup{Draw: math.Nextafter(1, 0)}
	if got := table.Lookup(request("GET /"), &l).Def.ID; got != "c" {
		t.Errorf("RULE M4: the last request is %s's", got)
	}
}

func TestASegmentWeighsNothing(t *testing.T) {
	for _, s := range All() {
		w, ok := s.(route.WeightedPredicateSpec)
		if require.Equal(t, s.Name() == "TrafficSegment", ok, s.Name()); ok && w.Weight() != -1 {
			t.Errorf("RULE M3: a TrafficSegment adds %d to a route's weight", 1+w.Weight())
		}
	}
}

func TestEachTrafficThrowsItsOwnCoin(t *testing.T) {
	got := shares(tableOf(t, `a: Traffic(0.5) -> <shunt>; b: Traffic(0.5) -> <shunt>; c: Traffic(0.6) && Weight(0) -> <shunt>; rest: * -> <shunt>`), 6000)
	for id, want := range map[string]float64{"a": 0.5, "b": 0.25, "c": 0.15, "rest": 0.1} {
		if math.Abs(got[id]-want) > 0.02 {
			t.Errorf("RULE M4: %s has %.3f of the requests, want %.3f", id, got[id], want)
		}
	}
}

func TestCoinsAreExplainedAsTheyFell(t *testing.T) {
	table := tableOf(t, `a: Traffic(0.5) && Traffic(0.9) -> <shunt>; b: Traffic(0.5) && Traffic(0.6) -> <shunt>; c: Traffic(0.5) -> <shunt>; rest: * -> <shunt>`)
	rng := rand.New(rand.NewPCG(2, 2))
	r := request("GET /")
	var l route.Lookup
	for range 2000 {
		l.Draw = rng.Float64()
		id := table.Lookup(r, &l).Def.ID
		if again, explained := table.Lookup(r, &l).Def.ID, table.Explain(r, &l).Route; id != again || id != explained {
			t.Fatalf("RULE M6: draw %v: looked up %s, again %s, explained %s", l.Draw, id, again, explained)
		}
	}
}

func TestAKeyStaysOnItsSideAndASegmentThatGrowsLosesNobody(t *testing.T) {
	five := mustCreate(t, `TrafficSegment(0, 0.05, "cookie:uid", "shop")`)
	ten := mustCreate(t, `TrafficSegment(0, 0.1, "cookie:uid", "shop")`)
	others := mustCreate(t, `TrafficSegment(0.1, 1, "cookie:uid", "shop")`)
	search := mustCreate(t, `TrafficSegment(0, 0.1, "cookie:uid", "search")`)
	const n = 6000
	var inFive, inTen, inBoth int
	for i := range n {
		r := request("GET /", fmt.Sprintf("Cookie: uid=user%d", i))
		l := route.Lookup{Draw: rand.Float64()} // must not matter
		in := ask(ten, r, &l)
		if l.Draw = rand.Float64(); ask(ten, r, &l) != in || ask(others, r, &l) == in {
			t.Fatalf("RULE T1: user %d is on no side, on both, or not on the same again", i)
		}
		if in {
			inTen++
		}
		if ask(five, r, &l) {
			inFive++
			if !in {
				t.Fatalf("RULE T2: user %d was in at 5 %% and is out at 10 %%", i)
			}
		}
		if in && ask(search, r, &l) {
			inBoth++
		}
	}
	require.InDelta(t, 0.05*n, inFive, 0.006*n)
	require.InDelta(t, 0.1*n, inTen, 0.008*n)
	if share := float64(inBoth) / float64(inTen); math.Abs(share-0.1) > 0.03 {
		t.Errorf("RULE T3: of those who get the new shop %.3f get the new search", share)
	}
}

func TestKeysOfSegments(t *testing.T) {
	side := func(key string, l *route.Lookup, lines ...string) bool {
		return ask(mustCreate(t, fmt.Sprintf(`TrafficSegment(0, 0.5, %q)`, key)), request(append([]string{"GET /"}, lines...)...), l)
	}
	draws := [2]*route.Lookup{{Draw: 0.1}, {Draw: 0.9}}
	for _, c := range []struct {
		key, line string
		hashed    bool
	}{
		{"cookie:uid", "Cookie: uid=a", true},
		{"cookie:uid", "Cookie: uid=", false},
		{"cookie:uid", "Cookie: u=a", false},
		{"header:x-user", "X-User: a", true},
		{"header:x-user", "X-Users: a", false},
		{"ip", "Peer: 10.0.0.1:5", true},
		{"ip", "Peer: @", false},
	} {
		if same := side(c.key, draws[0], c.line) == side(c.key, draws[1], c.line); same != c.hashed {
			t.Errorf("RULE T1: %s of %q is hashed: %v, want %v", c.key, c.line, same, c.hashed)
		}
	}
	differ := 0
	for i := range 100 {
		mapped := side("ip", from(fmt.Sprintf("::ffff:10.0.0.%d", i)))
		if plain := side("ip", from(fmt.Sprintf("10.0.0.%d", i))); plain != mapped {
			t.Errorf("RULE T1: 10.0.0.%d is somebody else in IPv6", i)
		}
		if mapped {
			differ++
		}
	}
	require.InDelta(t, 50, differ, 25)
}

func TestWhatExcludesWhat(t *testing.T) {
	for _, c := range []struct {
		a, b string
		want bool
	}{
		{`TrafficSegment(0, 0.5)`, `TrafficSegment(0.5, 1)`, true},
		{`TrafficSegment(0, 0.6)`, `TrafficSegment(0.5, 1)`, false},
		{`TrafficSegment(0, 0.5, "ip")`, `TrafficSegment(0.5, 1, "ip")`, true},
		{`TrafficSegment(0, 0.5, "ip")`, `TrafficSegment(0.5, 1)`, false},
		{`TrafficSegment(0, 0.5, "header:x-a")`, `TrafficSegment(0.5, 1, "header:X-A")`, true},
		{`TrafficSegment(0, 0.5, "ip", "a")`, `TrafficSegment(0.5, 1, "ip", "b")`, false},
		{`Before(100)`, `After(100)`, true},
		{`Before(101)`, `After(100)`, false},
		{`Between(100, 200)`, `Between(200, 300)`, true},
		{`Between(100, 201)`, `Between(200, 300)`, false},
		{`After(1)`, `After(2)`, false},
		{`Cron("0-29 * * * *")`, `Cron("30-59 * * * *")`, true},
		{`Cron("0-30 * * * *")`, `Cron("30-59 * * * *")`, false},
		{`Cron("* * * * 0")`, `Cron("* * * * 7")`, false},
		{`Cron("* 1 * * *", "Europe/Berlin")`, `Cron("* 2 * * *")`, false},
		{`ContentLengthBetween(0, 10)`, `ContentLengthBetween(10, 20)`, true},
		{`ContentLengthBetween(0, 11)`, `ContentLengthBetween(10, 20)`, false},
		{`TrafficSegment(0, 0.5)`, `ContentLengthBetween(10, 20)`, false},
	} {
		a, b := mustCreate(t, c.a), mustCreate(t, c.b)
		ab := a.(route.ExcludingPredicate).Excludes(b)
		ba := b.(route.ExcludingPredicate).Excludes(a)
		if ab != c.want || ba != c.want {
			t.Errorf("RULE M7: %s excludes %s: %v and %v, want %v", c.a, c.b, ab, ba, c.want)
		}
	}
}

func TestKeysOfWhatHasOne(t *testing.T) {
	for text, want := range map[string]string{
		`Method("get")`:             "method [GET]",
		`Methods("GET", "HEAD")`:    "method [GET HEAD]",
		`HostAny("B.org", "a")`:     "host [b.org a]",
		`Host("^A[.]org$")`:         "host [a.org]",
		`Host("^(a[.]org)$")`:       "host [a.org]",
		`Host("^10[.]0$")`:          "host [10.0]",
		`Host("^a")`:                "none",
		`Host("(?-i)^a$")`:          "none",
		`Header("A", "b")`:          "none", // a request can have several
		`ForwardedProtocol("http")`: "forwarded protocol [http]",
	} {
		got := "none"
		if k, ok := mustCreate(t, text).(route.KeyedPredicate); ok {
			dimension, values := k.Key()
			got = fmt.Sprint(dimension, " ", values)
		}
		if got != want {
			t.Errorf("RULE M7: %s has the key %s, want %s", text, got, want)
		}
	}
}
