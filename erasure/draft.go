// The first phase of a write: a version is on the drives, synced, under tmp,
// where nobody looks (E6).

package erasure

import (
	"context"
	"crypto/md5"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"slices"
)

// A draft is a version that is being written.
type draft struct {
	version
	store *Store
	set   *set
	name  string
	index []int // of the shard, by place

	// places are those that have taken everything so far. The others have failed,
	// or were too slow; what they still do is not waited for.
	places    []int
	began     []Drive // where it was begun, by place
	needed    int     // how many there must be
	late      []int   // were too slow
	failed    error
	files     []FileWriter // open shard files, by place
	moves     []Move       // what phase two renames on every drive, before the version file
	small     *block       // the inline shards
	tmpID     [16]byte
	tmp       []string // what may lie under tmp
	committed bool     // nothing lies there on places
}

// newDraft starts a version of an object. Each drive that is offline is one more
// that the object must do without from the start, so it gets one more shard of
// parity for it, up to half.
func (s *Store) newDraft(name, class string, null bool) (*draft, error) {
	if class == "" {
		class = standard
	}
	parity, ok := s.o.Classes[class]
	if !ok {
		return nil, fmt.Errorf("%w: there is no storage class %q", ErrOptions, class)
	}
	set := s.setOf(name)
	d := &draft{store: s, set: set, name: name, files: make([]FileWriter, len(set.places))}
	for i, p := range set.places {
		drive, err := p.use()
		if err == nil {
			d.places = append(d.places, i)
		}
		d.began = append(d.began, drive)
		d.failed = errors.Join(d.failed, err)
		if p.offline() && parity < len(set.places)/2 {
			parity++
		}
		d.index = append(d.index, shardAt(name, i, len(set.places)))
	}
	d.geometry = geometry{len(set.places) - parity, parity}
	d.ID, d.class, d.blockSize = s.newID(null), class, s.o.BlockSize
	d.tmpID, d.needed = d.ID, d.writeQuorum()
	return d, d.check()
}

// newID draws a version's ID.
func (s *Store) newID(null bool) (id [16]byte) {
	s.rand(id[:])
	id[0] &^= nullBit
	if null {
		id[0] |= nullBit
	}
	return id
}

// check fails when too few drives are left.
func (d *draft) check() error {
	if len(d.places) >= d.needed {
		return nil
	}
	return fmt.Errorf("%w: %d of %d drives took it, %d are needed: %w",
		ErrWriteQuorum, len(d.places), len(d.set.places), d.needed, d.failed)
}

// keep goes on with the places that have done what they were asked. It reports
// whether one was given up, which may still use the memory it was given.
func keep[T any](d *draft, outcomes []outcome[T]) (late bool) {
	d.places = slices.DeleteFunc(d.places, func(i int) bool {
		err := outcomes[i].err
		if err == nil {
			return false
		}
		if errors.Is(err, errLate) {
			late = true
			d.late = append(d.late, i)
		}
		if d.files[i] != nil && !errors.Is(err, errLate) {
			d.files[i].Close()
		}
		d.files[i] = nil
		d.failed = errors.Join(d.failed, err)
		return true
	})
	return late
}

// tmpFile is where a file of the draft lies until phase two.
func (d *draft) tmpFile(suffix string) string {
	return fmt.Sprintf("%s/%x.%s", tmpDir, d.tmpID, suffix)
}

// A body is what is read of a part: bytes of a promised size, or of any (-1).
type body struct {
	r    io.Reader
	size int64 // promised
	read int64
	sum  hash.Hash // nil: nobody asks
}

// next reads up to a block. last is whether nothing follows.
func (b *body) next(buf []byte) (n int, last bool, err error) {
	if b.size >= 0 {
		buf = buf[:min(int64(len(buf)), b.size-b.read)]
	}
	n, err = io.ReadFull(b.r, buf)
	b.read += int64(n)
	if b.sum != nil {
		b.sum.Write(buf[:n])
	}
	short := err == io.EOF || err == io.ErrUnexpectedEOF
	switch {
	case err != nil && !short:
		return 0, false, fmt.Errorf("body: %w", err)
	case short && b.size >= 0:
		return 0, false, fmt.Errorf("%w: %d bytes instead of %d", ErrSize, b.read, b.size)
	case short:
		return n, true, nil
	}
	if b.size >= 0 && b.read < b.size {
		return n, false, nil
	}
	return n, b.size >= 0, b.ends()
}

