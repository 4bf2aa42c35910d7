package evidence

import (
	"crypto/ed25519"
	"encoding/base64"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/flagship-go/flagship/bft/internal/chaintest"
	"github.com/flagship-go/flagship/bft/p2p"
	"github.com/flagship-go/flagship/bft/privval"
	"github.com/flagship-go/flagship/bft/types"
	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/encoding/protowire"
)

func errorsAs(err error, target any) bool { return err != nil && errors.As(err, target) }

func base64Key(name string) string {
	return base64.StdEncoding.EncodeToString(privval.NewMemSigner(name).PubKey())
}

// newSwitch makes a switch on a network in memory, which is not started.
func newSwitch(t *testing.T, m *p2p.Memory, i int) *p2p.Switch {
	seed := make([]byte, ed25519.SeedSize)
	seed[0] = byte(i)
	listener, err := m.Listen(fmt.Sprintf("node%d:1", i))
	require.NoError(t, err)
	s, err := p2p.New(p2p.Options{Key: ed25519.NewKeyFromSeed(seed), Network: "test", Listener: listener, Dial: m.Dial})
	require.NoError(t, err)
	t.Cleanup(func() { s.Close() })
	return s
}

func link(t *testing.T, a, b *p2p.Switch) *p2p.Peer {
	p, err := a.Dial(t.Context(), b.Address())
	require.NoError(t, err)
	return p
}

// A puppet is a handler that counts what it hears.
type puppet struct{ heard [][]byte }

func (*puppet) AddPeer(*p2p.Peer)                 {}
func (*puppet) RemovePeer(*p2p.Peer, error)       {}
func (h *puppet) Receive(_ *p2p.Peer, msg []byte) { h.heard = append(h.heard, msg) }

func TestEvidenceReachesAllAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var m p2p.Memory
		c := newChain(t, 5)
		var pools []*Pool
		var switches []*p2p.Switch
		for i := range 4 { // a line, on one chain
			s := newSwitch(t, &m, i+1)
			pools = append(pools, newPool(t, c, Options{Switch: s}))
			require.NoError(t, s.Start())
			if i > 0 {
				link(t, s, switches[i-1])
			}
			switches = append(switches, s)
		}
		synctest.Wait()
		began := time.Now()
		pools[0].Report(c.DoubleVote("2", 4, 0))
		pools[0].Report(c.DoubleVote("1", 4, 0))
		synctest.Wait()
		require.Zero(t, time.Since(began), "RULE P2: gossip waits for events, not for time")
		for _, p := range pools {
			require.Equal(t, pools[0].Pending(1<<20), p.Pending(1<<20), "RULE P2: to all, in order")
		}
		for _, s := range switches {
			require.NotEmpty(t, s.Peers(), "nobody was at fault")
		}
	})
}

func TestEvidenceOfAHeightToComeIsKeptForIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var m p2p.Memory
		ahead, behind := newChain(t, 6), newChain(t, 3)
		s1, s2 := newSwitch(t, &m, 1), newSwitch(t, &m, 2)
		p1, p2 := newPool(t, ahead, Options{Switch: s1}), newPool(t, behind, Options{Switch: s2})
		require.NoError(t, s1.Start())
		require.NoError(t, s2.Start())
		for r := range types.Round(maxEarly + 4) {
			p1.Report(ahead.DoubleVote("2", 5, r))
		}
		link(t, s1, s2)
		synctest.Wait()
		require.Zero(t, pending(p2))
		require.Len(t, p2.early, maxEarly, "RULE E1: bounded")
		require.Len(t, s2.Peers(), 1, "to be ahead is no fault")
		behind.Grow(6)
		require.Equal(t, maxEarly, pending(p2), "RULE E1: judged when its height is decided")
		require.Empty(t, p2.early)
	})
}

// wrap is a message.
func wrap(e *types.DuplicateVoteEvidence) []byte {
	return protowire.AppendBytes([]byte{tag}, e.Encode(nil))
}

