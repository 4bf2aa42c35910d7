package p2p

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

func TestMessagesArriveInOrderAndWhole(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var m Memory
		a, b := newNode(t, &m, 1), newNode(t, &m, 2)
		p, err := a.Dial(t.Context(), peerAddress(2))
		require.NoError(t, err)
		var want []string
		for i := range 300 {
			msg := strings.Repeat(string(rune('a'+i%26)), i*i)
			want = append(want, msg)
			require.True(t, p.Send(1, []byte(msg)))
		}
		synctest.Wait()
		require.Equal(t, want, b.got(), "RULE P1: in order and whole")
		require.Equal(t, idOf(1), b.Peers()[0].ID())
		require.Equal(t, idOf(2), p.ID())
		require.False(t, p.Send(9, nil), "a channel that the peer does not have")
	})
}

func TestPersistentPeersComeBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var m Memory
		a := newNode(t, &m, 1, persistent(1, 2))
		time.Sleep(time.Minute) // nobody is there
		failed := a.events.of(Refused)
		require.Greater(t, len(failed), 6, "RULE P1: dialed again and again")
		require.Less(t, len(failed), 20, "RULE P1: each time later")
		b := newNode(t, &m, 2)
		time.Sleep(11 * time.Second)
		require.Len(t, a.Peers(), 1, "RULE P1: found when it is there")
		b.Stop(b.Peers()[0], errors.New("something else to do"))
		time.Sleep(11 * time.Second)
		require.Len(t, a.Peers(), 1, "RULE P1: and found again")
		require.ErrorIs(t, reason(t, a, 0), ErrStopped)
		require.ErrorContains(t, reason(t, a, 0), "something else to do")
		require.NoError(t, b.Close())
		synctest.Wait()
		require.Empty(t, a.Peers())
		require.NoError(t, b.Close(), "closing twice")
	})
}

func TestTwoThatDialAtOnceKeepOneLink(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var m Memory
		var dialed sync.WaitGroup
		dialed.Add(2)
		together := func(_ *testNode, o *Options, _ *ChannelOptions) {
			o.Dial = func(ctx context.Context, address string) (net.Conn, error) {
				conn, err := m.Dial(ctx, address)
				dialed.Done()
				dialed.Wait()
				return conn, err
			}
		}
		a, b := newNode(t, &m, 1, together), newNode(t, &m, 2, together)
		go a.Dial(t.Context(), peerAddress(2))
		go b.Dial(t.Context(), peerAddress(1))
		time.Sleep(time.Minute)
		require.Len(t, a.Peers(), 1, "RULE P1: both keep the same link")
		require.Len(t, b.Peers(), 1, "RULE P1: both keep the same link")
		require.Equal(t, a.ID() < b.ID(), a.Peers()[0].Outbound(), "RULE P1: that of the lower id")
		require.Equal(t, b.ID() < a.ID(), b.Peers()[0].Outbound(), "RULE P1: that of the lower id")
	})
}

func TestWhoIsNotWelcomeIsToldWhy(t *testing.T) {
	type change = func(*testNode, *Options, *ChannelOptions)
	for _, c := range []struct {
		name    string
		change  change
		address string
		want    error
	}{
		{"another chain", func(_ *testNode, o *Options, _ *ChannelOptions) { o.Network = "other" }, peerAddress(2), ErrNetwork},
		{"no common channel", func(_ *testNode, _ *Options, c *ChannelOptions) { c.ID = 7 }, peerAddress(2), ErrVersion},
		{"another node at the address", nil, string(idOf(3)) + "@" + address(2), ErrIdentity},
		{"ourselves", nil, string(idOf(3)) + "@" + address(1), ErrSelf},
		{"nobody there", nil, string(idOf(3)) + "@nowhere:1", ErrGone},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var m Memory
				var changes []change
				if c.change != nil {
					changes = append(changes, c.change)
				}
				a := newNode(t, &m, 1, changes...)
				b, d := newNode(t, &m, 2), newNode(t, &m, 4)
				_, err := d.Dial(t.Context(), peerAddress(2))
				require.NoError(t, err)
				_, err = a.Dial(t.Context(), c.address)
				require.ErrorIs(t, err, c.want, "RULE P1: %s", c.name)
				require.True(t, slices.ContainsFunc(a.events.of(Refused), func(e Event) bool { return errors.Is(e.Err, c.want) }), "RULE P1: %s", c.name)
				time.Sleep(time.Minute)
				require.Empty(t, a.Peers())
				require.Len(t, b.Peers(), 1, "RULE P1: the other link stays")
			})
		})
	}
}

