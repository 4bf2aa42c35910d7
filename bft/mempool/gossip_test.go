package mempool

import (
	"crypto/ed25519"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/flagship-go/flagship/bft/p2p"
	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/encoding/protowire"
)

// A station is a pool with a switch, on a network in memory.
type station struct {
	*Pool
	*p2p.Switch
	app *judge
}

func newSwitch(t *testing.T, m *p2p.Memory, i int, change func(*p2p.Options)) *p2p.Switch {
	seed := make([]byte, ed25519.SeedSize)
	seed[0] = byte(i)
	listener, err := m.Listen(fmt.Sprintf("node%d:1", i))
	require.NoError(t, err)
	o := p2p.Options{Key: ed25519.NewKeyFromSeed(seed), Network: "test", Listener: listener, Dial: m.Dial}
	if change != nil {
		change(&o)
	}
	s, err := p2p.New(o)
	require.NoError(t, err)
	t.Cleanup(func() { s.Close() })
	return s
}

func newStation(t *testing.T, m *p2p.Memory, i int, o Options) *station {
	s := &station{app: &judge{}, Switch: newSwitch(t, m, i, nil)}
	o.Switch = s.Switch
	s.Pool = newPool(t, s.app, o)
	require.NoError(t, s.Start())
	return s
}

func link(t *testing.T, a, b *p2p.Switch) *p2p.Peer {
	p, err := a.Dial(t.Context(), b.Address())
	require.NoError(t, err)
	return p
}

func names(prefix string, n int) []string {
	txs := make([]string, n)
	for i := range txs {
		txs[i] = fmt.Sprintf("%s%04d", prefix, i)
	}
	return txs
}

func TestTransactionsReachAllInOrderAndAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var m p2p.Memory
		a, b, c := newStation(t, &m, 1, Options{}), newStation(t, &m, 2, Options{}), newStation(t, &m, 3, Options{})
		before := names("before", 300)
		add(t, a.Pool, before...)
		link(t, a.Switch, b.Switch)
		link(t, b.Switch, c.Switch) // a and c know each other by b
		began := time.Now()
		after := names("after", 300)
		synctest.Wait()
		add(t, a.Pool, after...)
		synctest.Wait()
		require.Zero(t, time.Since(began), "RULE P2: gossip waits for events, not for time")
		want := strings.Join(append(before, after...), "|")
		require.Equal(t, want, reap(b.Pool, -1, -1), "RULE P2: all, in order")
		require.Equal(t, want, reap(c.Pool, -1, -1), "RULE P2: and over two links")
		for _, s := range []*station{a, b, c} {
			require.Zero(t, s.Metrics().Seen, "RULE P2: nothing is sent to who has it")
		}
		require.Less(t, a.Metrics().Batches, uint64(600), "RULE P2: in batches")
	})
}

func TestWhatAPeerHasSentIsNotSentBackAlsoIfItWasHereBefore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var m p2p.Memory
		a := newStation(t, &m, 1, Options{})
		got := make(chan []byte, 100)
		peer := newSwitch(t, &m, 2, nil)
		require.NoError(t, peer.Channel(p2p.ChannelOptions{ID: Channel}, puppet(got)))
		require.NoError(t, peer.Start())
		p := link(t, peer, a.Switch)
		require.True(t, p.Send(Channel, []byte("\x0a\x04hers")))
		synctest.Wait()
		require.Equal(t, "hers", reap(a.Pool, -1, -1))
		add(t, a.Pool, "ours")
		synctest.Wait()
		require.Len(t, got, 1, "RULE P2: what a peer has sent is not sent to it")
		_, tx, rest, err := takeField(<-got)
		require.NoError(t, err)
		require.Equal(t, "ours", string(tx))
		require.Empty(t, rest)
	})
}

// A puppet is a handler that only listens.
type puppet chan []byte

func (puppet) AddPeer(*p2p.Peer)                 {}
func (puppet) RemovePeer(*p2p.Peer, error)       {}
func (h puppet) Receive(_ *p2p.Peer, msg []byte) { h <- msg }

