package memory

import (
	"context"
	"slices"
	"sync"

	"github.com/flagship-go/flagship/bft/types"
)

// A Hub is a network in memory: what one node publishes all others hear, in the same order, each when it is in that height. So
// nobody misses anything, however late it is: for tests, and for several nodes in one process. It keeps all messages
// since the height that the last of its nodes is in. It is safe for concurrent use.
type Hub struct {
	mu      sync.Mutex
	heights map[types.Height]*hubHeight
	links   []*HubLink
	cut     map[[2]string]bool
}

// hubHeight is what was said about a height. A message may be said by many.
type hubHeight struct {
	messages []hubMessage
	place    map[types.Message]int
}

type hubMessage struct {
	m     types.Message
	froms []*HubLink // one that came back does not know what it said before
}

// A HubLink is the bft.Network of one node.
type HubLink struct {
	hub     *Hub
	name    string
	deliver func(context.Context, string, types.Message) error
	height  types.Height
	heard   map[types.Height][]bool // of the height that it is in, and the one before
	wake    chan struct{}
	stop    context.CancelFunc
	stopped chan struct{}
}

// NewHub makes a network of none.
func NewHub() *Hub {
	return &Hub{heights: make(map[types.Height]*hubHeight), cut: make(map[[2]string]bool)}
}

// Join adds a node with a name, or gives one that comes back a new link. What was said before a node joined first may be gone:
// who is to come late joins early.
func (h *Hub) Join(name string) *HubLink {
	l := &HubLink{hub: h, name: name, wake: make(chan struct{}, 1), heard: make(map[types.Height][]bool)}
	h.mu.Lock()
	defer h.mu.Unlock()
	if i := slices.IndexFunc(h.links, func(o *HubLink) bool { return o.name == name }); i >= 0 {
		l.height, h.links[i] = h.links[i].height, l
	} else {
		h.links = append(h.links, l)
	}
	return l
}

// Cut has two nodes hear nothing of each other until Heal, but what others pass on.
func (h *Hub) Cut(a, b string) { h.set(a, b, true) }

// Heal ends Cut, and what was missed is heard.
func (h *Hub) Heal(a, b string) { h.set(a, b, false) }

func (h *Hub) set(a, b string, cut bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.cut[[2]string{a, b}], h.cut[[2]string{b, a}] = cut, cut
	h.wakeAll()
}

func (h *Hub) wakeAll() {
	for _, l := range h.links {
		select {
		case l.wake <- struct{}{}:
		default:
		}
	}
}

// Attach begins to give a node's Deliver what the link hears, until Close.
func (l *HubLink) Attach(deliver func(ctx context.Context, from string, m types.Message) error) {
	ctx, stop := context.WithCancel(context.Background())
	l.deliver, l.stop, l.stopped = deliver, stop, make(chan struct{})
	go l.run(ctx)
}

// Close ends Attach, and waits. What the node missed is kept for when it joins again.
func (l *HubLink) Close() error {
	if l.stop != nil {
		l.stop()
		<-l.stopped
	}
	return nil
}

// Publish implements bft.Network.
func (l *HubLink) Publish(m types.Message) {
	l.hub.mu.Lock()
	defer l.hub.mu.Unlock()
	height, _ := m.At()
	at := l.hub.heights[height]
	if at == nil {
		at = &hubHeight{place: make(map[types.Message]int)}
		l.hub.heights[height] = at
	}
	i, ok := at.place[m]
	if !ok {
		i = len(at.messages)
		at.place[m] = i
		at.messages = append(at.messages, hubMessage{m: m})
	}
	if s := &at.messages[i]; !slices.Contains(s.froms, l) {
		s.froms = append(s.froms, l)
	}
	l.hub.wakeAll()
}

// Enter implements bft.Network.
func (l *HubLink) Enter(h types.Height, _ types.Round, s types.Step) {
	if s != types.StepNew {
		return
	}
	l.hub.mu.Lock()
	defer l.hub.mu.Unlock()
	l.height = h
	for old := range l.heard {
		if old < h-1 {
			delete(l.heard, old)
		}
	}
	lowest := h
	for _, o := range l.hub.links {
		lowest = min(lowest, o.height)
	}
	for old := range l.hub.heights {
		if old < lowest-1 {
			delete(l.hub.heights, old)
		}
	}
	l.hub.wakeAll()
}

// Want implements bft.Network: all of the height is said again.
func (l *HubLink) Want(h types.Height, _ types.Round, _ types.ValueID) {
	l.hub.mu.Lock()
	defer l.hub.mu.Unlock()
	delete(l.heard, h)
	l.hub.wakeAll()
}

func (l *HubLink) run(ctx context.Context) {
	defer close(l.stopped)
	for {
		m, from := l.next()
		if m == nil {
			select {
			case <-l.wake:
				continue
			case <-ctx.Done():
				return
			}
		}
		if err := l.deliver(ctx, from, m); err != nil && ctx.Err() != nil {
			return
		}
	}
}

// next is a message that was not heard yet, of the height that the node is in or of the one before.
func (l *HubLink) next() (types.Message, string) {
	l.hub.mu.Lock()
	defer l.hub.mu.Unlock()
	for h := l.height - 1; h <= l.height; h++ {
		at := l.hub.heights[h]
		if at == nil {
			continue
		}
		heard := l.heard[h]
		for len(heard) < len(at.messages) {
			heard = append(heard, false)
		}
		l.heard[h] = heard
		for i, s := range at.messages {
			if heard[i] || slices.Contains(s.froms, l) {
				continue
			}
			for _, from := range s.froms {
				if !l.hub.cut[[2]string{from.name, l.name}] {
					heard[i] = true
					return s.m, from.name
				}
			}
		}
	}
	return nil, ""
}
