package evidence

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"sync"
	"time"

	"github.com/flagship-go/flagship/bft"
	"github.com/flagship-go/flagship/bft/internal/relay"
	"github.com/flagship-go/flagship/bft/p2p"
	"github.com/flagship-go/flagship/bft/types"
	"github.com/flagship-go/flagship/internal/vfs"
)

// Options configure a [Pool]. Store is required; the zero value of the rest is a good default, in memory and without peers.
type Options struct {
	// Store is the node's: evidence is verified by the blocks and validators in it. It must keep as many blocks as
	// evidence may be old, and a [bft.Executor] sees to that.
	Store bft.Store
	// Dir is where the pool's file is, and FS the file system; one pool has a Dir at a time. Default: no file, and the
	// operating system's files.
	Dir string
	FS  vfs.FS
	// MaxPending bounds the faults that wait for a block, and those that wait for their height's. Default 1,000 each.
	MaxPending int
	// Switch carries evidence to and from peers, and is not started yet. Default: there are none.
	Switch *p2p.Switch
	// Logger hears of evidence, of peers at fault and of a disk that fails. Default: silent.
	Logger *slog.Logger
}

// A Pool is the evidence pool of one node. It is safe for concurrent use.
type Pool struct {
	opts Options
	lock io.Closer // of Dir

	mu        sync.Mutex
	state     *types.State // after the last block; nil: none
	list      relay.List[*proof]
	pending   map[types.Fault]*item
	reported  map[types.Fault]*types.DuplicateVoteEvidence // of a height that is not decided yet, and not complete
	early     []early
	committed map[types.Fault]time.Time // when: to know when it is too old
	saved     types.Height              // what the file knows of
	changed   bool                      // the file has to be written
	closed    bool
}

// A proof is evidence with its encoding.
type proof struct {
	*types.DuplicateVoteEvidence
	encoded []byte
}

type item = relay.Item[*proof]

// early is evidence of a height that is to come, and who has sent it. Nothing in it is verified.
type early struct {
	evidence *types.DuplicateVoteEvidence
	from     string
}

// maxEarly bounds what is kept of one peer's early evidence.
const maxEarly = 16

var _ bft.EvidencePool = (*Pool)(nil)

// New opens a pool with what its file and the store hold, and with a Switch adds the evidence channel to it. Errors:
// bft.ErrOptions, vfs.ErrLocked, a *vfs.CorruptError, a *vfs.VersionError.
func New(o Options) (*Pool, error) {
	if o.Store == nil || o.MaxPending < 0 || o.Dir == "" && o.FS != nil {
		return nil, fmt.Errorf("%w: the evidence pool needs a Store, no negative MaxPending, and a Dir if it has an FS", bft.ErrOptions)
	}
	if o.MaxPending == 0 {
		o.MaxPending = 1000
	}
	if o.FS == nil {
		o.FS = vfs.OS()
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	p := &Pool{opts: o, pending: make(map[types.Fault]*item), reported: make(map[types.Fault]*types.DuplicateVoteEvidence), committed: make(map[types.Fault]time.Time)}
	var err error
	if p.state, err = o.Store.State(); err != nil {
		return nil, fmt.Errorf("evidence: reading the state: %w", err)
	}
	if o.Dir != "" {
		if err := p.open(); err != nil {
			return nil, errors.Join(err, p.Close())
		}
	}
	if err := p.catchUp(); err != nil {
		return nil, errors.Join(err, p.Close())
	}
	if o.Switch != nil {
		if err := p.join(o.Switch); err != nil {
			return nil, errors.Join(err, p.Close())
		}
	}
	return p, nil
}

// Close lets go of the file. The channel ends with the switch.
func (p *Pool) Close() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.closed = true
	if p.lock == nil {
		return nil
	}
	lock := p.lock
	p.lock = nil
	return lock.Close()
}

// Report implements [bft.EvidencePool]. A double vote of a height that is decided becomes evidence at once.
func (p *Pool) Report(d types.DoubleVote) {
	p.mu.Lock()
	defer p.mu.Unlock()
	f := d.Fault()
	_, before := p.committed[f]
	if before || p.pending[f] != nil || p.reported[f] != nil {
		return
	}
	if len(p.reported) >= p.opts.MaxPending {
		p.opts.Logger.Warn("evidence: too many double votes wait for their height's block; one is dropped", "validator", f.Validator, "height", f.Height)
		return
	}
	p.reported[f] = &types.DuplicateVoteEvidence{DoubleVote: d}
	p.changed = true
	p.complete()
	p.save()
	p.list.Wake()
}

// complete makes evidence of what was reported of decided heights.
func (p *Pool) complete() {
	for f, d := range p.reported {
		if p.state == nil || f.Height > p.state.LastHeight {
			continue
		}
		delete(p.reported, f)
		p.changed = true
		block, set, err := p.decided(f.Height)
		var made *types.DuplicateVoteEvidence
		if err == nil {
			made, err = types.NewEvidence(d.DoubleVote, set, block.Time)
		}
		if err == nil {
			err = p.add(made, "")
		}
		if err != nil {
			p.opts.Logger.Warn("evidence: a double vote that was seen cannot be proved", "validator", f.Validator, "height", f.Height, "err", err)
		}
	}
}

