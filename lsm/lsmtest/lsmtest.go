package lsmtest

import (
	"errors"
	"time"

	"github.com/flagship-go/flagship/internal/vfs"
)

// What the kit needs of the file system that fails, for modules that cannot
// import it.
type (
	// FS is a file system, MemFS one in memory that fails on demand.
	FS    = vfs.FS
	MemFS = vfs.Mem
	// File and Mapping are what its methods return, Access what they ask for.
	File    = vfs.File
	Mapping = vfs.Mapping
	Access  = vfs.Access
)

// NewMemFS returns an empty file system in memory, whose power can be cut.
func NewMemFS() *MemFS { return vfs.NewMem() }

// Errors that a store, or its adapter, must return for the kit to know them.
var (
	// ErrNotFound is what Get returns for a key that is not there.
	ErrNotFound = errors.New("lsmtest: key not found")
	// ErrNoSpace is a full disk, ErrLocked a store that is open elsewhere.
	ErrNoSpace = vfs.ErrNoSpace
	ErrLocked  = vfs.ErrLocked
	// ErrUnsupported is what Apply returns for an operation that the store does
	// not have.
	ErrUnsupported = errors.New("lsmtest: operation not supported")
)

// Reader is what a store and a snapshot have in common. Its methods are called
// from several goroutines.
type Reader interface {
	// Get returns the value of a key, the caller's to keep and to change, or
	// [ErrNotFound].
	Get(key []byte) ([]byte, error)
	// NewIter returns an iterator over the keys from lower on and before upper;
	// nil: no bound. It shows the moment at which it was made.
	NewIter(lower, upper []byte) (Iterator, error)
}

// Iterator moves over the keys in the order of bytes.Compare. It is not
// positioned at first. A move returns whether it is on a key afterwards; after
// the last key Next returns false, and so does Err's being non-nil.
type Iterator interface {
	First() bool
	SeekGE(key []byte) bool
	Next() bool
	// Key and Value are valid until the next move. A value that cannot be read
	// is nil, and Err says why.
	Key() []byte
	Value() []byte
	Err() error
	Close() error
}

// ReverseIterator is what Capabilities.Reverse asks of an Iterator. The
// direction may change at any time: behind the last key Prev returns to it, and
// before the first one Next does.
type ReverseIterator interface {
	Iterator
	Last() bool
	SeekLT(key []byte) bool
	Prev() bool
}

// Store is what is graded.
type Store interface {
	Reader
	// Apply does the operations in order, all of them or none. With sync they
	// are durable when it returns; without, they survive the killed process.
	// The slices are the caller's again when it returns.
	Apply(ops []Op, sync bool) error
	// Close ends it; what was applied is durable afterwards. It may be called
	// twice.
	Close() error
}

// What capabilities ask of a Store beyond the rest. A claim without the method
// fails.
type (
	// Snapshotter is for Capabilities.Snapshots.
	Snapshotter interface{ Snapshot() (Snapshot, error) }
	// Maintainer is for Capabilities.Maintenance: Flush makes everything applied
	// durable in the store's tables, Compact brings them into their lowest
	// level. Both return when it is done.
	Maintainer interface {
		Flush() error
		Compact() error
	}
	// Checkpointer is for Capabilities.Checkpoint: a copy of the store in a
	// directory that does not exist yet, on the same file system.
	Checkpointer interface{ Checkpoint(dir string) error }
	// Verifier is for Capabilities.Verify: it reads all that is stored, and
	// says what is damaged.
	Verifier interface{ Verify() error }
)

// Snapshot shows one moment of a store until it is closed.
type Snapshot interface {
	Reader
	Close() error
}

// OpKind says what an Op does.
type OpKind uint8

// The operations of a batch.
const (
	Put         OpKind = iota
	Delete             // of one key, there or not
	DeleteRange        // from Key on and before Value
	Merge              // of an operand, Value
	PutTTL             // a value that is gone when TTL is over
)

// Op is one operation.
type Op struct {
	Kind       OpKind
	Key, Value []byte
	TTL        time.Duration
}

// MergeFunc is how operands, oldest first, are merged into a base, nil for none.
// A store with Capabilities.Merge must use [Options].Merge.
type MergeFunc func(key, base []byte, operands [][]byte) ([]byte, error)

// Capabilities are what an implementation claims beyond the required rules.
// What it does not claim is printed as not claimed, and not graded.
type Capabilities struct {
	EmptyKeys   bool // the empty key is a key
	Reverse     bool // iterators go backwards. See [ReverseIterator]
	Snapshots   bool // see [Snapshotter]
	Maintenance bool // flush and compaction on demand. See [Maintainer]
	RangeDelete bool // DeleteRange
	Merge       bool // Merge, with Options.Merge
	TTL         bool // PutTTL, by Options.Now
	Checkpoint  bool // see [Checkpointer]
	Verify      bool // see [Verifier]
	ReadOnly    bool // Options.ReadOnly is obeyed
	Locked      bool // a second owner of a directory gets ErrLocked
	Memory      bool // lives in Options.FS: the next four need it
	Crash       bool // a power cut loses no synced write and tears no batch
	Damage      bool // damaged files are errors, see Implementation.Damage
	NoSpace     bool // a full disk is ErrNoSpace, and no more than that
	SyncFailure bool // a failed write or sync makes it read-only until reopened
	Kill        bool // a killed process loses nothing; needs a real directory
}

// Options are how the kit wants a store opened.
type Options struct {
	// FS is where Dir is: in memory when Capabilities.Memory is claimed, else
	// nil, the operating system's.
	FS  FS
	Dir string
	// Set is one of Implementation.Sets.
	Set Set
	// Merge and Now are the merge operator and the clock to use, where the
	// capabilities are claimed.
	Merge MergeFunc
	Now   func() time.Time
	// ReadOnly opens a store that takes no writes.
	ReadOnly bool
}

// Set is one way of configuring an implementation: small memtables, no filters,
// values apart. A rule is judged with several of them.
type Set struct {
	// Name is what a failure and a replay call it.
	Name string
	// MayDrop says that the store may forget keys by itself, as a FIFO cache
	// does: what is read must then be right or not there.
	MayDrop bool
}

// Implementation is what [Run] grades.
type Implementation struct {
	// Name is printed in front of the results.
	Name   string
	Claims Capabilities
	// Open opens a store, or makes one in a directory that is not there.
	Open func(o Options) (Store, error)
	// Sets are the option sets, the default first. Empty: one without a name.
	Sets []Set
	// Damage says whether an error reports damage, and of which file. It is for
	// Capabilities.Damage.
	Damage func(err error) (file string, offset int64, ok bool)
	// Runs says how much is tried.
	Runs Runs
}

// Runs are the lengths of the parts that have no natural end. The zero value
// takes some seconds in all.
type Runs struct {
	// Seed is where random logs begin.
	Seed uint64
	// Logs is how many random logs are played with every option set; default 6.
	Logs int
	// Steps is how many steps each has; default 250.
	Steps int
	// Crashes is how many power cuts are tried; default 2,000.
	Crashes int
	// Damages is how many damages are tried; default 250.
	Damages int
	// Faults is how many places are tried for a full disk, and for a failing
	// one; default 60.
	Faults int
}

func (r Runs) withDefaults() Runs {
	for _, f := range []struct {
		v      *int
		preset int
	}{{&r.Logs, 6}, {&r.Steps, 250}, {&r.Crashes, 2000}, {&r.Damages, 250}, {&r.Faults, 60}} {
		if *f.v == 0 {
			*f.v = f.preset
		}
	}
	return r
}
