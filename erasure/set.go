// The drives of a set, and what is known of each.

package erasure

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"sync"
	"sync/atomic"
)

// A set is the drives that share an object.
type set struct {
	index  int
	places []*place
}

// all are the indexes of the places.
func (s *set) all() []int {
	all := make([]int, len(s.places))
	for i := range all {
		all[i] = i
	}
	return all
}

// A place is where a drive belongs. The drive may change, and there may be none.
type place struct {
	set, index int
	*debts     // of its drive; another drive begins without
	// failing says that the drive has failed the last operation of the kind.
	failing [operations]atomic.Bool
	missed  atomic.Int64

	mu         sync.Mutex
	drive      Drive // nil: none
	err        error // why there is none, or the last failure
	rebuilding bool  // what the drive lacks says nothing: it is new
	stale      bool  // it was away, and has to be healed as a whole
	rebuilt    string
	waiting    map[string]bool // objects to be healed when it returns
	renaming   map[string]int  // objects of which a rename was begun and has not ended
}

// debts are the answers that a drive owes.
type debts struct {
	// late counts what it was asked, has not answered, and nobody waits for.
	late    atomic.Int32
	overdue atomic.Int32 // those of them that were waited for until time was up
}

// owes are the debts of the drive that is there.
func (p *place) owes() *debts {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.debts
}

// An operation is a kind of what drives are asked.
type operation int

const (
	looking operation = iota
	changing
	operations
)

// A drive that owes so many answers is asked no more until it gives one, for each
// is a goroutine that waits: fewer if they were waited for, more if others were
// merely faster.
const (
	maxOverdue = 16
	maxLate    = 1024
)

var (
	errNoDrive = errors.New("no drive")
	errStuck   = errors.New("drive does not answer")
	errRename  = errors.New("a rename is still to come")
)

// use returns the drive, unless there is no use in asking it.
func (p *place) use() (Drive, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch {
	case p.drive == nil && p.err != nil:
		return nil, fmt.Errorf("%s: %w: %w", p, errNoDrive, p.err)
	case p.drive == nil:
		return nil, fmt.Errorf("%s: %w", p, errNoDrive)
	case p.overdue.Load() >= maxOverdue || p.late.Load() >= maxLate:
		return nil, fmt.Errorf("%s: %w", p, errStuck)
	}
	return p.drive, nil
}

func (p *place) String() string { return fmt.Sprintf("drive %d of set %d", p.index, p.set) }

// renames counts the renames of an object that were begun and have not ended.
func (p *place) renames(name string, n int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.renaming == nil {
		p.renaming = make(map[string]int)
	}
	if p.renaming[name] += n; p.renaming[name] == 0 {
		delete(p.renaming, name)
	}
}

// isRenaming reports whether what the drive says of an object may change at once.
func (p *place) isRenaming(name string) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.renaming[name] > 0
}

// isRebuilding reports whether what the drive lacks says nothing.
func (p *place) isRebuilding() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.rebuilding
}

// offline reports whether a write is better cut without counting on the drive.
func (p *place) offline() bool {
	_, err := p.use()
	return err != nil || p.failing[changing].Load()
}

// note keeps what the outcome of an operation says about the drive.
func (s *Store) note(p *place, o operation, err error) {
	switch {
	case err == nil || errors.Is(err, fs.ErrNotExist):
		if p.failing[o].CompareAndSwap(true, false) {
			s.event(Event{Kind: DriveReturned, Set: p.set, Place: p.index, Shard: -1})
			s.o.Logger.Info("drive returned", "drive", p.String())
			s.resume(p)
		}
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded),
		errors.Is(err, ErrCorrupt), errors.Is(err, ErrNewer), errors.Is(err, errRename):
		// That says nothing about the drive.
	case p.failing[o].CompareAndSwap(false, true):
		p.mu.Lock()
		p.err = err
		p.mu.Unlock()
		s.event(Event{Kind: DriveFailed, Set: p.set, Place: p.index, Shard: -1, Err: err})
		s.o.Logger.Warn("drive failed", "drive", p.String(), "err", err)
	}
}