// ends checks that nothing follows what was promised.
func (b *body) ends() error {
	if b.size < 0 {
		return nil
	}
	var one [1]byte
	switch n, err := io.ReadFull(b.r, one[:]); {
	case n > 0:
		return fmt.Errorf("%w: more than %d bytes", ErrSize, b.size)
	case err != io.EOF:
		return fmt.Errorf("body: %w", err)
	}
	return nil
}

// write reads a body and writes it to the drives as a part, to be moved to the
// path on each. It returns the MD5, unless etag spares it. A small body is kept
// for the version file instead, if that is allowed.
func (d *draft) write(ctx context.Context, r io.Reader, size int64, etag string, part int, to string, inline bool) (Part, error) {
	b := &body{r: r, size: size}
	if etag == "" {
		b.sum = md5.New()
	}
	room := d.blockSize
	if size >= 0 {
		room = int(min(int64(room), size))
	}
	buf := d.store.buffers.take(room)
	defer d.store.buffers.give(buf)
	n, last, err := b.next(buf)
	if err != nil {
		return Part{}, err
	}
	switch {
	case last && n == 0:
		// Nothing to be cut.
	case last && inline && d.shardSize(n) <= d.store.o.InlineLimit:
		err = d.writeInline(buf[:n])
	default:
		err = d.writeBlocks(ctx, b, buf, n, last, part, to)
	}
	if err == nil && b.sum != nil {
		etag = hex.EncodeToString(b.sum.Sum(nil))
	}
	return Part{Number: part, Size: b.read, ETag: etag}, err
}

// writeInline keeps the shards of a body of one block.
func (d *draft) writeInline(p []byte) error {
	b, err := d.store.encode(&d.version, 1, 0, p)
	if err != nil {
		return err
	}
	d.inline, d.small = true, b
	return nil
}

// begin adds the file of a part, to be moved to the path on each drive.
func (d *draft) begin(part int, to string) (tmp string) {
	tmp = d.tmpFile(fmt.Sprint(part))
	d.tmp = append(d.tmp, tmp)
	d.moves = append(d.moves, Move{tmp, to})
	return tmp
}

// writeBlocks writes the blocks of a part, each while the next one is read and
// encoded: two are in memory.
func (d *draft) writeBlocks(ctx context.Context, b *body, buf []byte, n int, last bool, part int, to string) error {
	tmp := d.begin(part, to)
	current, err := d.store.encode(&d.version, part, 0, buf[:n])
	for number := int64(1); err == nil && current != nil; number++ {
		f := d.send(ctx, current, tmp)
		var next *block
		if !last {
			if n, last, err = b.next(buf); err == nil && n > 0 {
				next, err = d.store.encode(&d.version, part, number, buf[:n])
			}
		}
		sent := d.sent(current, f.wait(quorum[FileWriter](d.store, d.needed)))
		err = errors.Join(err, sent, ctx.Err())
		current = next
	}
	if err != nil {
		return err
	}
	return d.close(ctx, tmp)
}

// send starts writing the frames of a block, and makes the files for the first.
func (d *draft) send(ctx context.Context, b *block, tmp string) *fan[FileWriter] {
	files := slices.Clone(d.files)
	return ask(ctx, d.store, d.set, d.places, changing, func(ctx context.Context, p *place, drive Drive) (w FileWriter, err error) {
		if w = files[p.index]; w == nil {
			if w, err = drive.Create(ctx, tmp); err != nil {
				return nil, fmt.Errorf("%s: %w", drive, err)
			}
		}
		if _, err = w.Write(b.frames[d.index[p.index]]); err != nil {
			err = fmt.Errorf("%s: %s: %w", drive, tmp, err)
		}
		return w, err
	}, d.abandon())
}

