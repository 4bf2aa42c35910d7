package tcp

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"math/big"
	"net"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/flagship-go/flagship/raft"
)

// authority makes certificates for nodes.
type authority struct {
	t    testing.TB
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
	pool *x509.CertPool
}

func newAuthority(t testing.TB) *authority {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "test authority"}, IsCA: true, BasicConstraintsValid: true,
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), KeyUsage: x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	require.NoError(t, err)
	cert, err := x509.ParseCertificate(der)
	require.NoError(t, err)
	a := &authority{t, cert, key, x509.NewCertPool()}
	a.pool.AddCert(cert)
	return a
}

// config is a node's TLS configuration; the certificate names the node.
func (a *authority) config(id raft.NodeID) *tls.Config {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(a.t, err)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(int64(id) + 1), Subject: pkix.Name{CommonName: id.String()},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth, x509.ExtKeyUsageServerAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, a.cert, &key.PublicKey, a.key)
	require.NoError(a.t, err)
	return &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}, RootCAs: a.pool}
}

// verifyName binds a certificate to the node it names.
func verifyName(id raft.NodeID, state tls.ConnectionState) error {
	if len(state.PeerCertificates) == 0 {
		return errors.New("no certificate")
	}
	if name := state.PeerCertificates[0].Subject.CommonName; name != id.String() {
		return errors.New("certificate is of " + name)
	}
	return nil
}

// pair starts nodes 1 and 2 on loopback and returns them.
func pair(t *testing.T, change func(o *Options)) (one, two *Transport, inTwo *received) {
	start := func(id raft.NodeID, peers map[raft.NodeID]string) (*Transport, *received) {
		o := Options{ID: id, Address: "127.0.0.1:0", Peers: peers, Logger: textLogger(newTestWriter(t))}
		change(&o)
		tr, err := Listen(o)
		require.NoError(t, err)
		t.Cleanup(func() {
			if !t.Failed() {
				require.NoError(t, tr.Close())
			}
		})
		in := &received{}
		require.NoError(t, tr.Start(in.deliver))
		return tr, in
	}
	two, inTwo = start(2, map[raft.NodeID]string{1: "127.0.0.1:1"})
	one, _ = start(1, map[raft.NodeID]string{2: two.Addr().String()})
	require.NoError(t, two.SetPeer(1, one.Addr().String()))
	return one, two, inTwo
}

func eventually(t *testing.T, what string, condition func() bool) {
	t.Helper()
	require.Eventually(t, condition, 30*time.Second, 2*time.Millisecond, what)
}

func TestCertificatesDecideWhoMayTalk(t *testing.T) {
	ours, theirs := newAuthority(t), newAuthority(t)
	both := theirs.config(1)
	both.RootCAs = ours.pool // knows ours, but shows one of another authority
	bare := ours.config(1)
	bare.Certificates = nil
	for _, c := range []struct {
		name  string
		one   *tls.Config
		two   raft.NodeID // whom 2's certificate names
		names bool        // VerifyPeer compares them
		want  string      // in why 1 is not connected to 2
		is    error
	}{
		{"right", ours.config(1), 2, true, "", nil},
		{"certificate of another node", ours.config(3), 2, true, "certificate is of n3", ErrIdentity},
		{"listener's certificate of another node", ours.config(1), 3, true, "certificate is of n3", ErrIdentity},
		{"another authority", theirs.config(1), 2, true, "certificate signed by unknown authority", nil},
		{"certificate of another authority", both, 2, true, "remote error: tls: unknown certificate authority", nil},
		{"no certificate", bare, 2, false, "remote error: tls: certificate required", nil},
		{"no TLS", nil, 2, true, "does only one of the two use TLS?", ErrProtocol},
	} {
		t.Run(c.name, func(t *testing.T) {
			one, two, in := pair(t, func(o *Options) {
				o.TLS = ours.config(c.two)
				if o.ID == 1 {
					o.TLS = c.one
				}
				if c.names && o.TLS != nil {
					o.VerifyPeer = verifyName
				}
			})
			if c.want == "" {
				eventually(t, "connected", func() bool { return peerStatus(one, 2).Connected })
				one.Send([]raft.Message{heartbeat(1, 2, 1)})
				eventually(t, "delivered", func() bool { return len(in.all()) == 1 })
				return
			}
			promise := "RULE T3: who shows the wrong certificate is not talked to"
			eventually(t, "judged", func() bool {
				return two.Metrics().Refused > 0 && peerStatus(one, 2).Err != nil || two.Metrics().Accepted > 0
			})
			require.Zero(t, two.Metrics().Accepted, promise)
			err := peerStatus(one, 2).Err
			require.ErrorContains(t, err, c.want, promise)
			if c.is != nil {
				require.ErrorIs(t, err, c.is, promise)
			}
			require.Empty(t, in.all(), promise)
		})
	}
}
