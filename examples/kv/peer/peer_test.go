package peer_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"math/big"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/flagship-go/flagship/examples/kv/peer"
	"github.com/flagship-go/flagship/examples/kv/service"
	"github.com/flagship-go/flagship/examples/kv/store"
	"github.com/flagship-go/flagship/raft"
)

// authority makes certificates for 127.0.0.1.
func authority(t *testing.T) *tls.Config {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	cert := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true,
		KeyUsage:    x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth, x509.ExtKeyUsageServerAuth}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}}
	der, err := x509.CreateCertificate(rand.Reader, cert, cert, key.Public(), key)
	require.NoError(t, err)
	pool := x509.NewCertPool()
	parsed, err := x509.ParseCertificate(der)
	require.NoError(t, err)
	pool.AddCert(parsed)
	return &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}, RootCAs: pool, ClientCAs: pool}
}

// rule reports a broken rule in the form that the kill matrix reads.
func rule(t *testing.T, id string, kept bool, format string, args ...any) {
	t.Helper()
	if !kept {
		t.Fatalf("RULE %s: %s", id, fmt.Sprintf(format, args...))
	}
}

// start runs n members on loopback, and returns them with their peer URLs.
func start(t *testing.T, n int, config *tls.Config) (members []*service.Member, urls []string) {
	var listeners []net.Listener
	var seeds []store.Member
	for i := range n {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		require.NoError(t, err)
		scheme := "http://"
		if config != nil {
			scheme = "https://"
		}
		listeners = append(listeners, l)
		urls = append(urls, scheme+l.Addr().String())
		seeds = append(seeds, store.Member{ID: uint64(i + 1), PeerURLs: urls[i : i+1]})
	}
	for i, l := range listeners {
		p, err := peer.Listen(peer.Options{ID: raft.NodeID(i + 1), ClusterID: "test", Listener: l, TLS: config})
		require.NoError(t, err)
		o := service.Options{Peers: p, Seeds: seeds, Self: seeds[i], ClusterID: 7}
		o.Raft = raft.Options{Transport: p, TickInterval: 10 * time.Millisecond}
		o.Raft.ID = raft.NodeID(i + 1)
		for _, s := range seeds {
			o.Raft.Voters = append(o.Raft.Voters, raft.NodeID(s.ID))
		}
		m, err := service.Start(o)
		require.NoError(t, err)
		p.Serve(m)
		members = append(members, m)
		t.Cleanup(func() { require.NoError(t, m.Close()) })
	}
	return members, urls
}

func TestMembersServeEachOthersClients(t *testing.T) {
	for name, config := range map[string]*tls.Config{"plain": nil, "TLS": authority(t)} {
		t.Run(name, func(t *testing.T) {
			members, _ := start(t, 3, config)
			for i, m := range members {
				_, err := m.Put(t.Context(), &store.PutRequest{Key: []byte{byte('a' + i)}})
				require.NoError(t, err)
			}
			for _, m := range members {
				r, err := m.Range(t.Context(), &store.RangeRequest{Key: []byte("a"), End: []byte("z")}, false)
				require.NoError(t, err)
				require.Len(t, r.KVs, 3)
				grant, err := m.LeaseGrant(t.Context(), &store.LeaseGrantRequest{TTL: 100})
				require.NoError(t, err)
				ttl, err := m.LeaseRenew(t.Context(), grant.ID)
				require.NoError(t, err)
				require.EqualValues(t, 100, ttl)
				_, err = m.LeaseRenew(t.Context(), 5)
				var refusal *store.Error
				require.ErrorAs(t, err, &refusal, "a refusal comes over as it was")
				require.Equal(t, *store.ErrLeaseNotFound, *refusal)
			}
		})
	}
}

