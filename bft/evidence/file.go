package evidence

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"io/fs"
	"path/filepath"
	"time"

	"github.com/flagship-go/flagship/bft/types"
	"github.com/flagship-go/flagship/internal/vfs"
)

// The pool's file is written anew when something has changed, and takes the old one's place when it is durable: it
// is there whole or not at all. Faults are rare, and what is kept of them is bounded.
//
//	magic 8 | version 4 | height 8 | committed n 4, n x {height 8 round 4 kind 1 validator 20 time 8} |
//	        reported n 4, n x {length 4, evidence} | pending n 4, n x {length 4, evidence} | CRC-32C of all 4
const (
	fileName    = "evidence"
	magic       = "bftevid\n"
	version     = 1
	maxFile     = 1 << 30
	maxEvidence = 2048
	// saveEvery is how many heights the file is behind at most, and so how many blocks are read at a start.
	saveEvery = 256
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// save makes durable what has changed. A disk that fails is reported, and tried again with the next change: the
// blocks in the store have what was committed, and other nodes the rest.
func (p *Pool) save() {
	if !p.changed {
		return
	}
	p.changed = false
	if p.state != nil {
		p.saved = p.state.LastHeight
	}
	if p.opts.Dir == "" || p.closed {
		return
	}
	if err := vfs.Replace(p.opts.FS, p.opts.Dir, fileName+".new", fileName, p.encode()); err != nil {
		p.changed = true
		p.opts.Logger.Error("evidence: cannot write; what is pending would be lost by a crash", "dir", p.opts.Dir, "err", err)
	}
}

func (p *Pool) encode() []byte {
	b := binary.BigEndian.AppendUint32([]byte(magic), version)
	b = binary.BigEndian.AppendUint64(b, uint64(p.saved))
	b = binary.BigEndian.AppendUint32(b, uint32(len(p.committed)))
	for f, t := range p.committed {
		b = binary.BigEndian.AppendUint64(b, uint64(f.Height))
		b = binary.BigEndian.AppendUint32(b, uint32(f.Round))
		b = append(append(b, byte(f.Type)), f.Validator[:]...)
		b = binary.BigEndian.AppendUint64(b, uint64(t.UnixNano()))
	}
	b = binary.BigEndian.AppendUint32(b, uint32(len(p.reported)))
	for _, e := range p.reported {
		b = appendSized(b, e.Encode(nil))
	}
	b = binary.BigEndian.AppendUint32(b, uint32(p.list.Len()))
	for it := range p.list.All() {
		b = appendSized(b, it.Value.encoded)
	}
	return binary.BigEndian.AppendUint32(b, crc32.Checksum(b, castagnoli))
}

func appendSized(b, item []byte) []byte {
	return append(binary.BigEndian.AppendUint32(b, uint32(len(item))), item...)
}

// open takes the directory, and reads the file if there is one.
func (p *Pool) open() error {
	if err := p.opts.FS.MkdirAll(p.opts.Dir); err != nil {
		return fmt.Errorf("evidence: making %s: %w", p.opts.Dir, err)
	}
	var err error
	if p.lock, err = p.opts.FS.Lock(filepath.Join(p.opts.Dir, "evidence.lock")); err != nil {
		return fmt.Errorf("evidence: locking %s: %w", p.opts.Dir, err)
	}
	name := filepath.Join(p.opts.Dir, fileName)
	f, err := p.opts.FS.Open(name, vfs.ReadOnly)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	} else if err != nil {
		return fmt.Errorf("evidence: %w", err)
	}
	size, err := f.Size()
	content := make([]byte, min(max(size, 0), maxFile))
	if err == nil {
		_, err = f.ReadAt(content, 0)
	}
	if err != nil && err != io.EOF {
		return errors.Join(fmt.Errorf("evidence: reading %s: %w", name, err), f.Close())
	}
	return errors.Join(p.decode(name, content), f.Close())
}

// decode reads a file. What is not right in it is not guessed at.
func (p *Pool) decode(name string, b []byte) error {
	const head = len(magic) + 4
	bad := func(at int, reason string) error {
		return fmt.Errorf("evidence: %w (without the file, what was committed is read from the store, and what was pending is lost here)",
			&vfs.CorruptError{File: name, Offset: int64(at), Reason: reason})
	}
	switch {
	case len(b) < head+4 || string(b[:len(magic)]) != magic:
		return bad(0, "it does not begin as an evidence file")
	case binary.BigEndian.Uint32(b[len(magic):]) > version:
		return fmt.Errorf("evidence: %w", &vfs.VersionError{File: name, Version: binary.BigEndian.Uint32(b[len(magic):]), Supported: version})
	case crc32.Checksum(b[:len(b)-4], castagnoli) != binary.BigEndian.Uint32(b[len(b)-4:]):
		return bad(len(b)-4, "the checksum is another one")
	}
	r := reader{b: b[head : len(b)-4]}
	p.saved = types.Height(r.uint64())
	for n := r.uint32(); n > 0 && !r.bad; n-- {
		f := types.Fault{Height: types.Height(r.uint64()), Round: types.Round(r.uint32()), Type: types.VoteType(r.bytes(1)[0])}
		copy(f.Validator[:], r.bytes(len(f.Validator)))
		p.committed[f] = time.Unix(0, int64(r.uint64())).UTC()
	}
	for n := r.uint32(); n > 0 && !r.bad; n-- {
		if e := r.evidence(); e != nil {
			p.reported[e.Fault()] = e.DuplicateVoteEvidence
		}
	}
	for n := r.uint32(); n > 0 && !r.bad; n-- {
		if e := r.evidence(); e == nil {
			break
		} else if p.pending[e.Fault()] != nil {
			r.bad = true
		} else {
			p.insert(e, "")
		}
	}
	if r.bad || len(r.b) > 0 {
		return bad(len(b)-4-len(r.b), "there is less or more than it says")
	}
	return nil
}

// A reader takes numbers and evidence off the front. What is missing is zero, and bad.
type reader struct {
	b   []byte
	bad bool
}

func (r *reader) bytes(n int) []byte {
	if n > len(r.b) {
		r.bad, r.b = true, nil
		return make([]byte, min(n, maxEvidence))
	}
	b := r.b[:n:n]
	r.b = r.b[n:]
	return b
}

func (r *reader) uint32() uint32 { return binary.BigEndian.Uint32(r.bytes(4)) }
func (r *reader) uint64() uint64 { return binary.BigEndian.Uint64(r.bytes(8)) }

func (r *reader) evidence() *proof {
	encoded := r.bytes(int(min(r.uint32(), maxEvidence+1)))
	e, err := types.DecodeEvidence(encoded)
	if err != nil || len(encoded) > maxEvidence {
		r.bad, r.b = true, nil
		return nil
	}
	return &proof{e, encoded}
}

// catchUp reads from the store what blocks have committed since the file was written: a few, or if there was no file all that
// count yet. The last block's Update may be missing also where nothing else is (W3).
func (p *Pool) catchUp() error {
	if p.state == nil {
		return nil
	}
	for h := p.state.LastHeight; h > p.saved && h >= max(p.opts.Store.Base(), 1); h-- {
		block, _, err := p.opts.Store.Block(h)
		if err != nil {
			return fmt.Errorf("evidence: reading what block %d has committed: %w", h, err)
		}
		if p.state.EvidenceExpired(h, block.Time) {
			break
		}
		for _, e := range block.Evidence {
			p.commit(e)
		}
	}
	p.expire()
	p.complete()
	p.save()
	return nil
}
