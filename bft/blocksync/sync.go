package blocksync

import (
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/flagship-go/flagship/bft"
	"github.com/flagship-go/flagship/bft/p2p"
	"github.com/flagship-go/flagship/bft/types"
)

// Channel is the number of the block sync channel.
const Channel byte = 0x40

// Options configure a [Sync]. Switch and Store are required; the zero value of the rest is a good default.
type Options struct {
	// Switch carries it, and is not started yet.
	Switch *p2p.Switch
	// Store is the node's: others are served from it.
	Store bft.Store
	// Window is how many blocks are asked for or here at a time, beyond what is applied, and PerPeer how many of them one peer is
	// asked for. Default 64 and 16. More hides longer ways, and costs memory.
	Window, PerPeer int
	// MaxBuffer bounds the blocks that are here or on their way, in bytes, as far as the largest seen tells. Default 64 MiB.
	MaxBuffer int
	// MaxBlockBytes is the largest block that is taken from a peer. Default: the largest there can be, 100 MiB. A chain whose
	// parameters allow less may say so here, and liars cost less memory. Who was never asked for a block costs none.
	MaxBlockBytes int
	// Timeout is how long a peer may take for its next answer. Default 10 s.
	Timeout time.Duration
	// MinPeers is how many peers have to say how far they are before the node counts as caught up; after Grace it does
	// without, and where it has applied a block after Timeout and Grace from then on. Default 1, and 5 s.
	MinPeers int
	Grace    time.Duration
	// HaltHeight is the last height to be applied, that of bft.Options: at it Run ends with bft.ErrHaltHeight. 0: none.
	HaltHeight types.Height
	// BanTime is for how long a peer is banned that sends what is false. Default 10 minutes.
	BanTime time.Duration
	// Now is the clock. Default: [time.Now].
	Now func() time.Time
	// OnEvent is told of blocks applied and peers at fault, by the goroutine that found out. It must not wait.
	OnEvent func(Event)
	// Logger hears the same. Default: silent.
	Logger *slog.Logger
}

// An Event is something that happened in a sync.
type Event struct {
	Kind   EventKind
	Height types.Height
	Peer   p2p.ID
	Err    error
}

// An EventKind says what happened.
type EventKind uint8

const (
	// EventApplied: the block of a height was verified and executed.
	EventApplied EventKind = iota + 1
	// EventBanned: a peer has sent what is false; Err says what.
	EventBanned
	// EventCaughtUp: the node may take part, at Height.
	EventCaughtUp
)

// A Sync serves blocks, and fetches them while Run runs. It is safe for concurrent use. It ends with the switch.
type Sync struct {
	opts Options
	wake chan struct{} // for Run: something was heard

	mu    sync.Mutex
	plan  *schedule // nil: Run does not run
	links []*peer   // in the order in which they came
}

// A peer is a link, and what is to be sent over it. Nothing waits in a queue: a request that is
// taken back before it was sent is not sent, and a block is read when it can be sent.
type peer struct {
	*p2p.Peer
	howFar bool // is to be asked
	asked  bool // for a block, at any time
	status bool // is due
	wants  []types.Height
	owes   []types.Height
}

// maxWord is the longest message that is no block.
const maxWord = 32

// maxOwed is how many blocks a peer may ask for at a time. It has no reason to ask for as many.
const maxOwed = 256

// New adds the block sync channel to a switch. From Switch.Start on others are served.
func New(o Options) (*Sync, error) {
	if o.Switch == nil || o.Store == nil {
		return nil, fmt.Errorf("%w: block sync needs a Switch and a Store", bft.ErrOptions)
	}
	for _, v := range []*int{&o.Window, &o.PerPeer, &o.MaxBuffer, &o.MaxBlockBytes, &o.MinPeers} {
		if *v < 0 {
			return nil, fmt.Errorf("%w: a limit of block sync is negative, %d", bft.ErrOptions, *v)
		}
	}
	if o.PerPeer > maxOwed || o.MaxBlockBytes > types.MaxBlockBytes || o.Timeout < 0 || o.Grace < 0 || o.BanTime < 0 || o.HaltHeight < 0 {
		return nil, fmt.Errorf("%w: block sync's PerPeer is at most %d, MaxBlockBytes at most %d, and no duration or height is negative", bft.ErrOptions, maxOwed, types.MaxBlockBytes)
	}
	orDefault(&o.Window, 64)
	orDefault(&o.PerPeer, 16)
	orDefault(&o.MaxBuffer, 64<<20)
	orDefault(&o.MaxBlockBytes, types.MaxBlockBytes)
	orDefault(&o.Timeout, 10*time.Second)
	orDefault(&o.MinPeers, 1)
	orDefault(&o.Grace, 5*time.Second)
	orDefault(&o.BanTime, 10*time.Minute)
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.OnEvent == nil {
		o.OnEvent = func(Event) {}
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	s := &Sync{opts: o, wake: make(chan struct{}, 1)}
	return s, o.Switch.Channel(p2p.ChannelOptions{ID: Channel, Priority: 2, Inbox: 4 << 20, MaxMessage: o.MaxBlockBytes + 16, Limit: s.limit, Next: s.nextMessage}, handler{s})
}

func orDefault[T comparable](v *T, d T) {
	var zero T
	if *v == zero {
		*v = d
	}
}

// limit is how long a peer's message may be: who was asked for no block has none to send, and takes no memory for one.
func (s *Sync) limit(q *p2p.Peer) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	if p := s.link(q.ID()); p != nil && p.asked {
		return s.opts.MaxBlockBytes + 16
	}
	return maxWord
}

