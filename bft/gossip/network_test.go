package gossip

import (
	"context"
	"crypto/ed25519"
	"fmt"
	"net"
	"path/filepath"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/flagship-go/flagship/bft"
	"github.com/flagship-go/flagship/bft/memory"
	"github.com/flagship-go/flagship/bft/p2p"
	"github.com/flagship-go/flagship/bft/privval"
	"github.com/flagship-go/flagship/bft/store"
	"github.com/flagship-go/flagship/bft/types"
	"github.com/stretchr/testify/require"
)

// A network is validators, each with its switch, gossip and node.
type network struct {
	t       testing.TB
	genesis *types.Genesis
	cables  *p2p.Memory // nil: TCP
	members []*member
	halt    types.Height
	options func(i int, o *bft.Options) // changes a node's
}

type member struct {
	i      int
	key    ed25519.PrivateKey
	listen net.Listener
	links  []int // who is dialed
	store  bft.Store
	signer bft.Signer
	wal    string // its folder; "": none
	sw     *p2p.Switch
	gossip *Gossip
	node   *bft.Node

	mu     sync.Mutex
	events []p2p.Event
}

func seedOf(i int) string { return fmt.Sprint("validator ", i) }

// newNetwork makes n validators that listen, and starts none.
func newNetwork(t testing.TB, n int, cables *p2p.Memory) *network {
	w := &network{t: t, cables: cables, genesis: &types.Genesis{ChainID: "ring", Time: time.Now().Add(-time.Minute)}}
	for i := range n {
		seed := make([]byte, ed25519.SeedSize)
		seed[0] = byte(i + 1)
		m := &member{i: i, key: ed25519.NewKeyFromSeed(seed), store: memory.NewStore(), signer: privval.NewMemSigner(seedOf(i))}
		var err error
		if cables != nil {
			m.listen, err = cables.Listen(fmt.Sprintf("node%d:1", i))
		} else {
			m.listen, err = net.Listen("tcp", "127.0.0.1:0")
		}
		require.NoError(t, err)
		w.members = append(w.members, m)
		w.genesis.Validators = append(w.genesis.Validators, types.Validator{PubKey: privval.NewMemSigner(seedOf(i)).PubKey(), Power: 10})
	}
	return w
}

// onDisk gives all members a disk, before they start.
func (w *network) onDisk() {
	for i, m := range w.members {
		dir := w.t.TempDir()
		signer, err := privval.OpenFileSigner(nil, filepath.Join(dir, "signer"))
		require.NoError(w.t, err)
		chain, err := store.Open(filepath.Join(dir, "chain"), nil)
		require.NoError(w.t, err)
		m.signer, m.store, m.wal = signer, chain, filepath.Join(dir, "wal")
		w.genesis.Validators[i].PubKey = signer.PubKey()
		w.t.Cleanup(func() {
			require.NoError(w.t, signer.Close())
			require.NoError(w.t, chain.Close())
		})
	}
}

func (w *network) ring() {
	for i, m := range w.members {
		m.links = []int{(i + 1) % len(w.members)}
	}
}

func (w *network) mesh() {
	for i, m := range w.members {
		for j := range i {
			m.links = append(m.links, j)
		}
	}
}

// start starts members; they are stopped with the test.
func (w *network) start(which ...int) {
	for _, i := range which {
		m := w.members[i]
		o := p2p.Options{Key: m.key, Network: w.genesis.ChainID, Listener: m.listen, MaxBackoff: time.Second, OnEvent: func(e p2p.Event) {
			m.mu.Lock()
			defer m.mu.Unlock()
			m.events = append(m.events, e)
		}}
		if w.cables != nil {
			o.Dial = w.cables.Dial
		}
		for _, j := range m.links {
			other := w.members[j]
			id := p2p.IDOf(other.key.Public().(ed25519.PublicKey))
			o.Persistent = append(o.Persistent, string(id)+"@"+other.listen.Addr().String())
		}
		var err error
		m.sw, err = p2p.New(o)
		require.NoError(w.t, err)
		m.gossip, err = New(Options{Switch: m.sw, Store: m.store})
		require.NoError(w.t, err)
		bo := bft.Options{Genesis: w.genesis, Signer: m.signer, Store: m.store, WALDir: m.wal, Network: m.gossip, CreateEmptyBlocks: true, HaltHeight: w.halt,
			Timeouts: bft.Timeouts{Propose: 300 * time.Millisecond, Prevote: 100 * time.Millisecond, Precommit: 100 * time.Millisecond}}
		if w.options != nil {
			w.options(i, &bo)
		}
		m.node, err = bft.NewNode(bo)
		require.NoError(w.t, err)
		m.gossip.Attach(m.node.Deliver)
		require.NoError(w.t, m.sw.Start())
		w.t.Cleanup(func() {
			require.NoError(w.t, m.sw.Close())
			require.NoError(w.t, m.node.Close())
		})
	}
}

