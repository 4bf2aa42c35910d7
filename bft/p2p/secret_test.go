package p2p

import (
	"bytes"
	"crypto/ed25519"
	"encoding/hex"
	"io"
	"net"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/oasisprotocol/curve25519-voi/curve"
	"github.com/stretchr/testify/require"
)

// refusedBy waits until node n refuses something for want, and looks whether its other link still works.
func refusedBy(t *testing.T, n *testNode, want error, what string) {
	t.Helper()
	synctest.Wait()
	refused := n.events.of(Refused)
	require.Len(t, refused, 1, "RULE P1: %s", what)
	require.ErrorIs(t, refused[0].Err, want, "RULE P1: %s", what)
	stillConnected(t, n, what)
}

func stillConnected(t *testing.T, n *testNode, what string) {
	t.Helper()
	require.Len(t, n.Peers(), 1, "RULE P1: %s: the other link stays", what)
	before := len(n.got())
	require.True(t, n.friend.Peers()[0].Send(1, []byte("hello")))
	synctest.Wait()
	require.Len(t, n.got(), before+1, "RULE P1: %s: and works", what)
}

// target is a node with one good link.
func target(t *testing.T, m *Memory) *testNode {
	n := newNode(t, m, 2)
	n.friend = newNode(t, m, 9)
	_, err := n.friend.Dial(t.Context(), peerAddress(2))
	require.NoError(t, err)
	synctest.Wait()
	return n
}

func TestWhatIsNotAHandshakeEndsItsLinkAlone(t *testing.T) {
	zero := make([]byte, 32)
	one := append([]byte{1}, zero[:31]...)
	for _, c := range []struct {
		name string
		send []byte
		hang bool // and say nothing more
		want error
	}{
		{"a web browser", []byte("GET / HTTP/1.1\r\n\r\n"), true, ErrProtocol},
		{"another version", append([]byte("bft/p2p\x02"), zero...), true, ErrVersion},
		{"nothing", nil, true, ErrTimeout},
		{"half a magic", []byte(magic[:3]), true, ErrTimeout},
		{"half a magic, and gone", []byte(magic[:3]), false, ErrGone},
		{"half a point", append([]byte(magic), zero[:20]...), true, ErrTimeout},
		{"the point zero", append([]byte(magic), zero...), true, ErrAuth},
		{"the point one", append([]byte(magic), one...), true, ErrAuth},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var m Memory
				n := target(t, &m)
				conn := dialRaw(t, &m, 2)
				go conn.Write(c.send)
				go io.Copy(io.Discard, conn)
				synctest.Wait()
				if !c.hang {
					conn.Close()
				} else if c.want == ErrTimeout {
					require.Empty(t, n.events.of(Refused))
					time.Sleep(6 * time.Second)
				}
				refusedBy(t, n, c.want, c.name)
			})
		})
	}
}

// openRaw exchanges points as a dialer.
func openRaw(t *testing.T, conn net.Conn) *secretConn {
	s, err := exchange(conn, true)
	require.NoError(t, err)
	_, err = s.next() // the listener's proof
	require.NoError(t, err)
	return s
}

func sealed(s *secretConn, plain []byte) []byte {
	return s.endRecord(append(beginRecord(nil), plain...), 0)
}

func TestWhoCannotProveItsKeyIsNotAPeer(t *testing.T) {
	hello := (&Hello{Version: Version, Network: "test", Channels: []byte{1}}).append(nil)
	low, err := hex.DecodeString(smallY[1])
	require.NoError(t, err)
	for _, c := range []struct {
		name  string
		proof func(s *secretConn) []byte
		want  error
	}{
		{"somebody else's key", func(s *secretConn) []byte {
			b := s.prove(testKey(3), hello)
			copy(b, testKey(4).Public().(ed25519.PublicKey))
			return b
		}, ErrAuth},
		{"the listener's side of the signature", func(s *secretConn) []byte {
			s.dialer = false
			return s.prove(testKey(3), hello)
		}, ErrAuth},
		{"a signature over another challenge", func(s *secretConn) []byte {
			s.challenge[5]++
			return s.prove(testKey(3), hello)
		}, ErrAuth},
		{"a key of low order", func(*secretConn) []byte {
			// With this key R = identity, S = 0 is a signature for everything.
			return slices.Concat(low, low, make([]byte, 32), hello)
		}, ErrAuth},
		{"our own key", func(s *secretConn) []byte { return s.prove(testKey(2), hello) }, ErrSelf},
		{"half a proof", func(s *secretConn) []byte { return s.prove(testKey(3), hello)[:40] }, ErrProtocol},
		{"half a hello", func(s *secretConn) []byte { return s.prove(testKey(3), hello[:5]) }, ErrProtocol},
		{"another version", func(s *secretConn) []byte {
			return s.prove(testKey(3), (&Hello{Version: 2, Network: "test", Channels: []byte{1}}).append(nil))
		}, ErrVersion},
		{"another chain", func(s *secretConn) []byte {
			return s.prove(testKey(3), (&Hello{Version: 1, Network: "tset", Channels: []byte{1}}).append(nil))
		}, ErrNetwork},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var m Memory
				n := target(t, &m)
				conn := dialRaw(t, &m, 2)
				s := openRaw(t, conn)
				_, err := conn.Write(sealed(s, c.proof(s)))
				require.NoError(t, err)
				refusedBy(t, n, c.want, c.name)
			})
		})
	}
}

