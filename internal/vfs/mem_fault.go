// What goes wrong: power, faults, full disks, rotten bits.

package vfs

import (
	"errors"
	"io/fs"
	"math"
	"path"
	"slices"
	"time"
)

var (
	// ErrPowerCut is how every operation of a [Mem] fails once power is off.
	ErrPowerCut = errors.New("vfs: power is off")
	// ErrIO is the usual error of an injected [Fault]: the EIO of a bad disk.
	ErrIO = errors.New("vfs: input/output error")
)

// CutPower lets operation n be the last: every later one fails with
// [ErrPowerCut], looking included. Zero or a number already given cuts power at
// once. What the disk holds then is for [Mem.CrashClone] to say, or, when it was
// only the process that died, [Mem.KillClone].
func (m *Mem) CutPower(n int64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.cut, m.cutDuring = max(n, 0), 0
}

// CutPowerDuring interrupts operation n, which fails with [ErrPowerCut] as all
// later ones do. A write is half done; a name operation, a truncation or a
// preallocation is done but unheard of; a sync has promised nothing, though a
// crash clone may hold all it was asked for.
func (m *Mem) CutPowerDuring(n int64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.cut, m.cutDuring = max(n, 0), n
}

// off reports whether power is off for the operation that would have number n.
func (m *Mem) off(n int64) bool { return m.cut >= 0 && n > m.cut }

// Fault is something that goes wrong with one operation, or with many. The
// first fields say with which (all that are set must hold), the others how.
type Fault struct {
	// Kind selects operations of one kind. Empty: all that change something;
	// faults of looking (OpRead, OpOpen, OpList) must say so.
	Kind Kind
	// Name selects by name: the whole of Op.Name or Op.To, or its last element.
	Name string
	// At selects the operation with this number. 0: any.
	At int64
	// Match selects by any other rule. It must not call the Mem.
	Match func(Op) bool
	// Skip lets so many of the selected operations pass first.
	Skip int
	// Sticky makes the fault stay; otherwise it strikes once.
	Sticky bool

	// Err is how the operation fails; nil lets it succeed. A failed operation
	// has no effect, with two exceptions: Short; and a failed sync, which takes
	// the written data for clean as kernels do, so that no later sync saves it.
	Err error
	// Short is how many bytes a write, or a read, gets through before Err.
	Short int
	// Corrupt damages the bytes on their way, in place: to the disk on a write,
	// which reports nothing, or to the caller on a read.
	Corrupt func(p []byte)
	// Stall is how long the operation takes. Nothing waits: the time adds up for
	// TakeStall, whose caller lives in virtual time.
	Stall time.Duration
	// Block is called before the operation happens, with the Mem unlocked: a
	// test with goroutines may wait in it while others go on.
	Block func()
}

// Inject adds a fault. When several strike one operation, stalls add up, all
// block and damage, and the error is that of the first that has one.
func (m *Mem) Inject(f Fault) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.faults = append(m.faults, &f)
}

// ClearFaults removes all faults. It does not undo what they did.
func (m *Mem) ClearFaults() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.faults = nil
}

// Strikes returns how often faults have struck: a test whose fault never did has
// shown nothing.
func (m *Mem) Strikes() int64 {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.strikes
}

// TakeStall returns the stalls since the last call, and forgets them.
func (m *Mem) TakeStall() time.Duration {
	m.mu.Lock()
	defer m.mu.Unlock()
	d := m.stalled
	m.stalled = 0
	return d
}

// verdict is how an operation is to go.
type verdict struct {
	err         error // nil: it succeeds
	interrupted bool  // err is a power cut in its midst
	short       int
	corrupt     func([]byte)
	block       []func()
}

// strike finds the faults of an operation.
func (m *Mem) strike(op Op) verdict {
	var v verdict
	if !op.Kind.looks() && op.N == m.cutDuring {
		v.err, v.interrupted = ErrPowerCut, true
	}
	m.faults = slices.DeleteFunc(m.faults, func(f *Fault) bool {
		if !f.selects(op) {
			return false
		}
		if f.Skip > 0 {
			f.Skip--
			return false
		}
		m.strikes++
		m.stalled += f.Stall
		if v.err == nil && f.Err != nil {
			v.err, v.short = f.Err, max(f.Short, 0)
		}
		if earlier := v.corrupt; f.Corrupt != nil {
			v.corrupt = func(p []byte) {
				if earlier != nil {
					earlier(p)
				}
				f.Corrupt(p)
			}
		}
		if f.Block != nil {
			v.block = append(v.block, f.Block)
		}
		return !f.Sticky
	})
	return v
}

func (f *Fault) selects(op Op) bool {
	named := func(name string) bool { return name == f.Name || path.Base(name) == f.Name }
	switch {
	case f.Kind != op.Kind && (f.Kind != "" || op.Kind.looks()):
		return false
	case f.Name != "" && !named(op.Name) && (op.To == "" || !named(op.To)):
		return false
	case f.At != 0 && f.At != op.N:
		return false
	}
	return f.Match == nil || f.Match(op)
}

// SetCapacity sets the size of the disk in bytes; 0 means without limit. A file
// is charged for everything up to the last byte that was written to it or
// preallocated, holes included. Writes that do not fit are cut short with
// [ErrNoSpace], preallocations fail; writes into what is preallocated never do.
// Clones keep the capacity: it is the disk's.
func (m *Mem) SetCapacity(bytes int64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.capacity = bytes
}

// Used returns the bytes charged to all files, removed but open ones included.
func (m *Mem) Used() int64 {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.used
}

// room returns how many bytes can be stored at off.
func (m *Mem) room(n *inode, off int64) int64 {
	if m.capacity == 0 {
		return math.MaxInt64
	}
	return max(0, n.reserved+max(0, m.capacity-m.used)-off)
}

// charge sets what a file takes of the disk.
func (m *Mem) charge(n *inode, reserved int64) {
	m.used += reserved - n.reserved
	n.reserved = reserved
}

// unlink takes an inode's name away, release a handle. The last of them gives
// the space back.
func (m *Mem) unlink(n *inode) {
	n.linked = false
	m.free(n)
}

func (m *Mem) release(n *inode) {
	n.open--
	m.free(n)
}

func (m *Mem) free(n *inode) {
	if !n.linked && n.open == 0 {
		m.used -= n.reserved
		n.reserved = 0
	}
}

// FlipBit inverts one bit of what is stored in a file (bit 0 is the lowest of
// the first byte), synced or not, as a rotting disk does: no operation, and no
// sync undoes it.
func (m *Mem) FlipBit(name string, bit int64) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	n, err := m.find(name)
	switch {
	case err != nil:
	case n.isDir():
		err = errIsDir
	case bit < 0 || bit/8 >= min(n.size, maxStored):
		err = fs.ErrInvalid
	default:
		n.flip(bit)
		return nil
	}
	return &fs.PathError{Op: "flip", Path: canonical(name), Err: err}
}
