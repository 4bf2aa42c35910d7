package raft

// ProgressState is how a leader talks to one follower.
type ProgressState uint8

const (
	// Probe: nextIndex is a guess. One message is under way at a time, until
	// an answer tells where the logs agree.
	Probe ProgressState = iota
	// Replicate: the logs agree up to matchIndex, and nextIndex runs ahead of
	// the answers, bounded by the window.
	Replicate
	// SnapshotSent: the follower needs entries that are compacted away, and a
	// snapshot is under way.
	SnapshotSent
)

func (s ProgressState) String() string {
	return [...]string{"probe", "replicate", "snapshot"}[s]
}

// progress is what a leader knows of one member (Figure 2, "volatile state on
// leaders"). The leader keeps one for itself too: its matchIndex is what its
// own disk holds, so that its own copy counts only when it is durable.
//
//	matchIndex < nextIndex, always.
//
//	          no match: nextIndex backs up by the hint
//	          +---------+
//	          v         |     a match          rejected, or nothing answered
//	        Probe ------+----------------> Replicate ---------------------> Probe
//	          |                                ^
//	          | nextIndex is compacted         | follower holds what the
//	          +--------> SnapshotSent ---------+ snapshot stands for
type progress struct {
	id         NodeID
	matchIndex uint64 // highest entry known to be durable at the member
	nextIndex  uint64 // next entry to send
	sentCommit uint64 // highest commit index told, so it is told once

	round    uint64 // highest round answered (reads.go)
	inflight *window

	state   ProgressState
	silent  int32 // ticks in SnapshotSent without a sign of life
	probing bool  // Probe: the one message is under way
	bisect  bool  // Probe: the logs are known to differ
	due     bool  // a heartbeat is due, whatever else there is to send
	active  bool  // answered since the last CheckQuorum

	vote     vote // its answer to our candidacy
	voter    bool // its vote counts
	outgoing bool // it counts among those who are being replaced
}

// vote is a voter's answer to a candidate.
type vote uint8

const (
	voteMissing vote = iota
	voteGranted
	voteDenied
)

// reset starts over for a new leader's term (Figure 2): nextIndex is the
// optimistic guess, matchIndex is nothing at all.
func (p *progress) reset(lastIndex uint64) {
	*p = progress{
		id: p.id, voter: p.voter, outgoing: p.outgoing,
		nextIndex: lastIndex + 1, inflight: p.inflight,
	}
	p.inflight.clear()
}

func (p *progress) become(s ProgressState) {
	p.state = s
	p.probing, p.silent, p.bisect = false, 0, false
	p.nextIndex = p.matchIndex + 1
	p.inflight.clear()
}

// advanceTo records that the member holds everything up to index, and says
// whether that is news. Replies may arrive in any order: only forward counts.
func (p *progress) advanceTo(index uint64) bool {
	p.inflight.free(index)
	p.nextIndex = max(p.nextIndex, index+1)
	if index <= p.matchIndex {
		return false
	}
	p.matchIndex = index
	return true
}

// window bounds what is sent and not yet answered, in messages and bytes. It
// is a ring of the last index and size of each such message. Nothing is under
// way in a nil window: an idle group holds none.
type window struct {
	ring  []sent
	head  int
	n     int
	bytes int
}

type sent struct {
	last  uint64
	bytes int
}

func (w *window) clear() {
	if w != nil {
		w.head, w.n, w.bytes = 0, 0, 0
	}
}

// count is the number of messages under way.
func (w *window) count() int {
	if w == nil {
		return 0
	}
	return w.n
}

func (w *window) full(maxMessages, maxBytes int) bool {
	n := w.count()
	return n >= maxMessages || n > 0 && w.bytes >= maxBytes
}

func (w *window) add(last uint64, bytes int) {
	if w.n == len(w.ring) {
		grown := make([]sent, max(8, 2*w.n))
		for i := range w.n {
			grown[i] = w.ring[(w.head+i)%len(w.ring)]
		}
		w.ring, w.head = grown, 0
	}
	w.ring[(w.head+w.n)%len(w.ring)] = sent{last, bytes}
	w.n++
	w.bytes += bytes
}

// free forgets the messages that a match at index answers.
func (w *window) free(index uint64) {
	for w.count() > 0 && w.ring[w.head].last <= index {
		w.bytes -= w.ring[w.head].bytes
		w.head = (w.head + 1) % len(w.ring)
		w.n--
	}
}
