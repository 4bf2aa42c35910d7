package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"

	"github.com/hashicorp/go-hclog"
	hraft "github.com/hashicorp/raft"
	hwal "github.com/hashicorp/raft-wal"
	etcdwal "go.etcd.io/etcd/server/v3/storage/wal"
	pb "go.etcd.io/raft/v3/raftpb"

	"github.com/flagship-go/flagship/internal/versus"
	"github.com/flagship-go/flagship/internal/vfs"
	"github.com/flagship-go/flagship/internal/wal"
)

// The logs alone: a batch of records is appended and synced, then the next.
//
// What a sync costs depends most of all on whether the blocks that it writes
// have been written before. Hence two tables: in one, ours and the raw file are
// in files that have; in the other, all begin with nothing.

// log is a write-ahead log under measurement. Its batch is made once.
type log interface {
	appendSync() error
	Close() error
}

func walTable(s *versus.Session) table {
	t := logTable(s, openUsed, openRaw)
	t.Name, t.Title = "wal", "The log alone: append and sync; an operation is a record"
	return t
}

func walNewTable(s *versus.Session) table {
	t := logTable(s, openOurs, openRawNew)
	t.Name, t.Title = "wal-new", "The log alone, as far as it writes new files"
	return t
}

func logTable(s *versus.Session, openOurs, openRaw func(dir string, batch [][]byte) (log, error)) table {
	var cells, single, large []versus.Cell
	for _, size := range []int{64, 1024} {
		for _, batch := range []int{1, 64, 1024} {
			cell := versus.Cell(fmt.Sprintf("size=%d/batch=%d", size, batch))
			cells = append(cells, cell)
			switch batch {
			case 1:
				single = append(single, cell)
			case 1024:
				large = append(large, cell)
			}
		}
	}
	contender := func(name, module string, open func(dir string, records [][]byte) (log, error)) versus.Contender {
		return versus.Contender{Name: name, Module: module, Setup: func(_ context.Context, cell versus.Cell) (versus.Runner, error) {
			dir, err := os.MkdirTemp(s.Dir, "")
			if err != nil {
				return nil, err
			}
			l, err := open(dir, records(cell.Int("size", 64), cell.Int("batch", 1)))
			if err != nil {
				os.RemoveAll(dir)
				return nil, err
			}
			return walRunner{l, dir}, nil
		}}
	}
	return table{Table: versus.Table{
		Cells: cells, Quick: cells[2:3], Ours: ours, Reference: rawFile,
		Contenders: []versus.Contender{
			contender(ours, "github.com/flagship-go/flagship", openOurs),
			contender(rawFile, "", openRaw),
			contender(etcdSync, "go.etcd.io/etcd/server/v3", openEtcd),
			contender(hashiStock, "github.com/hashicorp/raft-wal", openHashicorp),
		},
		Stretch: 2.5, // rotations belong to a log
		Goals: []versus.Goal{
			{Metric: versus.OpsPerSec, AtLeast: 0.95, Of: rawFile, Cells: single},
			{Metric: versus.OpsPerSec, AtLeast: 0.8, Of: rawFile, Cells: large},
		},
	}}
}

// records are bytes that do not repeat.
func records(size, n int) [][]byte {
	r := rand.NewChaCha8([32]byte{1})
	batch := make([][]byte, n)
	for i := range batch {
		batch[i] = make([]byte, size)
		r.Read(batch[i])
	}
	return batch
}

type walRunner struct {
	log
	dir string
}

func (r walRunner) Run(_ context.Context, w *versus.Work) error {
	batch := w.Cell.Int("batch", 1)
	c := w.NewClient()
	for {
		for range batch {
			if !c.Next() {
				return nil
			}
		}
		if err := r.appendSync(); err != nil {
			return err
		}
	}
}

func (r walRunner) Close() error {
	err := r.log.Close()
	os.RemoveAll(r.dir)
	return err
}

// ourLog lets old records go, as snapshots do, and so gets their files back.
type ourLog struct {
	*wal.Log
	batch [][]byte
}

func openOurs(dir string, batch [][]byte) (log, error) {
	l, _, err := wal.Open(filepath.Join(dir, "wal"), nil)
	return &ourLog{l, batch}, err
}

