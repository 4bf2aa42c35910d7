package lsm

import (
	"encoding/binary"
	"fmt"

	"github.com/flagship-go/flagship/lsm/key"
	"github.com/flagship-go/flagship/lsm/vlog"
)

// maxPointer is the most that a pointer into the value log takes.
const maxPointer = 32

// separate moves the large values of b to the value log (rule L10: the value is
// in the kernel before the log names it, and durable before the log is asked to
// be), and makes a copy of b with pointers in their place. The copy ends with a
// mark: what was known durable of the value log by then. Of a pointer that leads
// nowhere after a crash it tells whether anybody was promised the value.
func (d *DB) separate(b *Batch) error {
	values, out := d.sepValues[:0], append(b.split[:0], b.data[:batchHeader]...)
	r, _ := openBatch(b.data)
	for {
		e, ok, err := r.next()
		if err != nil {
			return err
		} else if !ok {
			break
		}
		if body, ok := d.separable(e); ok {
			values = append(values, body)
		}
	}
	d.valuesMu.Lock()
	points, err := d.values.Append(values, d.sepPoints[:0])
	d.valuesMu.Unlock()
	if err != nil {
		return d.writeError(fmt.Errorf("lsm: writing the value log: %w", err))
	}
	r, _ = openBatch(b.data)
	for i := 0; ; {
		e, ok, _ := r.next()
		if !ok {
			break
		}
		if _, ok := d.separable(e); ok {
			out = appendPointer(out, e, points[i])
			i++
		} else {
			out = appendEntry(out, e)
		}
	}
	file, offset := d.values.Durable()
	mark := vlog.Pointer{File: file, Offset: offset}
	out = appendEntry(out, entry{kind: key.Mark, value: mark.Append(nil)})
	b.split, b.payload = out, out
	for _, p := range points {
		d.mutable.values += int64(p.Length)
	}
	clear(values)
	d.sepValues, d.sepPoints = values[:0], points[:0]
	return nil
}

// separable returns the value of e without its expiry, and whether it goes to
// the value log.
func (d *DB) separable(e entry) ([]byte, bool) {
	body := e.value
	switch {
	case e.kind == key.SetTTL && len(body) >= 8:
		body = body[8:]
	case e.kind != key.Set:
		return nil, false
	}
	return body, len(body) >= d.opts.ValueThreshold
}

// appendEntry encodes e as Batch.append does.
func appendEntry(dst []byte, e entry) []byte {
	dst = appendBytes(append(dst, byte(e.kind)), e.key)
	if e.kind != key.Delete {
		dst = appendBytes(dst, e.value)
	}
	return dst
}

func appendBytes(dst, b []byte) []byte {
	return append(binary.AppendUvarint(dst, uint64(len(b))), b...)
}

// appendPointer encodes e with its value replaced by its place in the value log.
func appendPointer(dst []byte, e entry, p vlog.Pointer) []byte {
	var buf [8 + maxPointer]byte
	value := buf[:0]
	kind := key.Pointer
	if e.kind == key.SetTTL {
		kind, value = key.PointerTTL, append(value, e.value[:8]...)
	}
	return appendEntry(dst, entry{kind: kind, key: e.key, value: p.Append(value)})
}
