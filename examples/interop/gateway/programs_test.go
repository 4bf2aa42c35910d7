package gateway_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestCurlIsServedInEveryWayThatItKnows(t *testing.T) {
	curl := program(t, "curl")
	s := start(t, "")
	at := "http://" + s.address
	const how = "\n%{http_code} %{http_version}"
	for _, c := range []struct {
		args []string
		want string
	}{
		{[]string{at + "/shop/items/1"}, `"item":"teapot".*\n200 1\.1$`},
		{[]string{"--http1.0", at + "/shop/items/1"}, `"item":"teapot".*\n200 1(\.[01])?$`},
		{[]string{"--http2-prior-knowledge", at + "/shop/items/1"}, `"item":"teapot".*\n200 2$`},
		{[]string{"-I", at + "/items"}, `^HTTP/1.1 200 OK.*\n200 1\.1$`},
		{[]string{"--compressed", at + "/items"}, `"saucer".*\n200 1\.1$`},
		{[]string{"-H", "Transfer-Encoding: chunked", "-d", `{"item":1}`, at + "/shop/orders"}, `"of":\{"item":1\}.*\n201 1\.1$`},
		{[]string{"-H", "Expect: 100-continue", "-d", `{"item":2}`, at + "/shop/orders"}, `"of":\{"item":2\}.*\n201 1\.1$`},
		{[]string{"--http2-prior-knowledge", "-d", `{"title":"T"}`, at + "/v1/shelves/5/books"}, `"shelves/5/books/4".*\n200 2$`},
		{[]string{"-N", at + "/v1/shelves/1/books:watch?limit=2"}, `books/1.*\n.*books/2.*\n\n200 1\.1$`},
		{[]string{"--path-as-is", at + "/shop/../v1/./books?page_size=1"}, `Mythical.*\n200 1\.1$`},
		{[]string{"--path-as-is", at + "/shop/%2e%2e/v1/books?page_size=1"}, `Mythical.*\n200 1\.1$`},
		{[]string{"--path-as-is", at + `/shop/a%00b`}, `\n400 1\.1$`},
		{[]string{at + "/nowhere"}, `\n404 1\.1$`},
	} {
		got := run(t, curl, append([]string{"-sS", "--max-time", "60", "-w", how}, c.args...)...)
		require.Regexp(t, "(?s)"+c.want, got, "curl %q", c.args)
	}
}

func TestCurlNegotiatesHTTP2OverTLS(t *testing.T) {
	curl := program(t, "curl")
	dir := t.TempDir()
	writeCertificate(t, dir)
	cert := filepath.Join(dir, "cert.pem")
	s := start(t, `a: * -> inlineContent("hello") -> <shunt>;`, "-tls-cert", cert, "-tls-key", filepath.Join(dir, "key.pem"))
	args := []string{"-sS", "--max-time", "60", "-w", " %{http_version}", "--cacert", cert}
	require.Equal(t, "hello 2", run(t, curl, append(args, "https://"+s.address+"/")...))
	require.Equal(t, "hello 1.1", run(t, curl, append(args, "--http1.1", "https://"+s.address+"/")...))
}

// writeCertificate makes a certificate for 127.0.0.1.
func writeCertificate(t *testing.T, dir string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "gateway"}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	require.NoError(t, err)
	keyDER, err := x509.MarshalPKCS8PrivateKey(key)
	require.NoError(t, err)
	for name, block := range map[string]*pem.Block{"cert.pem": {Type: "CERTIFICATE", Bytes: der}, "key.pem": {Type: "PRIVATE KEY", Bytes: keyDER}} {
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), pem.EncodeToMemory(block), 0o600))
	}
}

// Two thousand requests on ten connections, while routes change all the time.
func TestH2loadLosesNothingWhileRoutesChange(t *testing.T) {
	h2load := program(t, "h2load")
	s := start(t, "")
	file := filepath.Join("apigateway-data", "routes.eskip")
	was, err := os.ReadFile(filepath.Join(s.dir, file))
	require.NoError(t, err)
	end, changes := make(chan struct{}), make(chan int)
	go func() {
		n := 0
		for tick := time.NewTicker(50 * time.Millisecond); ; n++ {
			select {
			case <-tick.C:
				s.write(file, string(was)+fmt.Sprintf(`n%d: Path("/n") -> status(204) -> <shunt>;`, n))
			case <-end:
				tick.Stop()
				changes <- n
				return
			}
		}
	}()
	for _, protocol := range []string{"h2c", "http/1.1"} {
		out := run(t, h2load, "-n2000", "-c10", "-m10", "-p"+protocol, "http://"+s.address+"/items")
		require.Regexp(t, `requests: 2000 total, 2000 started, 2000 done, 2000 succeeded, 0 failed, 0 errored, 0 timeout`, out)
		t.Logf("%s: %s", protocol, regexp.MustCompile(`finished in .*`).FindString(out))
	}
	close(end)
	t.Logf("the file was changed %d times", <-changes)
	_, metrics := do(t, "GET http://"+s.support+"/metrics", "")
	require.Regexp(t, `gateway_config_refused_total 0\n`, metrics)
	require.NotRegexp(t, `gateway_requests_total\{route="items",status="5`, strings.TrimSpace(metrics))
}