// wait waits for a height. The bound is for a network that stands still, not for a slow machine.
func (w *network) wait(h types.Height, which ...int) {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute)
	defer cancel()
	for _, i := range which {
		err := w.members[i].node.Wait(ctx, h)
		require.NoError(w.t, err, "node %d at %+v: %s", i, w.members[i].node.Status(), w.story())
	}
}

// agree checks that all have the same blocks.
func (w *network) agree(h types.Height) {
	w.t.Helper()
	for at := types.Height(1); at <= h; at++ {
		_, want, err := w.members[0].store.Block(at)
		require.NoError(w.t, err)
		for _, m := range w.members[1:] {
			_, got, err := m.store.Block(at)
			require.NoError(w.t, err)
			require.Equal(w.t, want, got, "height %d", at)
		}
	}
}

// honest checks that nobody was taken for a liar.
func (w *network) honest() {
	w.t.Helper()
	for _, m := range w.members {
		m.mu.Lock()
		for _, e := range m.events {
			require.NotErrorIs(w.t, e.Err, p2p.ErrStopped, "node %d: %+v", m.i, e)
		}
		m.mu.Unlock()
	}
}

func (w *network) story() string {
	s := ""
	for _, m := range w.members {
		if m.node != nil {
			st := m.node.Status()
			s += fmt.Sprintf("\nnode %d at %d/%d/%v, %d peers, %+v", m.i, st.Height, st.Round, st.Step, len(m.sw.Peers()), m.node.Metrics())
		}
	}
	return s + w.views()
}

// testRing is seven validators with two links each, of which the last one comes late.
func testRing(t *testing.T, cables *p2p.Memory) {
	w := newNetwork(t, 7, cables)
	w.halt = 100
	w.ring()
	w.start(0, 1, 2, 3, 4, 5)
	w.wait(40, 0, 1, 2, 3, 4, 5)
	w.start(6)
	w.wait(100, 0, 1, 2, 3, 4, 5, 6)
	w.agree(100)
	w.honest()
}

func TestSevenOnARingOfTCPLinksCommit100HeightsAndALateOneCatchesUp(t *testing.T) { testRing(t, nil) }

func TestSevenOnARingInMemoryCommit100HeightsAndALateOneCatchesUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) { testRing(t, &p2p.Memory{}) })
}

// views is what the nodes know of each other.
func (w *network) views() string {
	s := ""
	for _, m := range w.members {
		if m.gossip == nil {
			continue
		}
		g := m.gossip
		g.mu.Lock()
		s += fmt.Sprintf("\ngossip %d in round %d:", m.i, g.state.round)
		for _, gr := range g.state.cur.groups {
			s += fmt.Sprintf(" %v/%d%x=%b", gr.round, gr.kind, gr.tag[:2], gr.have)
		}
		for _, p := range g.state.peers {
			s += fmt.Sprintf("\n   of %s at %d/%d:", p.id[:4], p.height, p.round)
			if v := p.view(g.state.cur.height); v != nil {
				for k, vg := range v.keys {
					s += fmt.Sprintf(" %v/%d%x=%b sent %b early %b", k.round, k.kind, k.tag[:2], vg.has, vg.sent, vg.early)
				}
			}
		}
		g.mu.Unlock()
	}
	return s
}

func TestMeshSendsEachVoteOnceToEach(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newNetwork(t, 4, &p2p.Memory{})
		w.halt = 60
		w.mesh()
		w.start(0, 1, 2, 3)
		w.wait(60, 0, 1, 2, 3)
		w.agree(60)
		w.honest()
		for _, m := range w.members {
			t.Logf("%+v %v", m.node.Metrics(), m.sw.Status().Peers[0])
		}
	})
}

// fullBlocks is a mempool that never runs out.
type fullBlocks struct {
	*memory.Mempool
	txs [][]byte
}

