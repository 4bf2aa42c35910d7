package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// certificate makes one for 127.0.0.1 that vouches for itself, in files.
func certificate(t *testing.T) (cert, key string) {
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true,
		KeyUsage:    x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth, x509.ExtKeyUsageServerAuth}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}}
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
	cert, key := certificate(t)
	pair, err := tls.LoadX509KeyPair(cert, key)
	require.NoError(t, err)
	s := &secure{pair: pair, roots: x509.NewCertPool(), flags: []string{"-data-dir", t.TempDir(),
		"-listen-client-urls", "https://127.0.0.1:0", "-cert-file", cert, "-key-file", key, "-trusted-ca-file", cert}}
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