func TestKeysOfLowOrderAreTheEight(t *testing.T) {
	for _, text := range smallY {
		for _, sign := range []byte{0, 0x80} {
			key, err := hex.DecodeString(text)
			require.NoError(t, err)
			key[31] |= sign
			require.True(t, lowOrder(key))
			var compressed curve.CompressedEdwardsY
			copy(compressed[:], key)
			var p curve.EdwardsPoint
			if _, err := p.SetCompressedY(&compressed); err == nil {
				require.True(t, p.IsSmallOrder(), text)
			}
		}
	}
	require.False(t, lowOrder(testKey(1).Public().(ed25519.PublicKey)))
}

// A tape records what a dialer says.
type tape struct {
	net.Conn
	said []byte
}

func (c *tape) Write(b []byte) (int, error) {
	c.said = append(c.said, b...)
	return c.Conn.Write(b)
}

func TestAReplayedHandshakeMeetsOtherKeys(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var m Memory
		n := target(t, &m)
		rec := &tape{Conn: dialRaw(t, &m, 2)}
		o, err := Options{Key: testKey(3), Network: "test", HandshakeTimeout: time.Hour}.withDefaults()
		require.NoError(t, err)
		_, err = greet(rec, &o, &Hello{Version: Version, Network: "test", Channels: []byte{1}}, "", true)
		require.NoError(t, err)
		synctest.Wait()
		require.Len(t, n.Peers(), 2)
		rec.Close()
		synctest.Wait()

		again := dialRaw(t, &m, 2)
		go io.Copy(io.Discard, again)
		_, err = again.Write(rec.said)
		require.NoError(t, err)
		refusedBy(t, n, ErrAuth, "a replayed handshake")
	})
}

func TestAnEchoIsNotAPeer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := net.Pipe()
		defer a.Close()
		defer b.Close()
		go io.Copy(b, b)
		_, err := exchange(a, true)
		require.ErrorIs(t, err, ErrAuth, "RULE P1: our own point comes back")
	})
}

func TestAGarbledRecordEndsItsLinkAlone(t *testing.T) {
	data := func(s string) []byte { return appendPacket(nil, packetLast, 1, []byte(s)) }
	for _, c := range []struct {
		name string
		send func(s *secretConn) []byte
		want error
		got  []string
	}{
		{"good", func(s *secretConn) []byte { return slices.Concat(sealed(s, data("a")), sealed(s, data("b"))) }, nil, []string{"a", "b"}},
		{"a flipped bit", func(s *secretConn) []byte {
			b := sealed(s, data("a"))
			b[5] ^= 1
			return b
		}, ErrAuth, nil},
		{"a changed length", func(s *secretConn) []byte {
			b := sealed(s, data("abc"))
			b[1]--
			return b
		}, ErrAuth, nil},
		{"repeated", func(s *secretConn) []byte {
			b := sealed(s, data("a"))
			return slices.Concat(b, b)
		}, ErrAuth, []string{"a"}},
		{"left out", func(s *secretConn) []byte {
			sealed(s, data("a"))
			return sealed(s, data("b"))
		}, ErrAuth, nil},
		{"turned around", func(s *secretConn) []byte {
			a, b := sealed(s, data("a")), sealed(s, data("b"))
			return slices.Concat(b, a)
		}, ErrAuth, nil},
		{"an empty record", func(s *secretConn) []byte { return sealed(s, nil) }, ErrProtocol, nil},
		{"a record that is too long", func(*secretConn) []byte { return []byte{0xff, 0xff, 1} }, ErrProtocol, nil},
		{"half a packet's head", func(s *secretConn) []byte { return sealed(s, []byte{packetLast, 1}) }, ErrProtocol, nil},
		{"half a packet", func(s *secretConn) []byte { return sealed(s, data("abc")[:5]) }, ErrProtocol, nil},
		{"a packet of no kind", func(s *secretConn) []byte { return sealed(s, appendPacket(nil, 77, 1, nil)) }, ErrProtocol, nil},
		{"an unknown channel", func(s *secretConn) []byte { return sealed(s, appendPacket(nil, packetLast, 2, nil)) }, ErrProtocol, nil},
		{"an empty piece", func(s *secretConn) []byte { return sealed(s, appendPacket(nil, packetMore, 1, nil)) }, ErrProtocol, nil},
		{"an empty farewell", func(s *secretConn) []byte { return sealed(s, appendPacket(nil, packetFarewell, 0, nil)) }, ErrProtocol, nil},
		{"a farewell", func(s *secretConn) []byte {
			return sealed(s, appendPacket(nil, packetFarewell, 0, farewell(ErrFull)))
		}, ErrFull, nil},
		{"half a record", func(s *secretConn) []byte { return sealed(s, data("abc"))[:9] }, ErrTimeout, nil},
		{"half a head", func(s *secretConn) []byte { return sealed(s, data("abc"))[:1] }, ErrTimeout, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var m Memory
				n := target(t, &m)
				conn := dialRaw(t, &m, 2)
				g := greetRaw(t, conn, 3)
				go io.Copy(io.Discard, conn)
				synctest.Wait()
				require.Len(t, n.Peers(), 2)
				go conn.Write(c.send(g.conn))
				synctest.Wait()
				if c.want == nil {
					require.Equal(t, c.got, n.got())
					return
				}
				require.LessOrEqual(t, len(n.got()), len(c.got), "RULE P1: %s", c.name) // what is in the inbox at the end is dropped
				if c.want == ErrTimeout {
					require.Len(t, n.Peers(), 2)
					time.Sleep(31 * time.Second)
					synctest.Wait()
				}
				require.Len(t, n.reasons(), 1, "RULE P1: %s", c.name)
				require.ErrorIs(t, reason(t, n, 0), c.want, "RULE P1: %s", c.name)
				stillConnected(t, n, c.name)
			})
		})
	}
}