func TestAPeerIsBannedForAWhile(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var m Memory
		a, b := newNode(t, &m, 1), newNode(t, &m, 2)
		_, err := a.Dial(t.Context(), peerAddress(2))
		require.NoError(t, err)
		synctest.Wait()
		b.Ban(a.ID(), time.Minute, errors.New("it has lied"))
		synctest.Wait()
		require.ErrorIs(t, reason(t, a, 0), ErrBanned, "RULE P1: told why")
		_, err = a.Dial(t.Context(), peerAddress(2))
		require.NoError(t, err, "the link is made, and ended by the other side")
		synctest.Wait()
		require.ErrorIs(t, reason(t, a, 1), ErrBanned)
		require.Empty(t, b.Peers(), "RULE P1: banned")
		time.Sleep(time.Minute)
		_, err = a.Dial(t.Context(), peerAddress(2))
		require.NoError(t, err)
		synctest.Wait()
		require.Len(t, b.Peers(), 1)
	})
}

func TestInboundLimitDoesNotCountPersistentPeers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var m Memory
		a := newNode(t, &m, 1, persistent(5), func(_ *testNode, o *Options, _ *ChannelOptions) { o.MaxInbound = 2 })
		for i := 2; i <= 5; i++ {
			n := newNode(t, &m, i)
			_, err := n.Dial(t.Context(), peerAddress(1))
			require.NoError(t, err)
			synctest.Wait()
			if i == 4 {
				require.ErrorIs(t, reason(t, n, 0), ErrFull, "RULE P1: the inbound limit")
			} else {
				require.Len(t, n.Peers(), 1, "RULE P1: strangers do not keep a persistent peer out")
			}
		}
		require.Len(t, a.Peers(), 3)
	})
}

func TestASecondNodeWithTheSameKeyIsRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var m Memory
		a, b := newNode(t, &m, 1), newNode(t, &m, 2)
		twin := newNode(t, &m, 3, func(_ *testNode, o *Options, _ *ChannelOptions) { o.Key = testKey(2) })
		_, err := b.Dial(t.Context(), peerAddress(1))
		require.NoError(t, err)
		synctest.Wait()
		_, err = twin.Dial(t.Context(), peerAddress(1))
		require.NoError(t, err)
		synctest.Wait()
		require.ErrorIs(t, reason(t, twin, 0), ErrDuplicate, "RULE P1: one link a node")
		require.Len(t, a.Peers(), 1)
		require.True(t, b.Peers()[0].Send(1, []byte("still here")))
		synctest.Wait()
		require.Equal(t, []string{"still here"}, a.got(), "RULE P1: and the first stays")
	})
}

func TestPingsKeepAQuietLinkAndSilenceEndsIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var m Memory
		a, b := newNode(t, &m, 1), newNode(t, &m, 2)
		_, err := a.Dial(t.Context(), peerAddress(2))
		require.NoError(t, err)
		time.Sleep(time.Hour)
		require.Len(t, b.Peers(), 1, "RULE P1: pings keep a quiet link")
		require.Equal(t, 1, len(b.events.of(Connected)))

		silent := dialRaw(t, &m, 2)
		g := greetRaw(t, silent, 3)
		go func() {
			for { // reads, and says nothing
				if _, err := g.conn.next(); err != nil {
					return
				}
			}
		}()
		synctest.Wait()
		require.Len(t, b.Peers(), 2)
		time.Sleep(31 * time.Second)
		require.Len(t, b.Peers(), 1, "RULE P1: silence ends a link")
		require.ErrorIs(t, reason(t, b, 0), ErrTimeout)
	})
}