// openUsed brings a log into the state that it stays in: it has got its first
// files back.
func openUsed(dir string, batch [][]byte) (log, error) {
	l, err := openOurs(dir, records(len(batch[0]), 1024))
	if err != nil {
		return nil, err
	}
	used := l.(*ourLog)
	for used.Metrics().Recycled == 0 {
		if err := used.appendSync(); err != nil {
			return nil, errors.Join(err, l.Close())
		}
	}
	used.batch = batch
	return l, nil
}

func (l *ourLog) appendSync() error {
	last, err := l.AppendSync(l.batch...)
	if err == nil && last%(1<<16) < uint64(len(l.batch)) && last > 1<<17 {
		err = l.TruncateFront(last - 1<<17)
	}
	return err
}

// raw is the least that a log must do: one write and one sync of the records'
// bytes, gathered before. It does so in a file of a segment's length.
type raw struct {
	file  vfs.File
	bytes []byte
	end   int64
	// next returns the file to go on with after the present one.
	next func(vfs.File) (vfs.File, error)
}

const rawLength = 64 << 20

// openRaw takes a file whose blocks are there and written, and at its end begins
// it anew.
func openRaw(dir string, batch [][]byte) (log, error) {
	file, err := vfs.OS().Create(filepath.Join(dir, "raw"))
	if err != nil {
		return nil, err
	}
	same := func(f vfs.File) (vfs.File, error) { return f, nil }
	l := &raw{file: file, bytes: slices.Concat(batch...), next: same}
	zeros := make([]byte, 1<<20)
	for at := int64(0); at < rawLength; at += int64(len(zeros)) {
		if _, err := file.WriteAt(zeros, at); err != nil {
			return nil, err
		}
	}
	return l, file.Sync()
}

// openRawNew takes files whose blocks are reserved, one after the other.
func openRawNew(dir string, batch [][]byte) (log, error) {
	n := 0
	create := func(old vfs.File) (vfs.File, error) {
		if old != nil {
			if err := old.Close(); err != nil {
				return nil, err
			}
		}
		n++
		file, err := vfs.OS().Create(filepath.Join(dir, fmt.Sprint("raw", n)))
		if err != nil {
			return nil, err
		}
		return file, errors.Join(file.Preallocate(rawLength), file.Sync())
	}
	file, err := create(nil)
	return &raw{file: file, bytes: slices.Concat(batch...), next: create}, err
}

func (l *raw) appendSync() error {
	if l.end+int64(len(l.bytes)) > rawLength {
		file, err := l.next(l.file)
		if err != nil {
			return err
		}
		l.file, l.end = file, 0
	}
	if _, err := l.file.WriteAt(l.bytes, l.end); err != nil {
		return err
	}
	l.end += int64(len(l.bytes))
	return l.file.Sync()
}

func (l *raw) Close() error { return l.file.Close() }

type etcdLog struct {
	*etcdwal.WAL
	entries []*pb.Entry
	next    uint64
}

func openEtcd(dir string, batch [][]byte) (log, error) {
	w, err := etcdwal.Create(nil, filepath.Join(dir, "wal"), nil)
	l := &etcdLog{WAL: w, next: 1}
	for _, b := range batch {
		l.entries = append(l.entries, &pb.Entry{Term: new(uint64(1)), Index: new(uint64(0)), Data: b})
	}
	return l, err
}

func (l *etcdLog) appendSync() error {
	for _, e := range l.entries {
		*e.Index = l.next
		l.next++
	}
	return l.Save(nil, l.entries)
}

type hashiLog struct {
	*hwal.WAL
	logs []*hraft.Log
	next uint64
}

func openHashicorp(dir string, batch [][]byte) (log, error) {
	w, err := hwal.Open(dir, hwal.WithLogger(hclog.NewNullLogger()))
	l := &hashiLog{WAL: w, next: 1}
	for _, b := range batch {
		l.logs = append(l.logs, &hraft.Log{Term: 1, Data: b})
	}
	return l, err
}

func (l *hashiLog) appendSync() error {
	for _, e := range l.logs {
		e.Index = l.next
		l.next++
	}
	return l.StoreLogs(l.logs)
}
