// A copy of the store as of one timestamp, as a stream of bytes.
//
//	"mvccexp1"  ReadTS (8)                                 the head
//	length (4)  checksum (4)  pairs ...                    a block, about 64 KiB of pairs,
//	  pair: uvarint length, key, uvarint length, value     each whole
//	0 (4)       checksum (4)  number of pairs (8)          the end
//
// Numbers are little-endian; a checksum is CRC-32C of what follows it in the block. A
// block is looked at before anything of it is written.

package mvcc

import (
	"bufio"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"

	"github.com/flagship-go/flagship/mvcc/region"
)

const (
	exportMagic = "mvccexp1"
	exportBlock = 64 << 10
	// maxExportBlock is what Import takes for a block: the longest pair may follow one
	// that was almost full.
	maxExportBlock = 2*exportBlock + region.MaxKeySize + region.MaxValueSize
	// importBytes is how much one transaction of Import writes.
	importBytes = 1 << 20
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// Export writes what is visible at a timestamp, 0 for now, and returns the timestamp and
// the number of pairs. The copy is consistent: of each transaction it has all writes or
// none. The timestamp has to stay above the safepoint meanwhile; if collection is driven
// by this DB it does.
func (d *DB) Export(ctx context.Context, w io.Writer, at TS) (TS, int64, error) {
	t, err := d.Begin(ctx, TxnOptions{Mode: ReadOnly, ReadTS: at})
	if err != nil {
		return 0, 0, err
	}
	defer func() { _ = t.Rollback(ctx) }()
	if _, err := w.Write(binary.LittleEndian.AppendUint64([]byte(exportMagic), uint64(t.readTS))); err != nil {
		return 0, 0, fmt.Errorf("mvcc: export: %w", err)
	}
	var n int64
	block := make([]byte, 8, exportBlock+1024)
	flush := func() error {
		if len(block) == 8 {
			return nil
		}
		binary.LittleEndian.PutUint32(block, uint32(len(block)-8))
		binary.LittleEndian.PutUint32(block[4:], crc32.Checksum(block[8:], castagnoli))
		_, err := w.Write(block)
		block = block[:8]
		return err
	}
	for kv, err := range t.Scan(ctx, nil, nil, ScanOptions{}) {
		if err != nil {
			return 0, n, fmt.Errorf("mvcc: export at %v, after %d pairs: %w", t.readTS, n, err)
		}
		block = binary.AppendUvarint(block, uint64(len(kv.Key)))
		block = append(block, kv.Key...)
		block = binary.AppendUvarint(block, uint64(len(kv.Value)))
		block = append(block, kv.Value...)
		n++
		if len(block) >= exportBlock {
			if err := flush(); err != nil {
				return 0, n, fmt.Errorf("mvcc: export: %w", err)
			}
		}
	}
	if err := flush(); err != nil {
		return 0, n, fmt.Errorf("mvcc: export: %w", err)
	}
	end := binary.LittleEndian.AppendUint64(make([]byte, 8, 16), uint64(n))
	binary.LittleEndian.PutUint32(end[4:], crc32.Checksum(end[8:], castagnoli))
	if _, err := w.Write(end); err != nil {
		return 0, n, fmt.Errorf("mvcc: export: %w", err)
	}
	return t.readTS, n, nil
}

// Import writes what Export wrote, in transactions of about 1 MiB, over what is there, and
// returns the number of pairs. When it fails the first so many are written; it may
// be done again. Bytes that are damaged or cut short fail with ErrCorrupt and say where.
func (d *DB) Import(ctx context.Context, r io.Reader) (int64, error) {
	in := importer{r: bufio.NewReader(r)}
	head := in.take(len(exportMagic) + 8)
	if in.err == nil && string(head[:len(exportMagic)]) != exportMagic {
		in.err = fmt.Errorf("%w: it begins with %q, and an export of this version with %q", ErrCorrupt, head[:len(exportMagic)], exportMagic)
	}
	for in.err == nil && !in.end {
		pairs := in.batch()
		if len(pairs) == 0 {
			continue
		}
		err := d.Run(ctx, TxnOptions{}, func(t *Txn) error {
			for _, kv := range pairs {
				if err := t.Put(kv.Key, kv.Value); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			in.err = err
			break
		}
		in.written += int64(len(pairs))
	}
	if in.err != nil {
		return in.written, fmt.Errorf("mvcc: import, at byte %d, after %d pairs: %w", in.at, in.written, in.err)
	}
	return in.written, nil
}

// importer reads an export.
type importer struct {
	r       *bufio.Reader
	at      int64 // of the block at hand
	read    int64
	pairs   int64
	written int64
	end     bool
	err     error
}

// take reads n bytes.
func (in *importer) take(n int) []byte {
	if in.err != nil {
		return nil
	}
	b := make([]byte, n)
	got, err := io.ReadFull(in.r, b)
	in.read += int64(got)
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		err = fmt.Errorf("%w: it ends before its end: copy it again", ErrCorrupt)
	}
	in.err = err
	return b
}

// batch reads blocks for one transaction. What was good is returned, also when an
// error follows.
func (in *importer) batch() (pairs []KV) {
	for size := 0; size < importBytes && in.err == nil && !in.end; {
		in.at = in.read
		head := in.take(8)
		if in.err != nil {
			break
		}
		length := binary.LittleEndian.Uint32(head)
		if length > maxExportBlock {
			in.err = fmt.Errorf("%w: a block of %d bytes", ErrCorrupt, length)
			break
		}
		n := int(length)
		in.end = n == 0
		if in.end {
			n = 8
		}
		block := in.take(n)
		if in.err == nil && crc32.Checksum(block, castagnoli) != binary.LittleEndian.Uint32(head[4:]) {
			in.err = fmt.Errorf("%w: the checksum of a block is not that of its bytes", ErrCorrupt)
		}
		switch {
		case in.err != nil:
		case !in.end:
			var more []KV
			more, in.err = decodePairs(block)
			pairs = append(pairs, more...)
			in.pairs += int64(len(more))
			size += n
		case int64(binary.LittleEndian.Uint64(block)) != in.pairs:
			in.err = fmt.Errorf("%w: it says that it has %d pairs, and has %d", ErrCorrupt, binary.LittleEndian.Uint64(block), in.pairs)
		}
	}
	if in.err != nil {
		in.end = true
	}
	return pairs
}

func decodePairs(block []byte) (pairs []KV, err error) {
	for len(block) > 0 {
		key, rest, ok := cutBytes(block)
		value, rest, also := cutBytes(rest)
		if !ok || !also {
			return pairs, fmt.Errorf("%w: a pair goes beyond its block", ErrCorrupt)
		}
		pairs = append(pairs, KV{Key: key, Value: value})
		block = rest
	}
	return pairs, nil
}

// cutBytes parts what begins with a length, and so many bytes.
func cutBytes(b []byte) (head, rest []byte, ok bool) {
	n, size := binary.Uvarint(b)
	if size <= 0 || n > uint64(len(b)-size) {
		return nil, nil, false
	}
	b = b[size:]
	return b[:n:n], b[n:], true
}