// greetRaw does a handshake as node i, and leaves the link to the test.
func greetRaw(t *testing.T, conn interface {
	Close() error
}, i int) *greeted {
	t.Helper()
	o, err := Options{Key: testKey(i), Network: "test", HandshakeTimeout: time.Hour}.withDefaults()
	require.NoError(t, err)
	c := conn.(*memoryConn)
	g, err := greet(c, &o, &Hello{Version: Version, Network: "test", Channels: []byte{1}}, "", true)
	require.NoError(t, err)
	return g
}

func TestASlowReaderCostsItsQueueOnly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var m Memory
		a, b := newNode(t, &m, 1), newNode(t, &m, 2)
		_, err := a.Dial(t.Context(), peerAddress(2))
		require.NoError(t, err)
		conn := dialRaw(t, &m, 2)
		g := greetRaw(t, conn, 3)
		go func() { // it says that it is there, and reads nothing
			for {
				if _, err := conn.Write(sealed(g.conn, appendPacket(nil, packetPing, 0, nil))); err != nil {
					return
				}
				select {
				case <-time.After(time.Second):
				case <-t.Context().Done():
					return
				}
			}
		}()
		synctest.Wait()
		slow, fast := b.Peer(idOf(3)), b.Peer(a.ID())
		msg := bytes.Repeat([]byte{1}, 10_000)
		n := 0
		for range 3 { // the writer takes some at first
			for slow.TrySend(1, msg) {
				n++
			}
			synctest.Wait()
		}
		require.Greater(t, n, 90, "RULE P1: about Queue bytes wait")
		require.Less(t, n, 130, "RULE P1: and not more")
		sent := make(chan bool)
		go func() { sent <- slow.Send(1, msg) }()
		require.True(t, fast.Send(1, []byte("hello")))
		synctest.Wait()
		require.Equal(t, []string{"hello"}, a.got(), "RULE P1: the others do not wait")
		time.Sleep(31 * time.Second)
		require.False(t, <-sent, "RULE P1: who waits for room hears that the link has ended")
		require.ErrorIs(t, reason(t, b, 0), ErrTimeout, "RULE P1: a peer that takes nothing is too slow")
		require.Len(t, b.Peers(), 1)
	})
}

func TestAFullInboxDoesWhatItsChannelSays(t *testing.T) {
	for how, name := range []string{Wait: "wait", Drop: "drop", End: "end"} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var m Memory
				a := newNode(t, &m, 1, func(_ *testNode, _ *Options, c *ChannelOptions) { c.Queue = 2 << 20 }) // all that is sent
				b := newNode(t, &m, 2, func(n *testNode, _ *Options, c *ChannelOptions) {
					n.hold = make(chan struct{})
					c.Inbox, c.WhenFull = 10_000, WhenFull(how)
				})
				p, err := a.Dial(t.Context(), peerAddress(2))
				require.NoError(t, err)
				for i := range 1000 {
					p.Send(1, fmt.Appendf(nil, "%04d%996s", i, "")) // false when a flood has ended the link
				}
				synctest.Wait()
				if WhenFull(how) == End {
					require.ErrorIs(t, reason(t, a, 0), ErrFlood, "RULE P1: a flood ends its link")
					require.ErrorIs(t, reason(t, b, 0), ErrFlood)
					return
				}
				close(b.hold)
				synctest.Wait()
				if WhenFull(how) == Wait {
					require.Len(t, b.got(), 1000, "RULE P1: nothing is lost by waiting")
					return
				}
				require.Len(t, b.got(), 9, "RULE P1: an inbox is bounded")
				require.Equal(t, 991, b.Status().Peers[0].Channels[0].Dropped)
			})
		})
	}
}

