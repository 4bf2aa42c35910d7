package predicates

import (
	"strings"
	"testing"

	"github.com/flagship-go/flagship/gateway/route"
)

// What nearly every request is asked does not allocate; neither does what needs no text of its own.
var free = []struct {
	predicate string
	request   []string
}{
	{`Host(/^www[.]example[.]org$/)`, []string{"GET /", "Host: www.example.org"}},
	{`Host(/^(www[.]example[.]org[.]?(:[0-9]+)?)$/)`, []string{"GET /", "Host: www.example.org:80"}},
	{`HostAny("example.org", "www.example.org")`, []string{"GET /", "Host: www.example.org"}},
	{`Method("GET")`, []string{"GET /"}},
	{`Methods("POST", "GET")`, []string{"GET /"}},
	{`Header("X-A", "b")`, []string{"GET /", "X-A: b"}},
	{`HeaderRegexp("X-A", "^b+$")`, []string{"GET /", "X-A: bbb"}},
	{`Cookie("b", "^c$")`, []string{"GET /", "Cookie: a=b; b=c"}},
	{`QueryParam("q", "^x")`, []string{"GET /?a=b&q=x"}},
	{`Source("10.0.0.0/8")`, []string{"GET /", "Peer: 10.0.0.1:80"}},
	{`ClientIP("10.0.0.0/8")`, []string{"GET /", "Peer: 10.0.0.1:80"}},
	{`After(1)`, []string{"GET /"}},
	{`Cron("* * * * *", "Europe/Berlin")`, []string{"GET /"}},
	{`Traffic(1)`, []string{"GET /"}},
	{`Traffic(1, "a", "b")`, []string{"GET /", "Cookie: a=b"}},
	{`TrafficSegment(0, 1)`, []string{"GET /"}},
	{`TrafficSegment(0, 1, "cookie:uid")`, []string{"GET /", "Cookie: uid=a"}},
	{`TrafficSegment(0, 1, "header:X-User")`, []string{"GET /", "X-User: a"}},
	{`TrafficSegment(0, 1, "ip")`, []string{"GET /", "Peer: 10.0.0.1:80"}},
	{`ContentLengthBetween(0, 1)`, []string{"GET /"}},
	{`ForwardedHost("^a$")`, []string{"GET /", "Forwarded: for=x;host=a"}},
}

func TestMatchesDoNotAllocate(t *testing.T) {
	for _, c := range free {
		p, r, l := mustCreate(t, c.predicate), request(c.request...), at("2030-01-01T00:00:00Z")
		if n := testing.AllocsPerRun(100, func() {
			if !ask(p, r, l) {
				t.Fatal(c.predicate)
			}
		}); n != 0 {
			t.Errorf("RULE M10: %s allocates %v times", c.predicate, n)
		}
	}
}

func BenchmarkMatch(b *testing.B) {
	for _, c := range free {
		name, _, _ := strings.Cut(c.predicate, " ->")
		b.Run(strings.ReplaceAll(name, "/", "|"), func(b *testing.B) {
			p, r, l := mustCreate(b, c.predicate), request(c.request...), at("2030-01-01T00:00:00Z")
			b.ReportAllocs()
			for b.Loop() {
				ask(p, r, l)
			}
		})
	}
}

var _ route.LookupPredicate = (*cron)(nil)