func (f fullBlocks) Reap(int64, int64) [][]byte { return f.txs }

// BenchmarkMesh is four nodes on one machine, over loopback TCP: what gossip and consensus cost, without the disk and with it.
func BenchmarkMesh(b *testing.B) {
	for _, c := range []struct {
		disk bool
		txs  int
	}{{false, 0}, {false, 4000}, {true, 0}, {true, 4000}} {
		b.Run(fmt.Sprintf("disk=%v/txs=%d", c.disk, c.txs), func(b *testing.B) {
			txs := c.txs
			w := newNetwork(b, 4, nil)
			w.mesh()
			if c.disk {
				w.onDisk()
			}
			w.options = func(_ int, o *bft.Options) {
				full := fullBlocks{Mempool: memory.NewMempool()}
				for i := range txs {
					full.txs = append(full.txs, fmt.Appendf(nil, "%0250d", i))
				}
				o.Mempool = full
			}
			w.start(0, 1, 2, 3)
			w.wait(10, 0, 1, 2, 3)
			h := w.members[0].node.Status().LastHeight
			began, writes, bytes := time.Now(), -w.sent(true), -w.sent(false)
			for b.Loop() {
				h++
				require.NoError(b, w.members[0].node.Wait(context.Background(), h))
			}
			links := float64(b.N * 12)
			b.ReportMetric((writes+w.sent(true))/links, "writes/link")
			b.ReportMetric((bytes+w.sent(false))/links, "bytes/link")
			b.ReportMetric(float64(txs*b.N)/time.Since(began).Seconds(), "tx/s")
		})
	}
}

// sent is how much went over all links.
func (w *network) sent(writes bool) float64 {
	n := uint64(0)
	for _, m := range w.members {
		for _, p := range m.sw.Status().Peers {
			if writes {
				n += p.Writes
			} else {
				n += p.Sent
			}
		}
	}
	return float64(n)
}

// mute says nothing of its own.
type mute struct{ heard chan []byte }

func (mute) AddPeer(*p2p.Peer)                 {}
func (mute) RemovePeer(*p2p.Peer, error)       {}
func (m mute) Receive(_ *p2p.Peer, msg []byte) { m.heard <- msg }

// A node that fetches blocks for long hears meanwhile, height for height, how far its peers are. That must not fill the
// link over which the blocks come.
func TestWhoIsNotAttachedYetKeepsItsLinksOpen(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const other = 0x7f
		var m p2p.Memory
		open := func(i byte) *p2p.Switch {
			seed := make([]byte, ed25519.SeedSize)
			seed[0] = i
			listener, err := m.Listen(fmt.Sprintf("node%d:1", i))
			require.NoError(t, err)
			sw, err := p2p.New(p2p.Options{Key: ed25519.NewKeyFromSeed(seed), Network: "test", Listener: listener, Dial: m.Dial})
			require.NoError(t, err)
			t.Cleanup(func() { require.NoError(t, sw.Close()) })
			return sw
		}
		joiner, peer := open(1), open(2)
		g, err := New(Options{Switch: joiner, Store: memory.NewStore(), Inbox: 4096})
		require.NoError(t, err)
		blocks := mute{make(chan []byte, 1)}
		require.NoError(t, joiner.Channel(p2p.ChannelOptions{ID: other}, blocks))
		require.NoError(t, peer.Channel(p2p.ChannelOptions{ID: Channel}, mute{make(chan []byte, 1)}))
		require.NoError(t, peer.Channel(p2p.ChannelOptions{ID: other}, mute{}))
		require.NoError(t, joiner.Start())
		require.NoError(t, peer.Start())
		p, err := peer.Dial(t.Context(), joiner.Address())
		require.NoError(t, err)
		for h := range types.Height(1000) {
			require.True(t, p.Send(Channel, (&report{form: formStatus, height: h + 1}).encode()))
		}
		synctest.Wait()
		require.True(t, p.Send(other, []byte("block")))
		synctest.Wait()
		require.Len(t, blocks.heard, 1, "RULE P2: the link is full of what nobody listens to yet")
		g.mu.Lock()
		defer g.mu.Unlock()
		at := g.state.peers[0]
		require.Equal(t, types.Height(1000), at.height)
		require.LessOrEqual(t, len(at.views), 4, "RULE P1: what it says of itself is bounded")
	})
}