func TestPrioritiesShareABusyLink(t *testing.T) {
	m := [2]int{}
	p := &Peer{sw: &Switch{}}
	p.room.L = &p.mu
	for i, priority := range []int{1, 9} {
		l := &lane{channel: &channel{ChannelOptions: ChannelOptions{ID: byte(i), Priority: priority, Queue: 1 << 30}}}
		p.lanes = append(p.lanes, l)
	}
	sent := func(bytes int) {
		for b := p.packets(nil, bytes); len(b) > 0; {
			n := packetHead + int(b[2])<<8 + int(b[3])
			m[b[1]] += n
			b = b[n:]
		}
	}
	for range 500 {
		p.lanes[0].put(make([]byte, 4000))
	}
	sent(1_000_000)
	require.Equal(t, 1_000_000, m[0], "RULE P1: who is alone has the link")
	for range 500 {
		p.lanes[1].put(make([]byte, 4000))
	}
	m[0] = 0
	sent(1_000_000)
	require.InDelta(t, 900_000, m[1], 40_000, "RULE P1: by priority, and for the present only")
	require.InDelta(t, 100_000, m[0], 40_000, "RULE P1: nobody is starved")
}

func TestNextIsAskedWhenTheLinkIsReady(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var m Memory
		a := newNode(t, &m, 1)
		source := []string{"one", "two", "three"}
		asked := 0
		b := newNode(t, &m, 2, func(_ *testNode, _ *Options, c *ChannelOptions) {
			c.Next = func(*Peer) []byte {
				asked++
				if len(source) == 0 {
					return nil
				}
				msg := source[0]
				source = source[1:]
				return []byte(msg)
			}
		})
		p, err := b.Dial(t.Context(), peerAddress(1))
		require.NoError(t, err)
		synctest.Wait()
		require.Empty(t, a.got())
		require.Zero(t, asked, "RULE P2: not asked before Wake")
		p.Wake(1)
		synctest.Wait()
		require.Equal(t, []string{"one", "two", "three"}, a.got(), "RULE P2: asked until there is nothing")
		require.Equal(t, 4, asked)
		require.Equal(t, uint64(1), p.writes.Load(), "RULE P2: what there is goes in one write")
	})
}

func TestALongMessageIsNotSentAndEndsTheLinkThatItComesFrom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var m Memory
		a := newNode(t, &m, 1, func(_ *testNode, _ *Options, c *ChannelOptions) { c.MaxMessage = 2000 })
		b := newNode(t, &m, 2, func(_ *testNode, _ *Options, c *ChannelOptions) { c.MaxMessage = 1000 })
		p, err := a.Dial(t.Context(), peerAddress(2))
		require.NoError(t, err)
		require.False(t, p.Send(1, make([]byte, 2001)))
		require.True(t, p.Send(1, make([]byte, 1000)))
		synctest.Wait()
		require.Len(t, b.got(), 1)
		require.True(t, p.Send(1, make([]byte, 1001)))
		synctest.Wait()
		require.ErrorIs(t, reason(t, b, 0), ErrTooLarge, "RULE P1: a message's size is bounded")
		require.ErrorIs(t, reason(t, a, 0), ErrTooLarge, "RULE P1: and the sender hears why")
	})
}

func TestCloseEndsWhatIsUnderWay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var m Memory
		a, b := newNode(t, &m, 1), newNode(t, &m, 2)
		_, err := a.Dial(t.Context(), peerAddress(2))
		require.NoError(t, err)
		dialRaw(t, &m, 2) // in its handshake
		synctest.Wait()
		require.NoError(t, b.Close())
		synctest.Wait()
		require.ErrorIs(t, reason(t, a, 0), ErrClosed)
		_, err = b.Dial(context.Background(), peerAddress(1))
		require.ErrorIs(t, err, ErrClosed)
		require.ErrorIs(t, b.Channel(ChannelOptions{ID: 3}, b), ErrOptions)
		require.ErrorIs(t, b.Start(), ErrClosed)
	})
}
