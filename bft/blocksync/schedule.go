package blocksync

import (
	"cmp"
	"slices"
	"time"

	"github.com/flagship-go/flagship/bft/types"
)

// A schedule decides whom to ask for which block. It has no clock, no link and no goroutine: it is told what was heard and what
// time it is, and its orders are taken with take. The same inputs give the same orders.
type schedule struct {
	limits
	next   types.Height           // the first block that is not applied
	blocks map[types.Height]*slot // asked for, or here
	held   int                    // bytes of the blocks that are here
	seen   int                    // the largest block yet, but for those of liars
	proved int                    // the largest of those that were applied
	peers  []*source              // in the order in which they came
	behind int                    // blocks applied since the peers were asked how far they are
	latest time.Time              // when the last one was applied, or it began
	count  int                    // requests
	orders []order
}

type limits struct {
	window, perPeer int // blocks
	maxBuffer       int // bytes
	timeout         time.Duration
	minPeers        int
	patience        time.Duration
	grace           time.Time // until then minPeers must have said how far they are; a block that is applied gives more
}

// A slot is a height in the window.
type slot struct {
	from  string // who has sent it, or was asked
	nr    int    // of the request
	block *types.Block
	size  int
}

// A source is a peer.
type source struct {
	id        string
	base, top types.Height // what it has, by its word and by what it did; top 0: nothing
	question  time.Time    // when it was asked how far it is; zero: it has answered
	asked     int          // requests without an answer
	since     time.Time    // of the oldest of them, or of the answer to the one before
	slow      bool         // it has let something time out: it is asked for nothing until it answers
	strikes   int          // how often
}

// An order is something for the shell to do: ask a peer for a block, or at height 0 how far it is.
type order struct {
	peer   string
	height types.Height
}

const (
	// nearby is how few blocks are not worth asking the peers once more how far they are: consensus gossip brings as many.
	nearby = 4
	// maxStrikes is how often a peer may be slow and yet be asked again.
	maxStrikes = 3
	// maxStuck is for how many timeouts peers that come and go may have the node wait without a block that can be applied.
	maxStuck = 12
)

func (s *schedule) peer(id string) *source {
	for _, p := range s.peers {
		if p.id == id {
			return p
		}
	}
	return nil
}

// take returns the orders since it was called last.
func (s *schedule) take() []order {
	orders := s.orders
	s.orders = nil
	return orders
}

// join adds a peer, which is asked how far it is.
func (s *schedule) join(id string, now time.Time) {
	p := &source{id: id}
	s.peers = append(s.peers, p)
	s.ask(p, now)
}

func (s *schedule) ask(p *source, now time.Time) {
	p.question = now
	s.orders = append(s.orders, order{peer: p.id})
}

// leave removes a peer. What it was asked for others are; what it has sent stays, and is judged.
func (s *schedule) leave(id string, now time.Time) {
	if p := s.peer(id); p != nil {
		s.release(p)
		s.peers = slices.DeleteFunc(s.peers, func(p *source) bool { return p.id == id })
	}
	s.fill(now)
}

// drop removes a peer that has lied, with all that it has sent.
func (s *schedule) drop(id string, now time.Time) {
	for h, b := range s.blocks {
		if b.from == id && b.block != nil {
			s.held -= b.size
			delete(s.blocks, h)
		}
	}
	s.seen = s.proved // what it has sent says nothing of how large blocks are
	for _, b := range s.blocks {
		s.seen = max(s.seen, b.size)
	}
	s.leave(id, now)
}

// release takes a peer's unanswered requests back.
func (s *schedule) release(p *source) {
	for h, b := range s.blocks {
		if b.from == p.id && b.block == nil {
			delete(s.blocks, h)
		}
	}
	p.asked = 0
}

// status is a peer's word on what it has.
func (s *schedule) status(id string, base, top types.Height, now time.Time) {
	if p := s.peer(id); p != nil {
		p.base, p.top, p.question = base, top, time.Time{}
		s.heard(p, now)
	}
}

// wants tells whether a peer was asked for a block that is not here yet.
func (s *schedule) wants(id string, h types.Height) bool {
	b := s.blocks[h]
	return b != nil && b.from == id && b.block == nil
}

// received takes a block that was asked for. One that comes late is not taken: somebody else is asked for it now.
func (s *schedule) received(id string, b *types.Block, size int, now time.Time) {
	p := s.peer(id)
	if p == nil {
		return
	}
	if s.wants(id, b.Height) {
		at := s.blocks[b.Height]
		s.answered(p, at, now)
		at.block, at.size = b, size
		s.held += size
		s.seen = max(s.seen, size)
	}
	s.heard(p, now)
}

// missing is a peer's word that it does not have a block, though it had said so. Until it says anew what it has, it is
// not asked for that one nor for later ones.
func (s *schedule) missing(id string, h types.Height, now time.Time) {
	if p := s.peer(id); p != nil && s.wants(id, h) {
		s.answered(p, s.blocks[h], now)
		delete(s.blocks, h)
		p.top = h - 1
		s.heard(p, now)
	}
}

