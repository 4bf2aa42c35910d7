package multi

import (
	"cmp"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"sync"

	"github.com/flagship-go/flagship/internal/vfs"
	"github.com/flagship-go/flagship/internal/wal"
	"github.com/flagship-go/flagship/raft"
)

// One log on one disk for all groups (M2). A Save is one batch of records and at
// most one sync, however many groups wrote.
//
//	file 7             file 8                        file 9
//	| g1 g2 g3 g1 | g2 [g1] g3 g3 | [g3] g1 g2 g1 ...
//	       |              |           |
//	       |              |           [g3] replaces all of g3 before it
//	       g2's first record: file 7 is held by g2 alone
//
// The log needs to go back to each group's last replacing record. A group that
// has nothing to say holds old files for ever; Pinned names it, and the host has
// it replaced at the log's end by a fresh snapshot.

// ErrForeign: the directory belongs to another host.
var ErrForeign = errors.New("raft/multi: directory of another host")

// DiskOptions tune a [Disk]. Node is required; the zero value of the rest is a
// good default.
type DiskOptions struct {
	// Node is the host that the directory belongs to.
	Node raft.NodeID
	// FS is where it lives. Default: the operating system's files.
	FS vfs.FS
	// SegmentSize is the length of a file of the log in bytes. Default 64 MiB.
	SegmentSize int64
	// MaxSegments is how many files the log may grow to before groups are asked
	// to give up old ones. Default 4.
	MaxSegments int
	// Logger is told about cuts and failures. Default: silent.
	Logger *slog.Logger
}

// Disk is the durable [Storage]. Its methods are safe for concurrent use.
type Disk struct {
	dir  string
	opts DiskOptions

	mu     sync.Mutex
	log    *wal.Log
	ledger *ledger            // until Load has taken it; then only life and gone
	since  map[GroupID]uint64 // the record that each group's begin with
	host   uint64             // the record of the host
	buf    []byte
	most   int    // bytes of a batch
	begun  uint64 // files begun when Pinned looked last,
	saves  int    // and saves since then
	err    error  // why nothing can be stored any more
}

var _ Storage = (*Disk)(nil)

// OpenDisk opens the storage in dir, or makes a new one there. It fails with
// vfs.ErrLocked when the directory is in use, [ErrForeign] when it belongs to
// another host, raft.ErrCorrupt when something that was promised is not there
// any more, and raft.ErrVersion when a newer build wrote it.
func OpenDisk(dir string, o DiskOptions) (*Disk, error) {
	if o.Node == raft.None {
		return nil, fmt.Errorf("%w: DiskOptions.Node is 0", raft.ErrInvalid)
	}
	if o.MaxSegments == 0 {
		o.MaxSegments = 4
	}
	log, _, err := wal.Open(dir, &wal.Options{FS: o.FS, SegmentSize: o.SegmentSize, Logger: o.Logger})
	if err != nil {
		return nil, diskError("open the log in "+dir, err)
	}
	d := &Disk{dir: dir, opts: o, log: log, most: maxBatch, since: map[GroupID]uint64{}}
	if err := d.replay(); err != nil {
		return nil, errors.Join(err, log.Close())
	}
	return d, nil
}

// diskError says what was being done, and that damage to the log is damage.
func diskError(doing string, err error) error {
	if errors.Is(err, wal.ErrCorrupt) {
		err = fmt.Errorf("%w: %w; replace the host by one with a new ID and an empty directory", raft.ErrCorrupt, err)
	}
	return fmt.Errorf("raft/multi: %s: %w", doing, err)
}

// replay reads the log once.
func (d *Disk) replay() error {
	d.ledger = newLedger()
	void := map[GroupID]error{}
	for rec, err := range d.log.Records(d.log.FirstSeq()) {
		if err != nil {
			return diskError("read the log in "+d.dir, err)
		}
		r, err := decodeRecord(slices.Clone(rec.Data))
		if err == nil && r.host {
			err = d.enterHost(&r, rec.Seq)
		} else if err == nil {
			d.enter(&r.write, rec.Seq, void)
		}
		if err != nil {
			return diskError(fmt.Sprintf("record %d of the log in %s", rec.Seq, d.dir), err)
		}
	}
	for _, g := range slices.Sorted(maps.Keys(void)) {
		return diskError("read the log in "+d.dir, void[g])
	}
	return nil
}

func (d *Disk) enterHost(r *record, seq uint64) error {
	if r.node != d.opts.Node {
		return fmt.Errorf("%w: it is of %s, asked for %s; give each host a directory of its own", ErrForeign, r.node, d.opts.Node)
	}
	d.host, d.ledger.life = seq, r.life
	for _, g := range r.gone {
		d.ledger.gone[g] = struct{}{}
	}
	return nil
}

// enter replays a record of a group. At the front of the log may be records of a
// group that is replaced or removed further on, without those before them: what
// does not fit is an error only if that does not come.
func (d *Disk) enter(w *Write, seq uint64, void map[GroupID]error) {
	d.account(w, seq)
	if w.Snapshot != nil || w.Remove {
		delete(void, w.Group)
	} else if void[w.Group] != nil {
		return
	}
	if err := d.ledger.add(w); err != nil {
		void[w.Group] = fmt.Errorf("record %d: %w", seq, err)
	}
}