// Add takes evidence from somebody. The errors are those of Check, and ErrFull.
func (p *Pool) Add(e *types.DuplicateVoteEvidence) error { return p.receive(e, "") }

func (p *Pool) receive(e *types.DuplicateVoteEvidence, from string) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	err := p.add(e, from)
	if errors.Is(err, ErrFuture) && from != "" {
		p.keepEarly(e, from)
	}
	p.save()
	p.list.Wake()
	return err
}

// keepEarly puts aside what a peer knows before we do: it is sent once.
func (p *Pool) keepEarly(e *types.DuplicateVoteEvidence, from string) {
	n := 0
	for _, other := range p.early {
		if other.from == from {
			n++
		}
	}
	if n < maxEarly {
		p.early = append(p.early, early{e, from})
	}
}

// add judges evidence, and makes it pending.
func (p *Pool) add(e *types.DuplicateVoteEvidence, from string) error {
	f := e.Fault()
	if it := p.pending[f]; it != nil {
		p.list.Heard(it, from)
		return fmt.Errorf("%w: %s is pending", ErrDuplicate, f)
	}
	if err := p.verify(p.state, e); err != nil {
		return err
	}
	if len(p.pending) >= p.opts.MaxPending {
		return fmt.Errorf("%w: %d faults wait for a block", ErrFull, len(p.pending))
	}
	p.opts.Logger.Warn("evidence: a validator has voted twice", "validator", f.Validator, "height", f.Height, "round", f.Round, "vote", f.Type)
	p.insert(&proof{e, e.Encode(nil)}, from)
	p.changed = true
	return nil
}

func (p *Pool) insert(e *proof, from string) {
	it := &item{Value: e}
	p.list.Heard(it, from)
	p.list.Append(it)
	p.pending[e.Fault()] = it
}

// Pending implements [bft.EvidencePool]: the oldest first.
func (p *Pool) Pending(maxBytes int64) []*types.DuplicateVoteEvidence {
	p.mu.Lock()
	defer p.mu.Unlock()
	var out []*types.DuplicateVoteEvidence
	for it := range p.list.All() {
		if maxBytes -= int64(len(it.Value.encoded)); maxBytes < 0 {
			break
		}
		out = append(out, it.Value.DuplicateVoteEvidence)
	}
	return out
}

// Check implements [bft.EvidencePool]. An error is a [types.ErrEvidence], and ErrExpired, ErrDuplicate or ErrFuture
// where it is that; or what the store says.
func (p *Pool) Check(s *types.State, evidence []*types.DuplicateVoteEvidence) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	seen := make(map[types.Fault]bool, len(evidence))
	for _, e := range evidence {
		f := e.Fault()
		if seen[f] {
			return fmt.Errorf("%w: %s is in the block twice", ErrDuplicate, f)
		}
		seen[f] = true
		if err := p.verify(s, e); err != nil {
			return err
		}
	}
	return nil
}

// Update implements [bft.EvidencePool].
func (p *Pool) Update(s *types.State, evidence []*types.DuplicateVoteEvidence) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.state = s
	for _, e := range evidence {
		p.commit(e)
	}
	p.expire()
	p.complete()
	p.retry()
	if s.LastHeight >= p.saved+saveEvery {
		p.changed = true
	}
	p.save()
	p.list.Wake()
}

// commit notes that a fault is in a block.
func (p *Pool) commit(e *types.DuplicateVoteEvidence) {
	f := e.Fault()
	p.committed[f] = e.Time
	p.drop(f)
	delete(p.reported, f)
	p.changed = true
}

func (p *Pool) drop(f types.Fault) {
	if it := p.pending[f]; it != nil {
		p.list.Remove(it)
		delete(p.pending, f)
		p.changed = true
	}
}

// expire forgets what is too old: nobody takes it any more.
func (p *Pool) expire() {
	maps.DeleteFunc(p.committed, func(f types.Fault, t time.Time) bool { return p.state.EvidenceExpired(f.Height, t) })
	for f, it := range p.pending {
		if p.state.EvidenceExpired(f.Height, it.Value.Time) {
			p.opts.Logger.Warn("evidence: a fault has become too old to be punished", "validator", f.Validator, "height", f.Height)
			p.drop(f)
		}
	}
}

// retry looks again at what came too early.
func (p *Pool) retry() {
	waiting := p.early
	p.early = nil
	for _, e := range waiting {
		if e.evidence.First.Height > p.state.LastHeight {
			p.early = append(p.early, e)
		} else if err := p.add(e.evidence, e.from); err != nil && !errors.Is(err, ErrDuplicate) {
			p.opts.Logger.Warn("evidence: what a peer has sent early was no evidence", "peer", e.from, "err", err)
		}
	}
}