// answered counts an answer. A peer is in time if it answers its oldest request: whoever keeps one back, and
// answers others now and then, is not.
func (s *schedule) answered(p *source, a *slot, now time.Time) {
	p.asked--
	for _, b := range s.blocks {
		if b.from == p.id && b.block == nil && b.nr < a.nr {
			return
		}
	}
	p.since = now
}

// heard gives a slow peer another chance, some times.
func (s *schedule) heard(p *source, now time.Time) {
	p.slow = p.strikes >= maxStrikes
	s.fill(now)
}

// pair is the next block and the one that is to prove it, if both are here.
func (s *schedule) pair() (first, second *slot) {
	first, second = s.blocks[s.next], s.blocks[s.next+1]
	if first == nil || second == nil || first.block == nil || second.block == nil {
		return nil, nil
	}
	return first, second
}

// applied says that the next block is. So peers have more than this node has: if all are gone or slow now, they have
// as long as at the beginning to come back.
func (s *schedule) applied(now time.Time) {
	if b := s.blocks[s.next]; b != nil {
		s.held -= b.size
		s.proved = max(s.proved, b.size)
		delete(s.blocks, s.next)
	}
	s.latest, s.grace = now, now.Add(s.timeout+s.patience)
	s.next++
	s.behind++
	s.fill(now)
}

// tick lets peers that have not answered in time be slow. What they were asked for others are.
func (s *schedule) tick(now time.Time) {
	for _, p := range s.peers {
		if at, waits := p.waits(); waits && now.Sub(at) >= s.timeout {
			p.slow, p.question = true, time.Time{}
			p.strikes++
			s.release(p)
		}
	}
	s.fill(now)
}

// waits tells since when a peer owes an answer.
func (p *source) waits() (since time.Time, waits bool) {
	since, waits = p.question, !p.question.IsZero()
	if p.asked > 0 && (!waits || p.since.Before(since)) {
		since, waits = p.since, true
	}
	return since, waits
}

// deadline is when tick or caughtUp may have something new to say, if nothing is heard. ok: there is such a time.
func (s *schedule) deadline(now time.Time) (at time.Time, ok bool) {
	if now.Before(s.grace) {
		at, ok = s.grace, true
	}
	for _, p := range s.peers {
		if since, waits := p.waits(); waits && (!ok || since.Add(s.timeout).Before(at)) {
			at, ok = since.Add(s.timeout), true
		}
	}
	return at, ok
}

// top is how far those are who answer.
func (s *schedule) top() (top types.Height) {
	for _, p := range s.peers {
		if !p.slow {
			top = max(top, p.top)
		}
	}
	return top
}

// fill asks for what the window has room for: the lowest first, of whoever has the fewest requests.
func (s *schedule) fill(now time.Time) {
	top := s.top()
	if top <= s.next { // a block alone proves nothing
		return
	}
	for h := s.next; h <= min(top, s.next+types.Height(s.window)-1); h++ {
		if s.blocks[h] != nil {
			continue
		}
		if !s.room(h) {
			return
		}
		p := s.choose(h)
		if p == nil {
			continue
		}
		if p.asked == 0 {
			p.since = now
		}
		p.asked++
		s.count++
		s.blocks[h] = &slot{from: p.id, nr: s.count}
		s.orders = append(s.orders, order{p.id, h})
	}
}

// room tells whether another block may come. The two that are needed next always may: without them nothing goes on. Until
// the first is here nobody knows how large they are.
func (s *schedule) room(h types.Height) bool {
	if h <= s.next+1 {
		return true
	}
	coming := 1
	for _, p := range s.peers {
		coming += p.asked
	}
	return s.seen > 0 && s.held+coming*s.seen <= s.maxBuffer
}

// choose is who is to be asked for a block; nil: nobody can be.
func (s *schedule) choose(h types.Height) *source {
	var able []*source
	for _, p := range s.peers {
		if !p.slow && p.base <= h && h <= p.top && p.asked < s.perPeer {
			able = append(able, p)
		}
	}
	if len(able) == 0 {
		return nil
	}
	return slices.MinFunc(able, func(a, b *source) int { return cmp.Compare(a.asked, b.asked) })
}

// caughtUp tells whether the node may take part: nothing more can be verified, and as many peers as there should be have said, not
// long ago, how far they are. Where that was long ago it asks them. Ever new ones that do not answer keep the node for a while only.
func (s *schedule) caughtUp(now time.Time) bool {
	said, stuck := 0, now.Sub(s.latest) >= maxStuck*s.timeout
	for _, p := range s.peers {
		if _, waits := p.waits(); waits && !stuck {
			return false
		}
		if !p.slow {
			said++
		}
	}
	if first, _ := s.pair(); first != nil {
		return false
	}
	if s.behind > nearby && said > 0 {
		s.behind = 0
		for _, p := range s.peers {
			s.ask(p, now)
		}
		return false
	}
	return said >= s.minPeers || !now.Before(s.grace)
}
