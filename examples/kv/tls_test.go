package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"math/big"
	mathrand "math/rand/v2"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// certificate makes one for an address that vouches for itself, in files.
func certificate(t *testing.T, ip string) (cert, key string) {
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true,
		KeyUsage:    x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth, x509.ExtKeyUsageServerAuth}, IPAddresses: []net.IP{net.ParseIP(ip)}}
	der, err := x509.CreateCertificate(rand.Reader, template, template, private.Public(), private)
	require.NoError(t, err)
	pkcs8, err := x509.MarshalPKCS8PrivateKey(private)
	require.NoError(t, err)
	dir := t.TempDir()
	cert, key = filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	require.NoError(t, os.WriteFile(cert, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o600))
	require.NoError(t, os.WriteFile(key, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: pkcs8}), 0o600))
	return cert, key
}

// secure is what it takes to speak TLS with a child.
type secure struct {
	pair  tls.Certificate
	roots *x509.CertPool
	flags []string
}

func newSecure(t *testing.T) *secure {
	s := secureAt(t, "127.0.0.1", "")
	s.flags = append([]string{"-data-dir", t.TempDir(), "-listen-client-urls", "https://127.0.0.1:0"}, s.flags...)
	return s
}

// secureAt has the files of an address, and the flags for them, which begin with
// prefix; those of the authority are the last.
func secureAt(t *testing.T, ip, prefix string) *secure {
	cert, key := certificate(t, ip)
	pair, err := tls.LoadX509KeyPair(cert, key)
	require.NoError(t, err)
	s := &secure{pair: pair, roots: x509.NewCertPool(),
		flags: []string{"-" + prefix + "cert-file", cert, "-" + prefix + "key-file", key, "-" + prefix + "trusted-ca-file", cert}}
	text, err := os.ReadFile(cert)
	require.NoError(t, err)
	s.roots.AppendCertsFromPEM(text)
	return s
}

func (s *secure) put(url string, h2 bool, certs ...tls.Certificate) (*http.Response, error) {
	transport := &http.Transport{ForceAttemptHTTP2: h2, TLSClientConfig: &tls.Config{RootCAs: s.roots, Certificates: certs}}
	defer transport.CloseIdleConnections()
	c := &http.Client{Transport: transport, Timeout: 20 * time.Second}
	r, err := c.Post(url+"/v3/kv/put", "", strings.NewReader(`{"key":"YQ=="}`))
	if err == nil {
		r.Body.Close()
	}
	return r, err
}

// Over TLS clients are served by HTTP/1 and HTTP/2.
func TestClientsAreServedOverTLS(t *testing.T) {
	s := newSecure(t)
	c := launch(t, s.flags[:len(s.flags)-2]...)
	for _, h2 := range []bool{false, true} {
		r, err := s.put(c.url, h2)
		require.NoError(t, err)
		require.Equal(t, http.StatusOK, r.StatusCode)
		require.Equal(t, h2, r.ProtoMajor == 2)
	}
	status, _, err := post(strings.Replace(c.url, "https", "http", 1), "/v3/kv/put", "{}")
	require.NoError(t, err)
	require.Equal(t, http.StatusBadRequest, status, "whoever forgets TLS is told so")
	require.Zero(t, c.Term(), c.Stderr.String())
}

func TestOnlyClientsWithACertificateAreServedWhereThereIsAnAuthority(t *testing.T) {
	s := newSecure(t)
	c := launch(t, s.flags...)
	_, err := s.put(c.url, true)
	rule(t, "F6", err != nil, "a client without a certificate is served")
	r, err := s.put(c.url, true, s.pair)
	require.NoError(t, err)
	require.Equal(t, http.StatusOK, r.StatusCode)
	require.Zero(t, c.Term(), c.Stderr.String())
}

// Two of three processes, which are a majority, speak TLS with each other, and
// with nobody who has no certificate.
func TestMembersTalkOverTLSWithThoseWhoShowACertificate(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("needs addresses 127.x.y.z of its own, which only Linux gives without asking")
	}
	ip := fmt.Sprintf("127.%d.%d.%d", 1+mathrand.IntN(254), mathrand.IntN(256), 1+mathrand.IntN(254))
	s := secureAt(t, ip, "peer-")
	peerURL := func(i int) string { return fmt.Sprintf("https://%s:2380%d", ip, i) }
	cluster := fmt.Sprintf("m1=%s,m2=%s,m3=%s", peerURL(1), peerURL(2), peerURL(3))
	member := func(i int) *process {
		return launch(t, append([]string{"-name", fmt.Sprintf("m%d", i), "-data-dir", t.TempDir(), "-listen-client-urls", "http://" + ip + ":0",
			"-listen-peer-urls", peerURL(i), "-initial-cluster", cluster}, s.flags...)...)
	}
	c := []*process{member(1), member(2)}
	ok(t, c[0].url, "/v3/kv/put", `{"key":"YQ=="}`)
	require.Contains(t, ok(t, c[1].url, "/v3/kv/range", `{"key":"YQ=="}`), `"count":"1"`)
	_, err := s.put(peerURL(1), false)
	rule(t, "F6", err != nil, "a member serves who shows no certificate")
	_, err = s.put(peerURL(1), false, s.pair)
	rule(t, "F6", err == nil, "a member does not listen to who shows its certificate: %v", err)
	for _, m := range c {
		require.Zero(t, m.Term(), m.Stderr.String())
	}
}
