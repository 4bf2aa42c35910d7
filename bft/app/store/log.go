package store

import (
	"encoding/binary"
	"fmt"
)

// A record's kind: changes since the previous version, or since nothing.
const (
	kindChange byte = iota
	kindWhole
)

// record is the bytes of version next: what it changed in prev, or all of it if whole (the layout is in doc.go).
func record(prev, next Version, whole bool) []byte {
	kind := kindChange
	if whole {
		kind, prev = kindWhole, Version{}
	}
	changes := Diff(prev.Tree, next.Tree)
	size := 64
	for _, c := range changes {
		size += len(c.Key) + len(c.Value) + 8
	}
	b := append(make([]byte, 0, size), kind)
	b = binary.AppendUvarint(b, uint64(next.Height))
	b = binary.AppendUvarint(b, uint64(prev.Height))
	b = append(b, next.Root[:]...)
	b = binary.AppendUvarint(b, uint64(len(changes)))
	for _, c := range changes {
		b = binary.AppendUvarint(b, uint64(len(c.Key)))
		b = append(b, c.Key...)
		if c.Value == nil {
			b = append(b, 0)
			continue
		}
		b = binary.AppendUvarint(b, uint64(len(c.Value))+1)
		b = append(b, c.Value...)
	}
	return b
}

// parse makes the version of a record, given the one before.
func parse(b []byte, prev Version) (Version, error) {
	r := reader{b: b}
	kind := r.byte()
	height, before := int64(r.uvarint()), int64(r.uvarint())
	root := r.bytes(32)
	switch {
	case r.bad || kind > kindWhole || before < 0 || height <= before || kind == kindWhole && before != 0:
		return Version{}, fmt.Errorf("no record of a version")
	case kind == kindWhole:
		prev = Version{}
	case before != prev.Height:
		return Version{}, fmt.Errorf("height %d follows %d, not %d", height, before, prev.Height)
	}
	branch := prev.Tree.Branch()
	for range r.uvarint() {
		key, size := r.bytes(r.uvarint()), r.uvarint()
		var value []byte
		if size > 0 {
			value = append([]byte{}, r.bytes(size-1)...)
		}
		if r.bad {
			break
		}
		if size == 0 {
			_ = branch.Delete(key)
		} else if err := branch.Set(key, value); err != nil {
			return Version{}, err
		}
	}
	if r.bad || len(r.b) != 0 {
		return Version{}, fmt.Errorf("height %d: the changes do not fill the record", height)
	}
	v := Version{height, Hash(root), branch.Tree()}
	if got := v.Tree.Root(); got != v.Root {
		return Version{}, fmt.Errorf("height %d was committed with root %x, and has %x", height, v.Root[:4], got[:4])
	}
	return v, nil
}

// A reader takes bytes from the front. Once it has run short it is bad, and has zeros.
type reader struct {
	b   []byte
	bad bool
}

func (r *reader) bytes(n uint64) []byte {
	if n > uint64(len(r.b)) {
		r.bad, r.b, n = true, nil, 0
	}
	out := r.b[:n]
	r.b = r.b[n:]
	return out
}

func (r *reader) byte() byte {
	if b := r.bytes(1); len(b) == 1 {
		return b[0]
	}
	return 0
}

func (r *reader) uvarint() uint64 {
	v, n := binary.Uvarint(r.b)
	if n <= 0 {
		r.bad, r.b = true, nil
		return 0
	}
	r.b = r.b[n:]
	return v
}

// recover reads the versions in the log. It may begin with changes to a state that was dropped: they are passed over up to
// the first whole state.
func (db *DB) recover() error {
	begun := false
	for rec, err := range db.log.Records(db.log.FirstSeq()) {
		if err != nil {
			return fmt.Errorf("store: reading %s: %w", db.opts.Dir, err)
		}
		whole := len(rec.Data) > 0 && rec.Data[0] == kindWhole
		if !begun && !whole {
			continue
		}
		v, err := parse(rec.Data, db.Last())
		if err != nil {
			return fmt.Errorf("store: %w: %s, record %d: %w", ErrCorrupt, db.opts.Dir, rec.Seq, err)
		}
		if whole {
			begun, db.grown, db.versions = true, 0, nil
			db.limit = max(db.opts.Rewrite, 2*int64(len(rec.Data)))
		}
		db.grown += int64(len(rec.Data))
		db.publish(v)
	}
	if !begun && db.log.LastSeq() > 0 {
		return fmt.Errorf("store: %w: %s has changes, and no state that they are to", ErrCorrupt, db.opts.Dir)
	}
	return nil
}

// append puts a version into the log, durably (ST5).
func (db *DB) append(last, next Version) error {
	if db.log == nil {
		return nil
	}
	first := last.Height == 0
	b := record(last, next, first)
	if _, err := db.log.AppendSync(b); err != nil {
		return err
	}
	db.grown += int64(len(b))
	if first {
		db.limit = max(db.opts.Rewrite, 2*db.grown)
	}
	return nil
}

// tidy rewrites the log when it is long: the oldest version as a whole and what changed since, in one batch; then it drops what
// was before. What fails here is tried again after the next Commit, which is told if the log is at its end.
func (db *DB) tidy() {
	if db.log == nil || db.grown < db.limit {
		return
	}
	var batch [][]byte
	size := int64(0)
	for i, v := range db.versions {
		var prev Version
		if i > 0 {
			prev = db.versions[i-1]
		}
		batch = append(batch, record(prev, v, i == 0))
		size += int64(len(batch[i]))
	}
	last, err := db.log.AppendSync(batch...)
	if err == nil {
		err = db.log.TruncateFront(last + 1 - uint64(len(batch)))
	}
	if err != nil {
		db.opts.Logger.Warn("the log was not rewritten", "dir", db.opts.Dir, "err", err)
		return
	}
	db.opts.Logger.Info("log rewritten", "dir", db.opts.Dir, "from", db.grown, "to", size)
	db.grown, db.limit = size, max(db.opts.Rewrite, 2*size)
}