// account notes from where on the log is needed for a group.
func (d *Disk) account(w *Write, seq uint64) {
	if w.Remove {
		delete(d.since, w.Group) // the host remembers it: see dropFront
		return
	}
	if _, known := d.since[w.Group]; !known || w.Snapshot != nil {
		d.since[w.Group] = seq
	}
}

// Load implements Storage. The groups' states are handed out once.
func (d *Disk) Load() (Stored, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.err != nil {
		return Stored{}, d.err
	}
	if d.ledger.groups == nil {
		if err := d.replay(); err != nil {
			return Stored{}, err
		}
	}
	d.ledger.life++
	if err := d.sayHost(); err != nil {
		return Stored{}, err
	}
	out := d.ledger.stored()
	d.ledger.groups = nil
	return out, nil
}

// sayHost stores what the host remembers of itself, durably.
func (d *Disk) sayHost() error {
	seq, err := d.log.AppendSync(appendHost(nil, d.opts.Node, d.ledger))
	if err != nil {
		return d.fail(diskError("store the life of the host in "+d.dir, err))
	}
	d.host = seq
	return nil
}

// keepBuffer is the largest encoding buffer kept between saves.
const keepBuffer = 4 << 20

// maxBatch is how many bytes of records are one batch of the log, which takes
// somewhat more at most. What gathers while the disk is slow, or the states of
// many groups, may come to more.
const maxBatch = wal.MaxBatch / 2

// Save implements Storage. Of writes that are more than 512 MiB a power cut may
// leave the first ones only, as if they had been saved one after the other.
func (d *Disk) Save(writes []Write, sync bool) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.err != nil {
		return d.err
	}
	for rest := writes; len(rest) > 0; {
		n, err := d.append(rest)
		if err != nil {
			return d.fail(diskError("store in "+d.dir, err))
		}
		rest = rest[n:]
	}
	if sync {
		if err := d.log.Sync(d.log.LastSeq()); err != nil {
			return d.fail(diskError("store in "+d.dir, err))
		}
	}
	return nil
}

// append puts writes at the log's end as one batch, and returns how many: all,
// if they are not too many for one.
func (d *Disk) append(writes []Write) (n int, err error) {
	b, ends := d.buf[:0], make([]int, 0, len(writes))
	for i := range writes {
		b = appendWrite(b, &writes[i])
		if i > 0 && len(b) > d.most {
			break
		}
		ends = append(ends, len(b))
	}
	if cap(b) <= keepBuffer {
		d.buf = b
	}
	records, start := make([][]byte, len(ends)), 0
	for i, end := range ends {
		records[i], start = b[start:end], end
	}
	last, err := d.log.Append(records...)
	if err != nil {
		return 0, err
	}
	first := last + 1 - uint64(len(records))
	for i := range records {
		w := &writes[i]
		d.account(w, first+uint64(i))
		if w.Remove {
			d.ledger.gone[w.Group] = struct{}{}
		}
	}
	return len(records), nil
}

// lookEvery saves, Pinned looks again while the log is too long.
const lookEvery = 64

// Pinned implements Storage. It also gives back the files that nothing holds.
func (d *Disk) Pinned(limit int) []GroupID {
	d.mu.Lock()
	defer d.mu.Unlock()
	m := d.log.Metrics()
	long := m.Segments > uint64(d.opts.MaxSegments)
	d.saves++
	if d.err != nil || m.Rotations == d.begun && !(long && d.saves >= lookEvery) {
		return nil
	}
	d.begun, d.saves = m.Rotations, 0
	oldest := d.oldest()
	if err := d.dropFront(oldest); err != nil || d.log.Metrics().Segments <= uint64(d.opts.MaxSegments) {
		return nil // an error shows at the next Save
	}
	return oldest[:min(limit, len(oldest))]
}

// oldest returns all groups, those whose records begin first in front.
func (d *Disk) oldest() []GroupID {
	all := make([]GroupID, 0, len(d.since))
	for g := range d.since {
		all = append(all, g)
	}
	slices.SortFunc(all, func(a, b GroupID) int { return cmp.Compare(d.since[a], d.since[b]) })
	return all
}

// dropFront drops the files that hold nothing that is needed. What replaced it
// must be durable first.
func (d *Disk) dropFront(oldest []GroupID) error {
	need := d.log.LastSeq() + 1
	if len(oldest) > 0 {
		need = d.since[oldest[0]]
	}
	if need <= d.log.FirstSeq() {
		return nil
	}
	if d.host < need {
		if err := d.sayHost(); err != nil {
			return err
		}
	} else if err := d.log.Sync(d.log.LastSeq()); err != nil {
		return d.fail(diskError("store in "+d.dir, err))
	}
	if err := d.log.TruncateFront(min(need, d.host)); err != nil {
		return d.fail(diskError("drop old files in "+d.dir, err))
	}
	return nil
}

func (d *Disk) fail(err error) error {
	if d.err == nil {
		d.err = err
	}
	return err
}

// Metrics returns the log's counts.
func (d *Disk) Metrics() wal.Metrics {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.log.Metrics()
}

// Close makes durable what was saved, and gives the directory free.
func (d *Disk) Close() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.err == nil {
		d.err = fmt.Errorf("%w: the storage in %s is closed", raft.ErrStorage, d.dir)
	}
	return d.log.Close()
}
