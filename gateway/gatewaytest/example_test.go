package gatewaytest_test

import (
	"fmt"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"strings"
	"time"

	"github.com/flagship-go/flagship/gateway/gatewaytest"
)

// homework is a proxy as one writes it on the first evening.
type homework struct {
	*http.Server
	ln net.Listener
}

func (h homework) Addr() string { return h.ln.Addr().String() }

func startHomework(c gatewaytest.Config) (gatewaytest.Proxy, error) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	mux := http.NewServeMux()
	for _, r := range c.Routes {
		target := &url.URL{Scheme: "http", Host: r.Upstream}
		mux.Handle(strings.TrimSuffix(r.Prefix, "/")+"/", &httputil.ReverseProxy{
			Transport: &http.Transport{DisableKeepAlives: true},
			Rewrite: func(p *httputil.ProxyRequest) {
				p.SetURL(target)
				// "The proxy should not hide anything from the upstream."
				p.Out.Header["Proxy-Authorization"] = p.In.Header["Proxy-Authorization"]
			},
		})
	}
	h := homework{&http.Server{Handler: mux}, ln}
	go func() { _ = h.Serve(ln) }()
	return h, nil
}

// A test calls Run, and gets a subtest a rule. Grade and Check are for programs.
func Example() {
	for _, r := range gatewaytest.Rules() {
		switch r.ID {
		case "methods", "hop-request", "hop-request-named", "encoded":
			if err := r.Check(startHomework, gatewaytest.Capabilities{}, 10*time.Second); err != nil {
				fmt.Println(err)
			} else {
				fmt.Println("kept:", r.Text)
			}
		}
	}
	// Output:
	// kept: A method arrives as it was sent, also one that nobody knows.
	// RULE U9: encoded (pitfall 12): the client sent [], the upstream got Accept-Encoding ["gzip"]
	// RULE P1: hop-request (RFC 9110, 7.6.1): Proxy-Authorization came through: ["Basic YTpi"]
	// kept: So do those that Connection names.
}