func TestWhoPassesOnWhatWasMadeUpIsDisconnected(t *testing.T) {
	for _, x := range []struct {
		name  string
		msg   func(c *chaintest.Chain) []byte
		fault bool
	}{
		{"good", func(c *chaintest.Chain) []byte { return wrap(c.Evidence("2", 29, 0)) }, false},
		{"expired", func(c *chaintest.Chain) []byte { return wrap(c.Evidence("2", 3, 0)) }, false},
		{"from the future", func(c *chaintest.Chain) []byte {
			e := c.Evidence("2", 29, 0)
			e.First.Height, e.Second.Height = 99, 99
			return wrap(e)
		}, false},
		{"known", func(c *chaintest.Chain) []byte {
			return append(wrap(c.Evidence("2", 29, 0)), wrap(c.Evidence("2", 29, 0))...)
		}, false},
		{"forged", func(c *chaintest.Chain) []byte {
			e := c.Evidence("2", 29, 0)
			e.First.Signature = e.Second.Signature
			return wrap(e)
		}, true},
		{"wrong power", func(c *chaintest.Chain) []byte {
			e := c.Evidence("2", 29, 0)
			e.ValidatorPower = 3
			return wrap(e)
		}, true},
		{"garbage", func(*chaintest.Chain) []byte { return []byte("garbage") }, true},
		{"garbage inside", func(*chaintest.Chain) []byte { return []byte{tag, 3, 1, 2, 3} }, true},
		{"cut off", func(c *chaintest.Chain) []byte { return wrap(c.Evidence("2", 29, 0))[:50] }, true},
		{"too large", func(*chaintest.Chain) []byte {
			return protowire.AppendBytes([]byte{tag}, make([]byte, maxEvidence+1))
		}, true},
	} {
		t.Run(x.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var m p2p.Memory
				c := newChain(t, 30)
				s, peer := newSwitch(t, &m, 1), newSwitch(t, &m, 2)
				p := newPool(t, c, Options{Switch: s})
				heard := &puppet{}
				require.NoError(t, peer.Channel(p2p.ChannelOptions{ID: Channel}, heard))
				require.NoError(t, s.Start())
				require.NoError(t, peer.Start())
				require.True(t, link(t, peer, s).Send(Channel, x.msg(c)))
				synctest.Wait()
				require.Equal(t, x.fault, len(s.Peers()) == 0, "RULE E1: %s", x.name)
				require.Empty(t, heard.heard, "RULE P2: nothing is sent back to who has sent it")
				want := 0
				if x.name == "good" || x.name == "known" {
					want = 1
				}
				require.Equal(t, want, pending(p))
			})
		})
	}
}

// FuzzMessage hears anything: of what is evidence there is one message, and the rest is an error.
func FuzzMessage(f *testing.F) {
	e := newChain(f, 3).Evidence("2", 2, 0).Encode(nil)
	f.Add(protowire.AppendBytes(append(protowire.AppendBytes([]byte{tag}, e), tag), e))
	f.Fuzz(func(t *testing.T, msg []byte) {
		for len(msg) > 0 {
			e, rest, err := takeEvidence(msg)
			if err != nil {
				require.True(t, errors.Is(err, types.ErrEvidence) || errors.Is(err, types.ErrEncoding), "%v", err)
				return
			}
			taken := msg[:len(msg)-len(rest)]
			require.Equal(t, taken, protowire.AppendBytes([]byte{tag}, e.Encode(nil)), "RULE ENC: a second message")
			msg = rest
		}
	})
}

// What comes too early is kept for a peer that is here, and no longer.
func TestEarlyEvidenceGoesWithItsPeer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var m p2p.Memory
		c, ahead := newChain(t, 5), newChain(t, 9)
		s := newSwitch(t, &m, 1)
		p := newPool(t, c, Options{Switch: s})
		require.NoError(t, s.Start())
		for i := range 3 {
			peer := newSwitch(t, &m, 2+i)
			require.NoError(t, peer.Channel(p2p.ChannelOptions{ID: Channel}, &puppet{}))
			require.NoError(t, peer.Start())
			require.True(t, link(t, peer, s).Send(Channel, wrap(ahead.Evidence("2", 9, types.Round(i)))))
			synctest.Wait()
			require.Len(t, p.early, 1, "RULE E1: it waits for its height")
			require.NoError(t, peer.Close())
			synctest.Wait()
			require.Empty(t, p.early, "RULE E1: what peers that have gone sent early is kept")
		}
	})
}
