package filters_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"math/big"
	"net/http"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/flagship-go/flagship/gateway/filters"
	"github.com/flagship-go/flagship/gateway/filters/filtertest"
	"github.com/flagship-go/flagship/gateway/upstream"
)

func TestTraceparent(t *testing.T) {
	const trace, step = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
	form := regexp.MustCompile(`^00-([0-9a-f]{32})-([0-9a-f]{16})-0([01])$`)
	f := filter(t, "traceparent")
	for in, want := range map[string]string{ // trace and flag that go on; "": a new trace
		"00-" + trace + "-" + step + "-01":                    trace + " 1",
		"00-" + trace + "-" + step + "-00":                    trace + " 0",
		"00-" + trace + "-" + step + "-fa":                    trace + " 0",
		"00-" + trace + "-" + step + "-0b":                    trace + " 1",
		"cc-" + trace + "-" + step + "-01-what-comes":         trace + " 1",
		"00-" + trace + "-" + step + "-01-too-long":           "",
		"cc-" + trace + "-" + step + "-01x":                   "",
		"ff-" + trace + "-" + step + "-01":                    "",
		"00-" + strings.ToUpper(trace) + "-" + step + "-01":   "",
		"00-" + strings.Repeat("0", 32) + "-" + step + "-01":  "",
		"00-" + trace + "-" + strings.Repeat("0", 16) + "-01": "",
		"00-" + trace + "-" + step:                            "",
		"00_" + trace + "-" + step + "-01":                    "",
		"":                                                    "",
	} {
		x := request("GET", "http://h/", "", "Traceparent", in, "Tracestate", "a=b")
		filtertest.Run(x, filtertest.Upstream(200, ""), f)
		out := form.FindStringSubmatch(x.Request().Header.Get("Traceparent"))
		require.NotNil(t, out, "%q became %q", in, x.Request().Header["Traceparent"])
		require.NotEqual(t, step, out[2], "the gateway is a step of its own")
		if want == "" {
			require.NotEqual(t, trace, out[1], in)
			require.Equal(t, "0", out[3])
			require.Empty(t, x.Request().Header["Tracestate"], "the state of a trace that was not taken over")
			continue
		}
		require.Equal(t, want, out[1]+" "+out[3], in)
		require.Equal(t, []string{"a=b"}, x.Request().Header["Tracestate"])
	}
}

func TestFlowID(t *testing.T) {
	fresh, reuse := filter(t, "flowId"), filter(t, "flowId", "reuse")
	id := func(f filters.Filter, was ...string) string {
		x := request("GET", "http://h/", "")
		x.Request().Header["X-Flow-Id"] = was
		filtertest.Run(x, filtertest.Upstream(200, ""), f)
		return x.Request().Header.Get("X-Flow-Id")
	}
	require.Equal(t, "abc+DEF-9", id(reuse, "abc+DEF-9"))
	for _, other := range []string{id(fresh, "abc+DEF-9"), id(reuse, "short"), id(reuse, "with space"), id(reuse, "twice123", "twice123"), id(reuse)} {
		require.Regexp(t, `^[0-9a-zA-Z+-]{16}$`, other)
	}
	require.NotEqual(t, id(fresh), id(fresh))
}

func TestAccessLogFilters(t *testing.T) {
	for _, c := range []struct {
		filter filters.Filter
		status int
		want   any
	}{
		{filter(t, "enableAccessLog"), 200, true},
		{filter(t, "disableAccessLog"), 200, false},
		{filter(t, "disableAccessLog", 1, 301, 40), 404, false},
		{filter(t, "disableAccessLog", 1, 301, 40), 200, nil},
		{filter(t, "enableAccessLog", 5), 500, true},
	} {
		x := run("GET", filtertest.Upstream(c.status, ""), c.filter)
		require.Equal(t, c.want, x.Bag[filters.AccessLog])
	}
	x := run("GET", filtertest.Upstream(200, ""), filter(t, "comment", "hello"), filter(t, "annotate", "key", "value"))
	require.Equal(t, map[string]any{"annotate.key": "value"}, x.Bag)
}

