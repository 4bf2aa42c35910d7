package gateway

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"io"
	"log/slog"
	"math/big"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

// An authority signs certificates. Times are those of a synctest bubble, or of the world.
type authority struct {
	*testing.T
	dir  string
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
	pool *x509.CertPool
}

func newAuthority(t *testing.T) *authority {
	a := &authority{T: t, dir: t.TempDir(), pool: x509.NewCertPool()}
	a.key, a.cert = a.sign("ca", &x509.Certificate{IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign})
	a.pool.AddCert(a.cert)
	return a
}

func (a *authority) path(name string) string { return filepath.Join(a.dir, name) }

// sign writes NAME.pem and NAME.key.
func (a *authority) sign(name string, template *x509.Certificate) (*ecdsa.PrivateKey, *x509.Certificate) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(a, err)
	template.SerialNumber, template.Subject = big.NewInt(1), pkix.Name{CommonName: name}
	template.NotBefore, template.NotAfter = time.Unix(0, 0), time.Unix(1<<33, 0)
	parent, signer := a.cert, a.key
	if parent == nil {
		parent, signer = template, key
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, &key.PublicKey, signer)
	require.NoError(a, err)
	cert, err := x509.ParseCertificate(der)
	require.NoError(a, err)
	secret, err := x509.MarshalPKCS8PrivateKey(key)
	require.NoError(a, err)
	a.write(name+".pem", pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))
	a.write(name+".key", pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: secret}))
	return key, cert
}

func (a *authority) write(name string, data []byte) {
	require.NoError(a, os.WriteFile(a.path(name), data, 0o600))
}

// server is a certificate for names; the file's name is what tells them apart.
func (a *authority) server(file string, names ...string) CertificateFile {
	a.sign(file, &x509.Certificate{DNSNames: names, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth}})
	return CertificateFile{Cert: a.path(file + ".pem"), Key: a.path(file + ".key")}
}

// shown is the name of the certificate that a client sees.
func (h *house) shown(config *tls.Config) string {
	conn, err := h.front.Dial(context.Background())
	require.NoError(h, err)
	defer conn.Close()
	secure := tls.Client(conn, config)
	require.NoError(h, secure.HandshakeContext(context.Background()))
	return secure.ConnectionState().PeerCertificates[0].Subject.CommonName
}

func TestCertificateIsChosenByName(t *testing.T) {
	a := newAuthority(t)
	certs, err := LoadCertificates(a.server("first", "first.example"), a.server("shop", "shop.example", "www.shop.example"), a.server("wild", "*.wild.example"))
	require.NoError(t, err)
	inHouse(t, plan{routes: `a: * -> <shunt>;`, server: ServerOptions{TLS: &TLSOptions{Certificates: certs}}}, func(t *testing.T, h *house) {
		for name, want := range map[string]string{"shop.example": "shop", "WWW.shop.example": "shop", "a.wild.example": "wild",
			"a.b.wild.example": "first", "wild.example": "first", "else.example": "first", "": "first"} {
			require.Equal(t, want, h.shown(&tls.Config{ServerName: name, InsecureSkipVerify: true}), "the certificate for %q", name)
		}
	})
}

func TestCertificatesAreReloadedWholeOrNotAtAll(t *testing.T) {
	a := newAuthority(t)
	shop, bank := a.server("shop", "shop.example"), a.server("bank", "bank.example")
	certs, err := LoadCertificates(shop, bank)
	require.NoError(t, err)
	inHouse(t, plan{routes: `a: * -> <shunt>;`, server: ServerOptions{TLS: &TLSOptions{Certificates: certs}}}, func(t *testing.T, h *house) {
		serial := func(name string) string {
			conn, err := h.front.Dial(context.Background())
			require.NoError(h, err)
			defer conn.Close()
			secure := tls.Client(conn, &tls.Config{ServerName: name, RootCAs: a.pool})
			require.NoError(h, secure.Handshake(), "RULE C1: no certificate for %s", name)
			return string(secure.ConnectionState().PeerCertificates[0].Signature)
		}
		ctx, cancel := context.WithCancel(context.Background())
		defer cancel()
		go certs.Watch(ctx, time.Minute, slog.New(slog.NewTextHandler(&h.log, nil)))
		before := [2]string{serial("shop.example"), serial("bank.example")}

		a.server("shop", "shop.example")
		a.write("bank.pem", []byte("-----BEGIN CERTIFICATE-----\nbroken"))
		time.Sleep(61 * time.Second)
		require.Equal(t, before, [2]string{serial("shop.example"), serial("bank.example")}, "RULE C1: half of the certificates were taken")
		require.Contains(t, h.log.String(), "bank.pem")

		a.server("bank", "bank.example")
		time.Sleep(61 * time.Second)
		require.NotEqual(t, before[0], serial("shop.example"), "the certificate was not renewed")
		require.NotEqual(t, before[1], serial("bank.example"))
		cancel()
		synctest.Wait()
	})
}