// sent takes note of who has written a block.
func (d *draft) sent(b *block, outcomes []outcome[FileWriter]) error {
	for _, i := range d.places {
		if w := outcomes[i].value; w != nil {
			d.files[i] = w
		}
	}
	if !keep(d, outcomes) {
		d.store.buffers.give(b.memory)
	}
	return d.check()
}

// close makes the shard files durable.
func (d *draft) close(ctx context.Context, tmp string) error {
	files := slices.Clone(d.files)
	f := ask(ctx, d.store, d.set, d.places, changing, func(ctx context.Context, p *place, drive Drive) (FileWriter, error) {
		w := files[p.index]
		if err := errors.Join(w.Sync(), w.Close()); err != nil {
			return nil, fmt.Errorf("%s: %s: %w", drive, tmp, err)
		}
		return nil, nil
	}, d.abandon())
	clear(d.files)
	keep(d, f.wait(quorum[FileWriter](d.store, d.needed)))
	return d.check()
}

// writeVersion writes the version file to the drives: the last of phase one.
func (d *draft) writeVersion(ctx context.Context) error {
	common, tmp := d.common(), d.tmpFile("v")
	if room := maxFile - maxInline - 64; len(common) > room { // it could be written, and not be read again
		return fmt.Errorf("%w: name, metadata and parts of %s take %d bytes, and %d fit into a version file", ErrOptions, d.name, len(common), room)
	}
	d.tmp = append(d.tmp, tmp)
	f := ask(ctx, d.store, d.set, d.places, changing, func(ctx context.Context, p *place, drive Drive) (FileWriter, error) {
		var body []byte
		if d.inline {
			body = d.small.shards[d.index[p.index]]
		}
		if err := writeWhole(ctx, drive, tmp, withShard(common, d.index[p.index], body)); err != nil {
			return nil, fmt.Errorf("%s: %w", drive, err)
		}
		return nil, nil
	}, d.abandon())
	if late := keep(d, f.wait(quorum[FileWriter](d.store, d.needed))); !late && d.inline {
		d.store.buffers.give(d.small.memory)
		d.small = nil
	}
	return errors.Join(d.check(), ctx.Err())
}

// writeWhole writes a whole file, synced.
func writeWhole(ctx context.Context, drive Drive, path string, b []byte) error {
	w, err := drive.Create(ctx, path)
	if err != nil {
		return err
	}
	if _, err = w.Write(b); err == nil {
		err = w.Sync()
	}
	return errors.Join(err, w.Close())
}

// abandon returns how to clean up on a drive that was given up and answers after
// all: it has nothing but what is under tmp now.
func (d *draft) abandon() func(*place, FileWriter) {
	tmp, began := slices.Clone(d.tmp), slices.Clone(d.began)
	return func(p *place, w FileWriter) {
		if w != nil {
			w.Close()
		}
		// It may still owe other answers, and be asked no more; this is one of them.
		if drive := began[p.index]; drive != nil {
			drive.Remove(context.Background(), tmp...)
		}
	}
}

// discard closes and removes what is left of the draft: under tmp, of the drives
// that did not come to the end, which are all of them if it was not committed. Of
// those that were late, abandon does it when they are done.
func (d *draft) discard() {
	for _, w := range d.files {
		if w != nil {
			w.Close()
		}
	}
	clear(d.files)
	if len(d.tmp) == 0 {
		return
	}
	var left []int
	for i, drive := range d.began {
		if drive != nil && !(d.committed && slices.Contains(d.places, i)) && !slices.Contains(d.late, i) {
			left = append(left, i)
		}
	}
	for _, o := range d.store.remove(context.Background(), d.set, left, d.tmp, 0) {
		if errors.Is(o.err, errStuck) {
			// It got stuck on the way, and can be asked this one more thing.
			drive, tmp := d.began[o.place], slices.Clone(d.tmp)
			d.store.start(drive, func() { drive.Remove(context.Background(), tmp...) })
		}
	}
}
