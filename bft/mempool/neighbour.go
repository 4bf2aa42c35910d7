package mempool

// A neighbour is what is known of a peer, and due to it, beside its place in the list. It tells whether a transaction is sent
// to the peer, or announced:
//
//	came from a client    sent: nobody else has it
//	came from a peer      sent, until twice the peer has said that it had one from elsewhere; then announced, until it wants one
//
// So among nodes that all know each other a transaction is sent once to each, and otherwise there are keys only; on a
// line and on a ring it is passed on at once.
type neighbour struct {
	wake  func()
	score int    // how often the peer has said that it has what it did not have from here
	due   []byte // haves and wants
}

const (
	// lazyFrom is the score from which transactions are announced, and maxScore the highest.
	lazyFrom, maxScore = 2, 4
	// maxDue bounds what is to be said to a peer that does not listen, in bytes.
	maxDue = 1 << 20
)

// brief tells whether a transaction is announced, and not sent.
func (n *neighbour) brief(tx transaction) bool {
	return tx.passed && n.score >= lazyFrom && len(tx.bytes) > 2*keySize
}

func (n *neighbour) say(tag byte, k Key) {
	if len(n.due) == 0 {
		n.wake()
	}
	if len(n.due)+keySize <= maxDue {
		n.due = appendKey(n.due, tag, k)
	}
}

// addPeer tells of a link; wake has next asked. It is called with the lock held, and must not wait.
func (p *Pool) addPeer(id string, wake func()) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.neighbours[id] = &neighbour{wake: wake}
	p.list.Join(id, wake)
}

func (p *Pool) removePeer(id string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.neighbours, id)
	p.list.Leave(id)
}

// heardHave is told of a transaction that a peer has, and not from here. Whoever announces one that is not here is asked for it, not only
// the first: that one may lie.
func (p *Pool) heardHave(from string, k Key) {
	p.mu.Lock()
	defer p.mu.Unlock()
	n, known := p.neighbours[from], p.txs[k]
	switch {
	case n == nil:
	case known != nil:
		p.list.Heard(known, from)
		n.score = min(n.score+1, maxScore)
	case !p.cache.has(k) && (p.opts.Priorities || p.list.Len() < p.opts.MaxTxs):
		n.say(wantTag, k)
	}
}

// heardWant is told of a transaction that was announced to a peer, and is not there. It is sent, and so is what comes behind it:
// the peer may have refused that, for want of what comes before (M3).
func (p *Pool) heardWant(from string, k Key) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if n, known := p.neighbours[from], p.txs[k]; n != nil && known != nil {
		n.score = 0
		p.list.Again(known, from)
	}
}

// again answers a peer that has sent what is here: it might have announced it. What is still being checked may not stay.
func (p *Pool) again(from string, k Key, known *item) {
	if n := p.neighbours[from]; n != nil && (known == nil || known.Listed()) {
		n.say(haveTag, k)
	}
}
