package table

import (
	"encoding/binary"

	"github.com/flagship-go/flagship/lsm/bloom"
	"github.com/flagship-go/flagship/lsm/key"
)

// Get returns the first entry at or after the internal key seek, if it is of the
// same user key; hash is bloom.Hash of its bare key. The value is a part of the
// mapping or of a block, valid until Close.
func (r *Reader) Get(seek []byte, hash uint64, tr *Trace) (trailer uint64, value []byte, ok bool, err error) {
	if r.closed {
		return 0, nil, false, r.errClosed()
	}
	if pass, err := r.mayContain(hash, tr); err != nil || !pass {
		return 0, nil, false, err
	}
	if r.order != key.Plain {
		return r.getByCursor(seek, tr)
	}
	h, number, err := r.locate(seek, tr)
	if err != nil || h.length == 0 {
		return 0, nil, false, err
	}
	b, err := r.load(h, number, tr, true)
	if err != nil {
		return 0, nil, false, err
	}
	blk, sane := parseBlock(b)
	if sane {
		trailer, value, ok, sane = blk.get(seek, hash)
	}
	if !sane {
		return 0, nil, false, r.corrupt(h, notABlock)
	}
	return trailer, value, ok, nil
}

// notABlock is what is wrong with a block whose checksum is right, and contents
// are not: a mistake of whoever wrote it.
const notABlock = "the block is damaged, though its checksum is right"

func (r *Reader) getByCursor(seek []byte, tr *Trace) (trailer uint64, value []byte, ok bool, err error) {
	c := r.NewCursor(tr)
	if k := c.SeekGE(seek); k != nil && string(key.UserKey(k)) == string(key.UserKey(seek)) {
		trailer, value, ok = key.TrailerOf(k), c.Value(), true
	}
	return trailer, value, ok, c.Close()
}

// locate returns the data block that seek's user key is in if it is anywhere, and
// its number; a length of 0 if it is in none.
func (r *Reader) locate(seek []byte, tr *Trace) (h handle, number int, err error) {
	i, ok := r.root.find(r.order, seek)
	if !ok {
		return h, 0, r.corrupt(r.footer.root, notABlock)
	}
	if i == r.root.len() {
		return h, 0, nil
	}
	part, first, err := r.part(i, tr)
	if err != nil {
		return h, 0, err
	}
	j, ok := part.find(r.order, seek)
	if ok && j < part.len() {
		h, _, ok = part.handle(j)
	}
	if !ok || h.length == 0 {
		at, _, _ := r.root.handle(i)
		return h, 0, r.corrupt(at, notABlock)
	}
	return h, first + j, nil
}

// part returns a part of the index, and the number of its first data block.
func (r *Reader) part(i int, tr *Trace) (x index, first int, err error) {
	h, rest, ok := r.root.handle(i)
	if !ok {
		return x, 0, r.corrupt(r.footer.root, notABlock)
	}
	n, size := binary.Uvarint(rest)
	if size <= 0 || n > r.props.Blocks {
		return x, 0, r.corrupt(r.footer.root, notABlock)
	}
	b, err := r.load(h, r.partNumber(i), tr, true)
	if err != nil {
		return x, 0, err
	}
	blk, ok := parseBlock(b)
	if !ok {
		return x, 0, r.corrupt(h, notABlock)
	}
	return index{blk}, int(n), nil
}

// mayContain asks the filter.
func (r *Reader) mayContain(hash uint64, tr *Trace) (bool, error) {
	f := r.filter.Load()
	if f == nil {
		var err error
		if f, err = r.readFilter(); err != nil {
			return false, err
		}
	}
	if len(*f) == 0 {
		return true, nil
	}
	pass := f.MayContain(hash)
	tr.filter(!pass)
	return pass, nil
}

// readFilter reads the filter, which stays in memory, or in the mapping.
func (r *Reader) readFilter() (*bloom.Filter, error) {
	f := new(bloom.Filter)
	if h := r.footer.filter; h.length > 0 {
		b, err := r.read(h)
		if err != nil {
			return nil, err
		}
		*f = b
	}
	r.filter.Store(f)
	return f, nil
}