func TestAFloodOfConnectionsPushesOutTheOldest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var m Memory
		n := target(t, &m)
		for range 200 {
			dialRaw(t, &m, 2)
		}
		synctest.Wait()
		require.Len(t, n.events.of(Refused), 200-64, "RULE P1: as many wait in their handshake as may")
		good := newNode(t, &m, 5)
		_, err := good.Dial(t.Context(), peerAddress(2))
		require.NoError(t, err, "RULE P1: and who comes in good faith gets in")
		synctest.Wait()
		require.Len(t, n.Peers(), 2)
	})
}

func TestAFloodOfPingsIsAnsweredByFewPongs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var m Memory
		n := target(t, &m)
		conn := dialRaw(t, &m, 2)
		g := greetRaw(t, conn, 3)
		var b []byte
		for range 1000 {
			b = appendPacket(b, packetPing, 0, nil)
		}
		_, err := conn.Write(sealed(g.conn, b)) // and reads nothing
		require.NoError(t, err)
		synctest.Wait()
		require.Less(t, n.Peer(idOf(3)).sent.Load(), uint64(100), "RULE P1: what is owed is bounded")
		require.True(t, n.friend.Peers()[0].Send(1, []byte("hello")))
		synctest.Wait()
		require.Equal(t, []string{"hello"}, n.got(), "RULE P1: and the others do not notice")
	})
}

// FuzzPackets gives a link whatever: it may only end with an error that has a name.
func FuzzPackets(f *testing.F) {
	f.Add(appendPacket(appendPacket(nil, packetMore, 1, []byte("ab")), packetLast, 1, []byte("c")))
	f.Add(appendPacket(nil, packetFarewell, 0, farewell(ErrBanned)))
	f.Add([]byte{packetPing, 0, 0, 0, packetPong, 0, 0, 0, packetLast, 1, 0, 9})
	f.Fuzz(func(t *testing.T, plain []byte) {
		a, b := net.Pipe()
		defer a.Close()
		defer b.Close()
		key := bytes.Repeat([]byte{1}, 32)
		aead, err := newAEAD(key)
		require.NoError(t, err)
		p := &Peer{sw: &Switch{}, wake: make(chan struct{}, 1)}
		p.sw.opts.Timeout = time.Minute
		l := &lane{channel: &channel{ChannelOptions: ChannelOptions{ID: 1, MaxMessage: 1000, WhenFull: Drop}}}
		l.inbox.init(5000)
		p.lanes = []*lane{l}
		in := &secretConn{Conn: b, opener: aead}
		in.r = newReader(b)
		p.link = &greeted{conn: in}
		out := &secretConn{sealer: aead}
		go func() {
			for len(plain) > 0 {
				n := min(len(plain), maxRecord)
				if _, err := a.Write(sealed(out, plain[:n])); err != nil {
					return
				}
				plain = plain[n:]
			}
			a.Close()
		}()
		err = p.read()
		named := slices.ContainsFunc(reasons[1:], func(target error) bool { return isError(err, target) })
		require.True(t, named, "%v", err)
		held, _ := l.inbox.size()
		require.LessOrEqual(t, held, 5000)
		require.LessOrEqual(t, len(l.partial), 1000)
	})
}

func FuzzHello(f *testing.F) {
	f.Add((&Hello{Version: 1, Network: "n", Moniker: "m", Listen: "l", Channels: []byte{1, 2}}).append(nil))
	f.Fuzz(func(t *testing.T, b []byte) {
		h, err := decodeHello(b)
		if err != nil {
			require.ErrorIs(t, err, ErrProtocol)
			return
		}
		for _, text := range []string{h.Network, h.Moniker, h.Listen} {
			require.LessOrEqual(t, len(text), maxText, "RULE P1: bounded")
		}
		require.LessOrEqual(t, len(h.Channels), maxChannels, "RULE P1: bounded")
		again, err := decodeHello(append(h.append(nil), "of a newer build"...))
		require.NoError(t, err)
		require.Equal(t, h, again)
	})
}
