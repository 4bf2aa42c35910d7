package fullnode

import (
	"errors"
	"fmt"
	"sync"

	"github.com/flagship-go/flagship/bft"
	"github.com/flagship-go/flagship/bft/abci"
	"github.com/flagship-go/flagship/bft/types"
)

// A Committed is a block that the application has committed. It is shared, and not to be changed.
type Committed struct {
	Block   *types.Block
	ID      types.ValueID
	Results *abci.FinalizeBlockResponse
}

// ErrSlow ends a subscription whose owner does not read (F3).
var ErrSlow = errors.New("fullnode: the subscriber does not keep up")

// A Subscription has the committed blocks, from the next one on.
type Subscription struct {
	hub  *hub
	c    chan *Committed
	once sync.Once
	err  error
}

// C has the blocks, in order. It is closed when the subscription ends; Err then says why.
func (s *Subscription) C() <-chan *Committed { return s.c }

// Err is why C was closed: ErrSlow, bft.ErrStopped when the node was closed or the subscription was.
func (s *Subscription) Err() error {
	s.hub.mu.Lock()
	defer s.hub.mu.Unlock()
	return s.err
}

// Close ends the subscription. It may be called more than once.
func (s *Subscription) Close() {
	s.hub.mu.Lock()
	defer s.hub.mu.Unlock()
	s.end(bft.ErrStopped)
}

func (s *Subscription) end(err error) {
	s.once.Do(func() {
		s.err = err
		delete(s.hub.all, s)
		close(s.c)
	})
}

// hub has the subscriptions.
type hub struct {
	mu     sync.Mutex
	all    map[*Subscription]struct{}
	closed bool
}

func (h *hub) subscribe(room int) *Subscription {
	s := &Subscription{hub: h, c: make(chan *Committed, max(room, 1))}
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.closed {
		s.end(bft.ErrStopped)
		return s
	}
	h.all[s] = struct{}{}
	return s
}

func (h *hub) publish(c *Committed) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for s := range h.all {
		select {
		case s.c <- c:
		default: // F3
			s.end(fmt.Errorf("%w: %d blocks wait, and block %d comes", ErrSlow, len(s.c), c.Block.Height))
		}
	}
}

func (h *hub) close() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.closed = true
	for s := range h.all {
		s.end(bft.ErrStopped)
	}
}
