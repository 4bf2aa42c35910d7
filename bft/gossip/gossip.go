package gossip

import (
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"log/slog"
	"sync"

	"github.com/flagship-go/flagship/bft"
	"github.com/flagship-go/flagship/bft/p2p"
	"github.com/flagship-go/flagship/bft/types"
)

// Channel is the number of the consensus channel.
const Channel byte = 0x20

// Options configure a [Gossip]. Switch and Store are required.
type Options struct {
	// Switch carries it, and is not started yet.
	Switch *p2p.Switch
	// Store is the node's: peers that are behind are served from it.
	Store bft.Store
	// Inbox bounds what a peer has sent and the node has not taken, in bytes. Default 4 MiB. A peer
	// that fills it waits.
	Inbox int
	// Logger hears of peers at fault. Default: silent.
	Logger *slog.Logger
}

// A Gossip is a [bft.Network] over p2p. It is safe for concurrent use. The order is: New, then the node with the Gossip
// as its Network, Attach, and Switch.Start. It ends with the switch.
type Gossip struct {
	opts Options

	mu    sync.Mutex
	state state
	peers map[p2p.ID]*link
	wakes []*p2p.Peer

	attached chan struct{} // closed by Attach
	deliver  func(ctx context.Context, from string, m types.Message) error
}

type link struct {
	*peer
	p2p *p2p.Peer
}

var _ bft.Network = (*Gossip)(nil)

// New adds the consensus channel to a switch.
func New(o Options) (*Gossip, error) {
	if o.Switch == nil || o.Store == nil {
		return nil, fmt.Errorf("%w: gossip needs a Switch and a Store", bft.ErrOptions)
	}
	if o.Inbox == 0 {
		o.Inbox = 4 << 20
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	g := &Gossip{opts: o, peers: map[p2p.ID]*link{}, attached: make(chan struct{})}
	id := fnv.New32a()
	id.Write([]byte(o.Switch.ID()))
	g.state.self, g.state.turn = string(o.Switch.ID()), int(id.Sum32()>>1)
	return g, o.Switch.Channel(p2p.ChannelOptions{
		ID: Channel, Priority: 10, Inbox: o.Inbox, MaxMessage: types.MaxMessageBytes + 1, Next: g.next,
	}, handler{g})
}

// Attach gives the node what is heard: deliver is [bft.Node.Deliver]. Until then peers wait with messages, which they have no reason
// to send. What they say of themselves is heard, however long it takes: a node may fetch blocks over the same links meanwhile.
func (g *Gossip) Attach(deliver func(ctx context.Context, from string, m types.Message) error) {
	g.deliver = deliver
	close(g.attached)
}

// Publish implements [bft.Network].
func (g *Gossip) Publish(m types.Message) {
	g.mu.Lock()
	g.state.publish(m)
	g.unlock()
}

// Enter implements [bft.Network].
func (g *Gossip) Enter(h types.Height, r types.Round, _ types.Step) {
	g.mu.Lock()
	known := g.state.cur != nil && g.state.cur.height >= h
	g.mu.Unlock()
	var set *types.ValidatorSet
	if !known {
		var err error
		if set, err = g.opts.Store.Validators(h); err != nil {
			g.opts.Logger.Error("gossip: the validators are not known, so nothing can be passed on", "height", h, "err", err)
		}
	}
	g.mu.Lock()
	g.state.enter(h, r, set)
	g.unlock()
}

// Want implements [bft.Network].
func (g *Gossip) Want(h types.Height, r types.Round, v types.ValueID) {
	g.mu.Lock()
	g.state.wanted(h, r, v)
	g.unlock()
}

// unlock wakes those for whom there may be something.
func (g *Gossip) unlock() {
	wakes := g.wakes[:0]
	for _, p := range g.state.dirty {
		if l := g.peers[p2p.ID(p.id)]; l != nil && l.peer == p {
			wakes = append(wakes, l.p2p)
		}
	}
	g.state.dirty = g.state.dirty[:0]
	for _, p := range wakes {
		p.Wake(Channel)
	}
	g.wakes = wakes
	g.mu.Unlock()
}

// next is asked by the link when it is ready.
func (g *Gossip) next(p *p2p.Peer) []byte {
	g.mu.Lock()
	defer g.mu.Unlock()
	for {
		l := g.peers[p.ID()]
		if l == nil {
			return nil
		}
		msg, load := g.state.next(l.peer)
		if load == 0 {
			return msg
		}
		g.mu.Unlock()
		h, err := loadHeight(g.opts.Store, load)
		g.mu.Lock()
		if err != nil && !errors.Is(err, types.ErrNotFound) {
			g.opts.Logger.Error("gossip: cannot serve a peer that is behind", "peer", p.ID(), "height", load, "err", err)
		}
		g.state.loaded(l.peer, load, h)
	}
}

// loadHeight makes of a stored block what its peers would have heard: the precommits that decided it, and its parts.
func loadHeight(store bft.Store, at types.Height) (*height, error) {
	block, id, err := store.Block(at)
	if err != nil {
		return nil, fmt.Errorf("gossip: block %d: %w", at, err)
	}
	commit, err := store.SeenCommit(at)
	if err != nil {
		return nil, fmt.Errorf("gossip: the commit of block %d: %w", at, err)
	}
	set, err := store.Validators(at)
	if err != nil {
		return nil, fmt.Errorf("gossip: the validators of height %d: %w", at, err)
	}
	header, parts := types.MakeParts(block.Encode(nil))
	if header != id.Parts {
		return nil, fmt.Errorf("gossip: block %d is stored with parts %v, and has %v", at, id.Parts.Hash, header.Hash)
	}
	h := newHeight(at, set)
	h.stored = true
	for i := range commit.Signatures {
		if v := commit.Vote(i); v != nil {
			h.add(v)
		}
	}
	for _, part := range parts {
		h.add(&types.BlockPart{Height: at, Round: commit.Round, Part: part})
	}
	return h, nil
}

// handler is the p2p.Handler, out of sight of who uses a Gossip.
type handler struct{ g *Gossip }

func (h handler) AddPeer(p *p2p.Peer) {
	h.g.mu.Lock()
	h.g.peers[p.ID()] = &link{h.g.state.addPeer(string(p.ID())), p}
	h.g.unlock()
}

func (h handler) RemovePeer(p *p2p.Peer, _ error) {
	h.g.mu.Lock()
	if l := h.g.peers[p.ID()]; l != nil {
		h.g.state.removePeer(l.peer)
		delete(h.g.peers, p.ID())
	}
	h.g.unlock()
}

func (h handler) Receive(p *p2p.Peer, msg []byte) {
	g := h.g
	g.mu.Lock()
	l := g.peers[p.ID()]
	if l == nil {
		g.mu.Unlock()
		return
	}
	m, err := g.state.heard(l.peer, msg)
	g.unlock()
	if err == nil && m != nil {
		select {
		case <-g.attached:
		case <-p.Context().Done():
			return
		}
		if err = g.deliver(p.Context(), p.String(), m); !errors.Is(err, bft.ErrInvalid) {
			return // the node is closed, or the link is; or there is nothing wrong
		}
	}
	if err != nil {
		g.opts.Logger.Warn("gossip: a peer is at fault", "peer", p.ID(), "err", err)
		g.opts.Switch.Stop(p, err)
	}
}
