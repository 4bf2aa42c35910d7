package filters_test

import (
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/flagship-go/flagship/gateway/filters"
	"github.com/flagship-go/flagship/gateway/filters/filtertest"
)

// What most routes have costs no memory, except what it leaves in the request.
func TestCheapFiltersAllocateNothing(t *testing.T) {
	w := &filtertest.World{}
	for _, c := range []struct {
		name   string
		filter filters.Filter
		most   float64
	}{
		{"setRequestHeader", in(t, w, "setRequestHeader", "X-A", "b"), 1}, // the slice in the header
		{"dropRequestHeader", in(t, w, "dropRequestHeader", "X-B"), 0},
		{"dropResponseHeader", in(t, w, "dropResponseHeader", "X-B"), 0},
		{"status", in(t, w, "status", 200), 0},
		{"setPath", in(t, w, "setPath", "/v2"), 0},
		{"ratelimit", in(t, w, "ratelimit", 1000000000, "1s"), 0},
		{"clientRatelimit", in(t, w, "clientRatelimit", 1000000000, "1s"), 0},
		{"consecutiveBreaker", in(t, w, "consecutiveBreaker", 5), 0},
		{"adaptiveBreaker", in(t, w, "adaptiveBreaker"), 0},
		{"retry", in(t, w, "retry", 2), 1}, // the repeat
		{"canary", in(t, w, "canary", "http://new", "percentage=50"), 0},
		{"split", in(t, w, "split", "s", "ip", 1, "", 1, "http://b"), 0},
		{"requestBodyLimit", in(t, w, "requestBodyLimit", 10), 0},
		{"abort", in(t, w, "abort", 503, 0), 0},
		{"fadeIn", in(t, w, "fadeIn", "1s"), 0},
		{"preserveHost", in(t, w, "preserveHost", "true"), 0},
		{"compress", in(t, w, "compress"), 0}, // what is not compressed
		{"traceparent", in(t, w, "traceparent"), 2},
	} {
		x := request("GET", "http://h/", "")
		res := filtertest.Response(x.Request(), 200, "")
		call := filtertest.Wrap(c.filter)
		to := filtertest.UpstreamFunc(func(filters.FilterContext) (*http.Response, error) { return res, nil })
		x.Serve(res)
		n := testing.AllocsPerRun(200, func() {
			c.filter.Request(x)
			x.To = to
			_, _ = call(x)
			c.filter.Response(x)
		})
		require.LessOrEqual(t, n, c.most, "%s", c.name)
	}
}

// Five filters as the tour has them: a header, a path, a limit, a breaker, a header on the way back.
func BenchmarkChain(b *testing.B) {
	w := &filtertest.World{}
	chain := []filters.Filter{
		in(b, w, "setRequestHeader", "X-From", "gateway"), in(b, w, "setPath", "/v2"), in(b, w, "clientRatelimit", 1000000000, "1s"),
		in(b, w, "consecutiveBreaker", 5), in(b, w, "setResponseHeader", "X-Served-By", "gateway"),
	}
	x := request("GET", "http://h/", "")
	res := filtertest.Response(x.Request(), 200, "")
	call := filtertest.Wrap(chain...)
	x.To = filtertest.UpstreamFunc(func(filters.FilterContext) (*http.Response, error) { return res, nil })
	x.Serve(res)
	b.ReportAllocs()
	for b.Loop() {
		for _, f := range chain {
			f.Request(x)
		}
		_, _ = call(x)
		for i := len(chain) - 1; i >= 0; i-- {
			chain[i].Response(x)
		}
	}
}

func BenchmarkFilter(b *testing.B) {
	for _, c := range []struct {
		name string
		args []any
	}{
		{"setRequestHeader", []any{"X-A", "b"}}, {"ratelimit", []any{1000000000, "1s"}}, {"clientRatelimit", []any{1000000000, "1s"}},
		{"consecutiveBreaker", []any{5}}, {"adaptiveBreaker", nil}, {"retry", []any{2}}, {"backendTimeout", []any{"1s"}},
		{"canary", []any{"http://new", "percentage=50"}}, {"traceparent", nil}, {"flowId", nil},
	} {
		b.Run("name="+c.name, func(b *testing.B) {
			f := in(b, &filtertest.World{}, c.name, c.args...)
			x := request("GET", "http://h/", "")
			res := filtertest.Response(x.Request(), 200, "")
			call := filtertest.Wrap(f)
			to := filtertest.UpstreamFunc(func(filters.FilterContext) (*http.Response, error) { return res, nil })
			b.ReportAllocs()
			for b.Loop() {
				f.Request(x)
				x.To = to
				_, _ = call(x)
			}
		})
	}
}

func BenchmarkCompress(b *testing.B) {
	f := in(b, &filtertest.World{}, "compress")
	b.SetBytes(int64(len(long)))
	b.ReportAllocs()
	for b.Loop() {
		x := request("GET", "http://h/", "", "Accept-Encoding", "gzip")
		filtertest.Run(x, filtertest.Upstream(200, long, "Content-Type", "text/plain"), f)
		x.Body()
	}
}
