package raft

import "sync"

// inbox is the one door into a node's loop: whoever has something for the core
// puts it here and goes on. The loop takes all that has gathered at once, so
// that what arrives together shares a message and an fsync.
type inbox struct {
	mu   sync.Mutex
	mail mail
	wake chan struct{} // holds one token while mail is not empty
	shut error         // why nothing is taken any more
}

// mail is what one turn of the loop has to do.
type mail struct {
	messages  []Message
	proposals []*proposal
	reads     []*waiter
	requests  []*request
	synced    uint64       // the disk's progress
	installed *Snapshot    // received, and on the disk now
	snapshot  *Snapshot    // one was taken and stored
	reports   []sendReport // of snapshots sent
	failed    error        // something outside the loop broke
}

// sendReport tells how sending a snapshot to a follower went.
type sendReport struct {
	to     NodeID
	failed bool
}

// maxInbox bounds the messages that wait, in number: a node that cannot keep
// up loses them, as on any network, instead of its memory.
const maxInbox = 4096

func (b *inbox) signal() {
	select {
	case b.wake <- struct{}{}:
	default:
	}
}

// put changes the mail under the lock and wakes the loop, unless the node has
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

func (b *inbox) deliver(m Message) {
	b.mu.Lock()
	if b.shut == nil && len(b.mail.messages) < maxInbox {
		b.mail.messages = append(b.mail.messages, m)
	}
	b.mu.Unlock()
	b.signal()
}

// take empties the inbox into into, whose slices it reuses for what comes.
func (b *inbox) take(into *mail) {
	clear(into.messages)
	clear(into.proposals)
	clear(into.reads)
	clear(into.requests)
	b.mu.Lock()
	*into, b.mail = b.mail, mail{
		messages:  into.messages[:0],
		proposals: into.proposals[:0],
		reads:     into.reads[:0],
		reports:   into.reports[:0],
		requests:  into.requests[:0],
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