func TestGarbageEndsTheLinkAndNothingElse(t *testing.T) {
	for name, msg := range map[string]string{"another field": "\x12\x01a", "cut off": "\x0a\x05ab", "a length without end": "\x0a\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff"} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var m p2p.Memory
				a := newStation(t, &m, 1, Options{})
				peer := newSwitch(t, &m, 2, nil)
				require.NoError(t, peer.Channel(p2p.ChannelOptions{ID: Channel}, puppet(make(chan []byte, 9))))
				require.NoError(t, peer.Start())
				require.True(t, link(t, peer, a.Switch).Send(Channel, []byte("\x0a\x01x"+msg)))
				synctest.Wait()
				require.Empty(t, a.Peers(), "RULE P2: who sends garbage is disconnected")
				add(t, a.Pool, "and goes on")
			})
		})
	}
}

// A node whose application hangs in a check can be closed all the same.
func TestASwitchClosesWhileTheApplicationHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var m p2p.Memory
		a, b := newStation(t, &m, 1, Options{}), newStation(t, &m, 2, Options{})
		hold := make(chan struct{})
		answer := sync.OnceFunc(func() { close(hold) })
		defer answer()
		time.AfterFunc(time.Hour, answer) // so that who waits hears it
		b.app.during = func(string) { <-hold }
		link(t, a.Switch, b.Switch)
		add(t, a.Pool, "a")
		synctest.Wait()
		began := time.Now()
		require.NoError(t, b.Close())
		require.LessOrEqual(t, time.Since(began), 2*time.Minute, "RULE M4: the node hangs with its application, and cannot be closed")
	})
}

func TestAPeersTransactionsAreCheckedAndBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var m p2p.Memory
		a, b := newStation(t, &m, 1, Options{}), newStation(t, &m, 2, Options{MaxTxs: 3, MaxTxBytes: 10})
		b.app.bad = map[string]bool{"bad": true}
		add(t, a.Pool, "bad", "t1", "much-longer-than-that", "t2", "t3", "t4")
		link(t, a.Switch, b.Switch)
		synctest.Wait()
		require.Equal(t, "t1|t2|t3", reap(b.Pool, -1, -1), "RULE M2: bounded")
		require.Len(t, a.Peers(), 1, "another opinion is no fault")
		require.Equal(t, Metrics{Txs: 3, Bytes: 6, Added: 3, Refused: 1, Full: 1}, b.Metrics())
	})
}

func TestAPeerThatComesBackIsToldWhatIsThere(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var m p2p.Memory
		a := newStation(t, &m, 1, Options{})
		b := newStation(t, &m, 2, Options{})
		link(t, a.Switch, b.Switch)
		synctest.Wait()
		add(t, a.Pool, "t1", "t2")
		synctest.Wait()
		require.NoError(t, b.Close())
		synctest.Wait()
		add(t, a.Pool, "t3")
		commit(t, a.Pool, "t1")
		c := newStation(t, &m, 2, Options{}) // with nothing
		link(t, a.Switch, c.Switch)
		synctest.Wait()
		require.Equal(t, "t2|t3", reap(c.Pool, -1, -1), "RULE P2: once to each, in order")
	})
}

func TestManyPoolsOnARingHaveTheSame(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var m p2p.Memory
		var all []*station
		for i := range 7 {
			all = append(all, newStation(t, &m, i+1, Options{}))
		}
		for i, s := range all {
			link(t, s.Switch, all[(i+1)%7].Switch)
		}
		var want []string
		for i, s := range all {
			txs := names(fmt.Sprint("from", i, "-", strings.Repeat("x", 100)), 100)
			want = append(want, txs...)
			add(t, s.Pool, txs...)
		}
		synctest.Wait()
		slices.Sort(want)
		for i, s := range all {
			got := strings.Split(reap(s.Pool, -1, -1), "|")
			slices.Sort(got)
			require.Equal(t, want, got, "RULE P2: node %d", i)
		}
	})
}

// FuzzMessage hears anything: what is taken has one message, and the rest is an error.
func FuzzMessage(f *testing.F) {
	passed := neighbour{score: lazyFrom}
	f.Add(passed.encode([]transaction{{bytes: []byte("a=1")}, {bytes: make([]byte, 300), passed: true}}))
	f.Add(appendKey(nil, wantTag, Key{1}))
	f.Fuzz(func(t *testing.T, msg []byte) {
		for len(msg) > 0 {
			tag, value, rest, err := takeField(msg)
			if err != nil {
				require.ErrorIs(t, err, ErrMessage)
				return
			}
			require.Equal(t, msg[:len(msg)-len(rest)], protowire.AppendBytes([]byte{tag}, value), "RULE ENC: a second message")
			msg = rest
		}
	})
}