func TestMutualTLS(t *testing.T) {
	a, stranger := newAuthority(t), newAuthority(t)
	certs, err := LoadCertificates(a.server("shop", "front.example"))
	require.NoError(t, err)
	mine, theirs := a.server("me"), stranger.server("you")
	load := func(f CertificateFile) []tls.Certificate {
		c, err := tls.LoadX509KeyPair(f.Cert, f.Key)
		require.NoError(t, err)
		return []tls.Certificate{c}
	}
	for name, c := range map[string]struct {
		optional bool
		show     []tls.Certificate
		ok       bool
	}{"good": {false, load(mine), true}, "none": {false, nil, false}, "stranger's": {false, load(theirs), false},
		"optional, none": {true, nil, true}, "optional, stranger's": {true, load(theirs), false}} {
		t.Run(name, func(t *testing.T) {
			inHouse(t, plan{routes: `a: * -> "http://a";`, behind: map[string]http.Handler{"a": says("a")},
				server: ServerOptions{TLS: &TLSOptions{Certificates: certs, ClientCAs: a.path("ca.pem"), OptionalClientCert: c.optional}}}, func(t *testing.T, h *house) {
				h.overTLS(&tls.Config{RootCAs: a.pool, GetClientCertificate: func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
					if c.show == nil {
						return &tls.Certificate{}, nil
					}
					return &c.show[0], nil // also if the server does not know who signed it
				}})
				res, err := h.client.Get("https://front.example/")
				require.Equal(t, c.ok, err == nil, "%v", err)
				if err == nil {
					res.Body.Close()
				}
			})
		})
	}
}

// overTLS makes the house's client speak TLS, and HTTP/2 if that is offered.
func (h *house) overTLS(config *tls.Config) {
	tr := h.client.Transport.(*http.Transport)
	tr.TLSClientConfig, tr.ForceAttemptHTTP2 = config, true
}

func TestBothHTTPVersionsAreSpokenOverTLSAndGuarded(t *testing.T) {
	a := newAuthority(t)
	certs, err := LoadCertificates(a.server("front", "front.example"))
	require.NoError(t, err)
	inHouse(t, plan{routes: `a: * -> "http://a";`, server: ServerOptions{TLS: &TLSOptions{Certificates: certs}},
		behind: map[string]http.Handler{"a": http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Trailer", "X-T")
			io.WriteString(w, r.Header.Get("X-Forwarded-Proto")+" "+r.Header.Get("X-Forwarded-Port")+" ")
			io.Copy(w, r.Body)
			w.Header().Set("X-T", "1")
		})}}, func(t *testing.T, h *house) {
		h.overTLS(&tls.Config{RootCAs: a.pool})
		res, err := h.client.Post("https://front.example/", "text/plain", strings.NewReader("body"))
		require.NoError(t, err)
		body, err := io.ReadAll(res.Body)
		require.NoError(t, err)
		require.Equal(t, "HTTP/2.0 https 443 body", res.Proto+" "+string(body))
		require.Equal(t, http.Header{"X-T": {"1"}}, res.Trailer, "RULE P3: trailers over HTTP/2")

		conn, err := h.front.Dial(context.Background())
		require.NoError(t, err)
		secure := tls.Client(conn, &tls.Config{RootCAs: a.pool, ServerName: "front.example", NextProtos: []string{"http/1.1"}})
		io.WriteString(secure, "GET / HTTP/1.1\r\nHost: a\r\n\r\nPOST / HTTP/1.1\r\nHost: a\r\n"+smuggled["both lengths"]+next)
		got, err := io.ReadAll(secure)
		require.NoError(t, err)
		require.Contains(t, string(got), "https 443")
		require.Equal(t, 2, strings.Count(string(got), "HTTP/1.1 "), "RULE P2: smuggled over TLS: %s", got)
		require.Contains(t, string(got), "HTTP/1.1 400 ")
		conn.Close()
	})
}

func TestSlowHandshakeHoldsUpNobody(t *testing.T) {
	a := newAuthority(t)
	certs, err := LoadCertificates(a.server("front", "front.example"))
	require.NoError(t, err)
	inHouse(t, plan{routes: `a: * -> <shunt>;`, server: ServerOptions{TLS: &TLSOptions{Certificates: certs}}}, func(t *testing.T, h *house) {
		silent, plain := h.dial(), h.dial().send("GET / HTTP/1.1\r\nHost: a\r\n\r\n")
		start := time.Now()
		require.Equal(t, "front", h.shown(&tls.Config{RootCAs: a.pool, ServerName: "front.example"}))
		require.Zero(t, time.Since(start))
		require.Empty(t, silent.rest())
		require.Equal(t, 10*time.Second, time.Since(start), "RULE P8: a silent client holds a connection")
		silent.Close()
		plain.Close()
	})
}

func TestBadCertificatesAreNamed(t *testing.T) {
	a := newAuthority(t)
	good := a.server("good", "a.example")
	a.write("bad.pem", []byte("no certificate"))
	gw, err := New(Options{})
	require.NoError(t, err)
	defer gw.Close()
	_, err = LoadCertificates()
	require.ErrorContains(t, err, "no certificate was named")
	_, err = LoadCertificates(good, CertificateFile{a.path("bad.pem"), a.path("bad.key")})
	require.ErrorContains(t, err, "bad.pem")
	_, err = NewServer(gw, ServerOptions{TLS: &TLSOptions{}})
	require.ErrorContains(t, err, "LoadCertificates")
	certs, err := LoadCertificates(good)
	require.NoError(t, err)
	_, err = NewServer(gw, ServerOptions{TLS: &TLSOptions{Certificates: certs, ClientCAs: a.path("bad.pem")}})
	require.ErrorContains(t, err, "bad.pem holds no certificate")
	_, err = NewServer(gw, ServerOptions{TLS: &TLSOptions{Certificates: certs, ClientCAs: a.path("none.pem")}})
	require.ErrorContains(t, err, "none.pem")
}
