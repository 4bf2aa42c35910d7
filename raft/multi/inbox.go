package multi

import (
	"sync"
)

// inbox is the one door into a host's loop: whoever has something for the core
// puts it here and goes on. The loop takes all that has gathered at once, so
// that what arrives together, in whichever groups, shares envelopes and a sync.
type inbox struct {
	mu   sync.Mutex
	mail mail
	wake chan struct{} // holds one token while mail is not empty
	shut error         // why nothing is taken any more
}

// mail is what one turn of the loop has to do.
type mail struct {
	envelopes []Envelope
	proposals []*proposal
	reads     []*reader
	requests  []*request
	applied   []*group // have come further
	captured  []captured
	pinned    []GroupID
	synced    uint64  // the disk's progress
	installed []Write // snapshots that are on the disk now
	failed    error   // something outside the loop broke
}

// maxInbox bounds the envelopes that wait, in number: a host that cannot keep up
// loses them, as on any network, instead of its memory.
const maxInbox = 4096

func (b *inbox) signal() {
	select {
	case b.wake <- struct{}{}:
	default:
	}
}

// put changes the mail under the lock and wakes the loop, unless the host has
// stopped; then it returns why.
func (b *inbox) put(change func(*mail)) error {
	b.mu.Lock()
	if b.shut != nil {
		b.mu.Unlock()
		return b.shut
	}
	change(&b.mail)
	b.mu.Unlock()
	b.signal()
	return nil
}

func (b *inbox) deliver(e Envelope) {
	b.mu.Lock()
	if b.shut == nil && len(b.mail.envelopes) < maxInbox {
		b.mail.envelopes = append(b.mail.envelopes, e)
	}
	b.mu.Unlock()
	b.signal()
}

// take empties the inbox into into, whose slices it reuses for what comes.
func (b *inbox) take(into *mail) {
	clear(into.envelopes)
	clear(into.proposals)
	clear(into.reads)
	clear(into.requests)
	clear(into.applied)
	clear(into.captured)
	b.mu.Lock()
	*into, b.mail = b.mail, mail{
		envelopes: into.envelopes[:0],
		proposals: into.proposals[:0],
		reads:     into.reads[:0],
		requests:  into.requests[:0],
		applied:   into.applied[:0],
		captured:  into.captured[:0],
	}
	b.mu.Unlock()
}

// close refuses all that comes from now on with err, and returns what waits.
func (b *inbox) close(err error) mail {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.shut = err
	rest := b.mail
	b.mail = mail{}
	return rest
}
