package transcode

import (
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/flagship-go/flagship/gateway/filters"
	"github.com/flagship-go/flagship/gateway/filters/filtertest"
	"github.com/flagship-go/flagship/internal/cputime"
)

// BenchmarkUnary is a call through the filter, there and back, without network: the frame that went is the frame that comes.
func BenchmarkUnary(b *testing.B) {
	services, rules := load(b,
		method("Get", allType, allType, "", rule("GET", "/v1/{name=shelves/*}")),
		method("Put", allType, allType, "", rule("PUT", "/v1/all").withBody("*")),
	)
	f := &filter{rules: rules, codec: new(Spec).codec(services)}
	large := `{"name":"x","tags":["a"` + strings.Repeat(`,"tag"`, 150) + `]}`
	for _, c := range []struct{ name, request, body string }{
		{"get=small", "GET /v1/shelves/7?i64=1&kind=LARGE", ""},
		{"put=small", "PUT /v1/all", `{"name":"shelves/7","i64":"1","kind":"LARGE"}`},
		{"put=1k", "PUT /v1/all", large},
	} {
		b.Run(c.name, func(b *testing.B) {
			first := newRequest(b.Context(), c.request, c.body)
			ctx := filtertest.Of(first)
			echo := filtertest.UpstreamFunc(func(c filters.FilterContext) (*http.Response, error) { return grpcAnswer(c.Request().Body), nil })
			b.ReportAllocs()
			defer cputime.Report(b)()
			for b.Loop() {
				r, u := *first, *first.URL // what is copied here counts with one allocation for each
				r.URL, r.Header, r.Body = &u, make(http.Header), io.NopCloser(strings.NewReader(c.body))
				ctx.SetRequest(&r)
				filtertest.Run(ctx, echo, f)
				if ctx.Response().StatusCode != 200 {
					b.Fatal(ctx.Body())
				}
			}
		})
	}
}

// grpcAnswer has the status in its header already, and the message that was asked with as its own.
func grpcAnswer(body io.ReadCloser) *http.Response {
	return &http.Response{
		StatusCode: 200, ContentLength: -1, Body: body,
		Header: http.Header{"Content-Type": {"application/grpc"}, "Grpc-Status": {"0"}},
	}
}

func BenchmarkMatch(b *testing.B) {
	_, rules := load(b,
		method("Get", allType, allType, "", rule("GET", "/v1/{name=shelves/*}"), rule("GET", "/v1/{name=shelves/*/books/*}"), rule("GET", "/v1/{name=**}:stat")),
	)
	require.NotNil(b, rules.Match("GET", "/v1/shelves/7/books/8"))
	b.ReportAllocs()
	for b.Loop() {
		rules.Match("GET", "/v1/shelves/7/books/8")
	}
}