func TestConfigurersSetTheirOptions(t *testing.T) {
	var o upstream.Options
	for _, f := range []filters.Filter{
		filter(t, "fadeIn", "3m", 1.5), filter(t, "consistentHashBalanceFactor", 1.5), filter(t, "healthCheck", "/healthz", "1s", "100ms", 1, 2),
		filter(t, "ejection", 0, "1s", "1m"), filter(t, "maxConcurrent", 9), filter(t, "backendProtocol", "h2c"),
	} {
		f.(filters.Configurer).Configure(&o)
		run("GET", filtertest.Upstream(200, ""), f)
	}
	require.Equal(t, upstream.Options{
		FadeIn: 3 * time.Minute, FadeInExponent: 1.5, BalanceFactor: 1.5, MaxConcurrent: 9,
		Health:    upstream.HealthOptions{Path: "/healthz", Interval: time.Second, Timeout: 100 * time.Millisecond, Healthy: 1, Unhealthy: 2},
		Ejection:  upstream.EjectionOptions{Failures: -1, Base: time.Second, Max: time.Minute},
		Transport: upstream.TransportOptions{Protocol: "h2c"},
	}, o)
}

func TestBackendTLS(t *testing.T) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	der, err := x509.CreateCertificate(rand.Reader, &x509.Certificate{SerialNumber: big.NewInt(1)}, &x509.Certificate{SerialNumber: big.NewInt(1)}, &key.PublicKey, key)
	require.NoError(t, err)
	private, err := x509.MarshalPKCS8PrivateKey(key)
	require.NoError(t, err)
	w := &filtertest.World{Files: map[string]string{
		"cert": string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})),
		"key":  string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private})),
		"none": "nothing",
	}}
	var o upstream.Options
	in(t, w, "backendTLS", "cert", "cert", "key").(filters.Configurer).Configure(&o)
	require.Len(t, o.Transport.TLS.Certificates, 1)
	require.NotNil(t, o.Transport.TLS.RootCAs)
	require.EqualValues(t, tls.VersionTLS12, o.Transport.TLS.MinVersion)
	in(t, w, "backendTLS", "").(filters.Configurer).Configure(&o)
	require.Nil(t, o.Transport.TLS.RootCAs)
	require.Contains(t, refused(t, w, "backendTLS", "none"), "none has no certificate in PEM")
	require.Contains(t, refused(t, w, "backendTLS", "", "cert", "none"), "cert and none: tls: ")
	require.Contains(t, refused(t, w, "backendTLS", "", "cert"), "argument 3 (key file) is missing")
}

func TestConsistentHashKey(t *testing.T) {
	key := func(id string) uint64 {
		x := request("GET", "http://h/", "")
		x.Params, x.Key = map[string]string{"id": id}, 1
		filtertest.Run(x, filtertest.Upstream(200, ""), filter(t, "consistentHashKey", "p-${id}"))
		return x.Key
	}
	require.EqualValues(t, 1, key(""), "without a value it is the default key")
	require.NotEqual(t, key("a"), key("b"))
	require.Equal(t, key("a"), key("a"))
}

func TestTemplates(t *testing.T) {
	x := request("PUT", "http://shop.org:80/a/b?q=1&q=2", "", "X-A", "a1", "X-A", "a2", "Cookie", "sid=s")
	x.Params = map[string]string{"id": "7"}
	filtertest.Run(x, filtertest.Upstream(200, "", "X-R", "r"))
	for text, want := range map[string]string{
		"plain": "plain", "": "", "$5 {x}": "$5 {x}", "${id}": "7", "a${id}b${id}": "a7b7",
		"${request.method} ${request.host} ${request.path} ${request.rawQuery}": "PUT shop.org:80 /a/b q=1&q=2",
		"${request.query.q} ${request.header.x-a} ${request.cookie.sid}":        "1 a1 s",
		"${request.source}${request.clientIP}${request.sourceFromLast}":         "192.0.2.1192.0.2.1192.0.2.1",
		"${response.header.X-R}": "r",
		"(${none})":              "() missing",
		"${request.query.x}":     " missing",
		"${request.cookie.x}":    " missing",
		"${response.header.x}":   " missing",
	} {
		tmpl, err := filters.ParseTemplate(text)
		require.NoError(t, err)
		require.Equal(t, text, tmpl.String())
		value, whole := tmpl.Eval(x)
		if !whole {
			value += " missing"
		}
		require.Equal(t, want, value, text)
	}
	_, whole := must(filters.ParseTemplate("${response.header.A}")).Eval(request("GET", "http://h/", ""))
	require.False(t, whole)
	for _, text := range []string{"${", "${}", "a${b", "${request.query.}", "${response.status}"} {
		_, err := filters.ParseTemplate(text)
		require.Error(t, err, text)
	}
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

func TestErrorsSayWhatTheyAre(t *testing.T) {
	err := &filters.Error{Status: 504, Reason: "no answer in 1s", Err: http.ErrHandlerTimeout}
	require.EqualError(t, err, "504 Gateway Timeout: no answer in 1s: http: Handler timeout")
	require.ErrorIs(t, err, http.ErrHandlerTimeout)
	require.False(t, filters.IsLocal(err))
}