// link is a peer's, or nil.
func (s *Sync) link(id p2p.ID) *peer {
	for _, p := range s.links {
		if p.ID() == id {
			return p
		}
	}
	return nil
}

// obey passes the schedule's orders on to the links. It is called with mu held.
func (s *Sync) obey() {
	if s.plan == nil {
		return
	}
	for _, o := range s.plan.take() {
		p := s.link(p2p.ID(o.peer))
		if p == nil {
			continue
		}
		if o.height == 0 {
			p.howFar = true
		} else {
			p.wants = append(p.wants, o.height)
		}
		p.Wake(Channel)
	}
}

// changed is obey after something was heard: Run may have something to do.
func (s *Sync) changed() {
	s.obey()
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

// nextMessage is asked by the link when it can send. Questions go first: the other side can work on them while
// it is served.
func (s *Sync) nextMessage(q *p2p.Peer) []byte {
	s.mu.Lock()
	p := s.link(q.ID())
	if p == nil {
		s.mu.Unlock()
		return nil
	}
	if msg := s.question(p); msg != nil {
		s.mu.Unlock()
		return msg
	}
	due := p.status
	var owed types.Height
	p.status = false
	if !due && len(p.owes) > 0 {
		owed, p.owes = p.owes[0], p.owes[1:]
	}
	s.mu.Unlock()
	switch {
	case due:
		return encodeHeights(kindStatus, s.opts.Store.Base(), s.opts.Store.Height())
	case owed > 0:
		return s.serve(q, owed)
	}
	return nil
}

func (s *Sync) question(p *peer) []byte {
	if p.howFar {
		p.howFar = false
		return encodeHeights(kindHowFar)
	}
	for len(p.wants) > 0 {
		h := p.wants[0]
		p.wants = p.wants[1:]
		if s.plan != nil && s.plan.wants(string(p.ID()), h) {
			p.asked = true
			return encodeHeights(kindWant, h)
		}
	}
	return nil
}

// serve is the answer to a request for a block.
func (s *Sync) serve(q *p2p.Peer, h types.Height) []byte {
	b, _, err := s.opts.Store.Block(h)
	if err != nil {
		if !errors.Is(err, types.ErrNotFound) {
			s.opts.Logger.Error("blocksync: cannot serve a block", "peer", q.ID(), "height", h, "err", err)
		}
		return encodeHeights(kindNone, h)
	}
	return b.Encode(encodeHeights(kindBlock, h))
}

// handler is the p2p.Handler, out of sight of who uses a Sync.
type handler struct{ *Sync }

func (h handler) AddPeer(p *p2p.Peer) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.links = append(h.links, &peer{Peer: p})
	if h.plan != nil {
		h.plan.join(string(p.ID()), h.opts.Now())
	}
	h.changed()
}

func (h handler) RemovePeer(p *p2p.Peer, _ error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.links = slices.DeleteFunc(h.links, func(l *peer) bool { return l.Peer == p })
	if h.plan != nil {
		h.plan.leave(string(p.ID()), h.opts.Now())
	}
	h.changed()
}

func (h handler) Receive(p *p2p.Peer, msg []byte) {
	m, err := decodeMessage(msg)
	if err == nil {
		err = h.heard(p, m)
	}
	if err != nil {
		h.ban(p.ID(), m.height, err)
	}
}

// heard takes a message. An error is the peer's fault.
func (s *Sync) heard(p *p2p.Peer, m message) error {
	var block *types.Block
	if m.kind == kindBlock {
		s.mu.Lock()
		wanted := s.plan != nil && s.plan.wants(string(p.ID()), m.height)
		s.mu.Unlock()
		if wanted { // else it is not worth decoding
			var err error
			if block, err = types.DecodeBlock(m.block); err != nil {
				return fmt.Errorf("%w %d: %w", ErrBlock, m.height, err)
			}
			if block.Height != m.height {
				return fmt.Errorf("%w %d: it is %d", ErrBlock, m.height, block.Height)
			}
		} else {
			block = &types.Block{} // late: it was heard from
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	l := s.link(p.ID())
	if l == nil {
		return nil
	}
	switch m.kind {
	case kindHowFar:
		l.status = true
		p.Wake(Channel)
		return nil
	case kindWant:
		if len(l.owes) >= maxOwed {
			return fmt.Errorf("%w: more than %d blocks asked for at a time", ErrMessage, maxOwed)
		}
		l.owes = append(l.owes, max(m.height, 1))
		p.Wake(Channel)
		return nil
	}
	if s.plan == nil {
		return nil
	}
	id, now := string(p.ID()), s.opts.Now()
	switch m.kind {
	case kindStatus:
		s.plan.status(id, m.height, m.top, now)
	case kindNone:
		s.plan.missing(id, m.height, now)
	case kindBlock:
		s.plan.received(id, block, m.blockSize, now)
	}
	s.changed()
	return nil
}

// ban ends the link with a peer that has lied, and forgets what it has sent.
func (s *Sync) ban(id p2p.ID, h types.Height, err error) {
	s.mu.Lock()
	if s.plan != nil {
		s.plan.drop(string(id), s.opts.Now())
	}
	s.changed()
	s.mu.Unlock()
	s.opts.Logger.Warn("blocksync: a peer is at fault", "peer", id, "height", h, "err", err)
	s.opts.OnEvent(Event{Kind: EventBanned, Height: h, Peer: id, Err: err})
	s.opts.Switch.Ban(id, s.opts.BanTime, err)
}