func TestStrangersAreNotServed(t *testing.T) {
	config := authority(t)
	_, urls := start(t, 1, config)
	stranger := config.Clone()
	stranger.Certificates = nil
	_, err := peer.Call(t.Context(), peer.NewClient(stranger), urls[0], service.CallMembers, service.EncodeMembers(false))
	rule(t, "P1", err != nil, "served without a certificate")
	_, err = peer.Call(t.Context(), peer.NewClient(nil), strings.Replace(urls[0], "https", "http", 1), service.CallMembers, service.EncodeMembers(false))
	rule(t, "P1", err != nil, "served without TLS")
	b, err := peer.Call(t.Context(), peer.NewClient(config), urls[0], service.CallMembers, service.EncodeMembers(false))
	require.NoError(t, err)
	c, err := service.DecodeCluster(b)
	require.NoError(t, err)
	require.EqualValues(t, 7, c.ID)
	_, err = peer.Call(t.Context(), peer.NewClient(config), urls[0], "nothing", nil)
	require.ErrorContains(t, err, `unknown call "nothing"`)
}

// Only a call that certainly was not made may be repeated.
func TestCallsThatFailSayWhetherTheyWereMade(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	s := &http.Server{Handler: http.HandlerFunc(func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) })}
	go s.Serve(l)
	client := peer.NewClient(nil)
	defer client.CloseIdleConnections()
	_, err = peer.Call(context.Background(), client, "http://"+l.Addr().String(), "propose", []byte("x"))
	rule(t, "P2", errors.Is(err, raft.ErrOutcomeUnknown) && !errors.Is(err, service.ErrNotSent), "a call was made and not answered: %v", err)
	s.Close()
	_, err = peer.Call(context.Background(), client, "http://"+l.Addr().String(), "propose", []byte("x"))
	rule(t, "P2", errors.Is(err, service.ErrNotSent), "a call could not be made: %v", err)
}

// A stranger's answer, here of a server that is none of ours, tells nothing
// about the call.
func TestAnswerOfAStrangerLeavesTheOutcomeOpen(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	s := &http.Server{Handler: http.NotFoundHandler()}
	go s.Serve(l)
	defer s.Close()
	client := peer.NewClient(nil)
	defer client.CloseIdleConnections()
	_, err = peer.Call(t.Context(), client, "http://"+l.Addr().String(), "propose", []byte("x"))
	rule(t, "P2", errors.Is(err, raft.ErrOutcomeUnknown), "a stranger answered: %v", err)
}

// A member that is starting serves nothing, and says that it did not.
func TestMemberThatIsStartingIsNotServed(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	p, err := peer.Listen(peer.Options{ID: 1, ClusterID: "test", Listener: l})
	require.NoError(t, err)
	defer p.Close()
	client := peer.NewClient(nil)
	defer client.CloseIdleConnections()
	_, err = peer.Call(t.Context(), client, "http://"+l.Addr().String(), service.CallPropose, []byte("x"))
	rule(t, "P2", errors.Is(err, raft.ErrDropped), "a member that is starting says %v", err)
}

func TestCallsGoWhereAMemberIsNow(t *testing.T) {
	members, urls := start(t, 1, nil)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	p, err := peer.Listen(peer.Options{ID: 2, ClusterID: "test", Listener: l})
	require.NoError(t, err)
	defer p.Close()
	ask := func() error {
		_, err := p.Call(t.Context(), 1, service.CallMembers, service.EncodeMembers(false))
		return err
	}
	rule(t, "P4", errors.Is(ask(), service.ErrNotSent), "somebody unknown was called")
	p.Update(map[raft.NodeID][]string{1: {"http://127.0.0.1:1", urls[0]}})
	rule(t, "P4", ask() == nil, "of two addresses the first answers nothing: %v", ask())
	p.Update(map[raft.NodeID][]string{1: {"http://127.0.0.1:1"}})
	rule(t, "P4", errors.Is(ask(), service.ErrNotSent), "called where it is no more")
	p.Update(map[raft.NodeID][]string{1: urls})
	rule(t, "P4", ask() == nil, "it is back and not reached: %v", ask())
	p.Update(nil)
	rule(t, "P4", errors.Is(ask(), service.ErrNotSent), "called though it is gone")
	require.NoError(t, members[0].Err())
}
