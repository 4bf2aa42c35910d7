package main

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"

	"github.com/flagship-go/flagship/internal/wal"
	"github.com/flagship-go/flagship/lsm/key"
)

// log prints the log: a line for a file, and with -keys the batches.
func (in *inspector) log() {
	dir := filepath.Join(in.dir, "wal")
	if _, err := in.fs.List(dir); errors.Is(err, fs.ErrNotExist) {
		in.printf("log: none\n")
		in.logEnds(dir, 1, 0)
		return
	}
	in.printf("log: needed from record %d on\n", in.last.WALFirst)
	var file logFile
	first, last := uint64(0), uint64(0)
	for f := range wal.Inspect(in.fs, dir) {
		switch f.Kind {
		case wal.FoundSegment:
			in.endOf(&file)
			if first == 0 {
				first, last = f.Seq, max(f.Seq, 1)-1
			}
			file = logFile{name: filepath.Base(f.File), begun: true}
		case wal.FoundRecord:
			last = max(last, f.Seq)
			in.record(&file, f)
		case wal.FoundEnd:
			if f.Reason != "" {
				in.printf("  %s ends at byte %d (%s): what follows was promised to nobody\n", filepath.Base(f.File), f.Offset, f.Reason)
			}
		case wal.FoundDamage:
			in.broken(f.Err)
		}
	}
	in.endOf(&file)
	in.logEnds(dir, first, last)
}

// logEnds compares the records of the log, from first to last, with what the manifest
// says of them, as opening the store does.
func (in *inspector) logEnds(dir string, first, last uint64) {
	switch {
	case last < in.walLast:
		in.broken(&wal.CorruptError{File: dir, Reason: fmt.Sprintf("it ends with record %d, and %d was durable", last, in.walLast)})
	case first > in.last.WALFirst || last+1 < in.last.WALFirst:
		in.broken(&wal.CorruptError{File: dir, Reason: fmt.Sprintf("it holds records %d to %d, and the manifest needs those from %d on", first, last, in.last.WALFirst)})
	}
}

// logFile is what was found in one file.
type logFile struct {
	name           string
	begun          bool
	records, bytes int
	firstSeq       uint64 // sequence numbers of entries
	lastSeq        uint64
}

func (in *inspector) endOf(f *logFile) {
	if f.begun {
		in.printf("  %s  %d records, %s", f.name, f.records, size(int64(f.bytes)))
		if f.lastSeq > 0 {
			in.printf(", seq %d-%d", f.firstSeq, f.lastSeq)
		}
		in.printf("\n")
	}
	f.begun = false
}

// record counts a batch, and prints it with -keys.
func (in *inspector) record(file *logFile, f wal.Finding) {
	file.records++
	file.bytes += len(f.Data)
	b, err := decodeBatch(f.Data)
	if err != nil {
		in.broken(&wal.CorruptError{File: f.File, Offset: f.Offset, Reason: err.Error()})
		return
	}
	if file.firstSeq == 0 {
		file.firstSeq = b.seq
	}
	file.lastSeq = b.seq + uint64(b.count) - 1
	if !in.opts.keys {
		return
	}
	in.printf("    record %d at %d: seq %d, %d entries\n", f.Seq, f.Offset, b.seq, b.count)
	for _, e := range b.entries {
		switch p, ok := pointerOf(e.kind, e.value); {
		case ok:
			in.printf("      %s %s -> file %d at %d, %d B\n", kinds[e.kind], name(e.key), p.File, p.Offset, p.Length)
		case e.kind == key.Delete || e.kind == key.Mark:
			in.printf("      %s %s\n", kinds[e.kind], name(e.key))
		case e.kind == key.RangeDelete:
			in.printf("      %s %s..%s\n", kinds[e.kind], name(e.key), name(e.value))
		default:
			in.printf("      %s %s = %d B\n", kinds[e.kind], name(e.key), len(e.value))
		}
	}
}

var kinds = map[key.Kind]string{
	key.Delete: "delete", key.Set: "put", key.SetTTL: "put with ttl", key.Pointer: "put apart", key.PointerTTL: "put apart with ttl",
	key.Merge: "merge", key.RangeDelete: "delete range", key.Mark: "mark of the value log",
}

// batch is a record of the log; batch.go of package lsm draws its bytes.
type batch struct {
	seq     uint64
	count   uint32
	entries []batchEntry
}

type batchEntry struct {
	kind       key.Kind
	key, value []byte
}

var errBatch = errors.New("record is no batch")

func decodeBatch(b []byte) (out batch, err error) {
	const header = 12
	if len(b) < header {
		return out, errBatch
	}
	out.seq, out.count = binary.LittleEndian.Uint64(b), binary.LittleEndian.Uint32(b[8:])
	b = b[header:]
	take := func() []byte {
		n, w := binary.Uvarint(b)
		if w <= 0 || n > uint64(len(b)-w) {
			err, b = errBatch, nil
			return nil
		}
		p := b[w : w+int(n)]
		b = b[w+int(n):]
		return p
	}
	for len(b) > 0 && err == nil {
		e := batchEntry{kind: key.Kind(b[0])}
		if _, known := kinds[e.kind]; !known {
			return out, errBatch
		}
		b = b[1:]
		if e.key = take(); e.kind != key.Delete {
			e.value = take()
		}
		out.entries = append(out.entries, e)
	}
	return out, err
}
