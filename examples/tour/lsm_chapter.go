package main

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/flagship-go/flagship/internal/vfs"
	"github.com/flagship-go/flagship/lsm"
)

const (
	// lsmWriters is how many goroutines write at the same time.
	lsmWriters = 4
	// lsmLimit bounds what is read of a folder that is no Go installation.
	lsmLimit = 256 << 20
)

// lsmChapter is about an ordered store on disk: it takes every file of the Go
// installation, and is changed, compacted, killed and damaged.
var lsmChapter = Chapter{
	Name:   "lsm",
	Title:  "a tree of sorted tables keeps what it took",
	Victim: lsmVictim,
	Run: func(ctx context.Context, s *Stage) error {
		files, whole, err := readTree(s.Root, lsmLimit, func(string) bool { return true })
		if err != nil {
			return err
		}
		shelf := newShelf(files)
		_, size := shelf.live()
		if len(files) < 100 || size < 1<<20 {
			return fmt.Errorf("this chapter needs 100 files and 1 MiB or more, and %s has %d files of %d bytes; name a larger folder with -src", s.Root, len(files), size)
		}
		a := &lsmActs{Stage: s, ctx: ctx, dir: filepath.Join(s.Dir, "store"), options: lsmOptions(size), shelf: shelf, whole: whole}
		return a.play()
	},
}

// lsmActs is the chapter while it runs.
type lsmActs struct {
	*Stage
	ctx     context.Context
	dir     string
	options *lsm.Options
	db      *lsm.DB
	shelf   *shelf
	whole   bool // the shelf holds all files that there are
}

func (a *lsmActs) play() (err error) {
	defer func() {
		if a.db != nil {
			err = errors.Join(err, a.db.Close())
		}
	}()
	for _, act := range []func() error{a.load, a.change, a.compact, a.kill, a.damage, a.readBack} {
		if err := act(); err != nil {
			return err
		}
		if err := a.ctx.Err(); err != nil {
			return err
		}
	}
	return nil
}

// load stores every file under its name.
func (a *lsmActs) load() (err error) {
	n, size := a.shelf.live()
	what := "all"
	if !a.whole {
		what = "the first"
	}
	a.Say("A log-structured merge tree takes %s %d files below %s, %.0f MB: a name is a key, contents are a value. Contents of %d KiB or more go to the value log once, and the tree keeps their places.",
		what, n, a.Root, float64(size)/1e6, lsmLarge>>10)
	if a.db, err = lsm.Open(a.dir, a.options); err != nil {
		return err
	}
	start := time.Now()
	var done atomic.Int64
	err = a.write(func(i int, f File) error {
		a.Progress("files stored", int(done.Add(1)), n)
		return a.db.Put([]byte(f.Name), f.Data)
	})
	if err != nil {
		return err
	}
	took := time.Since(start)
	a.Event("", fmt.Sprintf("all are stored, after %v: %.0f MB/s", took.Round(time.Millisecond), float64(size)/1e6/took.Seconds()), nil)
	return a.same("every file reads back identical, in the order of the names")
}

// change overwrites and deletes, while a snapshot remembers.
func (a *lsmActs) change() error {
	n := len(a.shelf.files)
	before := *a.shelf
	before.editions = append([]int(nil), before.editions...)
	snapshot := a.db.Snapshot()
	defer snapshot.Close()

	from, to := n*6/10, n*7/10
	first, last := a.shelf.files[from].Name, a.shelf.files[to].Name
	err := a.write(func(i int, f File) (err error) {
		switch {
		case i%3 == 0:
			a.shelf.editions[i], err = 1, a.db.Put([]byte(f.Name), edition(f, 1))
		case i%7 == 0:
			a.shelf.editions[i], err = gone, a.db.Delete([]byte(f.Name))
		}
		return err
	})
	if err != nil {
		return err
	}
	if err := a.db.DeleteRange([]byte(first), []byte(last)); err != nil {
		return err
	}
	for i := from; i < to; i++ {
		a.shelf.editions[i] = gone
	}
	a.Event("", "every third file is overwritten, some are deleted one by one", nil)
	a.Event("", fmt.Sprintf("one range delete removes %d files from %s on", to-from, first), nil)
	if err := a.same("the store has the new editions, and nothing that was deleted"); err != nil {
		return err
	}
	it, err := snapshot.NewIter(nil)
	if err != nil {
		return err
	}
	return a.judge(&before, it, "a snapshot from before still shows every file as it was")
}

// compact merges everything into one level, and gives space back.
func (a *lsmActs) compact() error {
	if err := a.db.Flush(); err != nil {
		return err
	}
	m := a.db.Metrics()
	tree, values := a.sizes()
	a.Say("The tree now. Tables in L0 overlap, as they came out of memory; each level below is sorted, and newer than the next. %d flushes and %d compactions made it:",
		m.Flushes, m.Compactions)
	a.Picture(a.db.Tree())
	if err := a.lookUp(); err != nil {
		return err
	}
	start := time.Now()
	if err := a.db.Compact(nil, nil); err != nil {
		return err
	}
	// The value log is cleaned by the store itself, a little later.
	_, size := a.shelf.live()
	settled := func() bool {
		tree, values := a.sizes()
		return a.db.Metrics().Running == 0 && tree+values <= int64(size)*3/2
	}
	late, cancel := context.WithTimeout(a.ctx, 10*time.Second)
	defer cancel()
	_ = poll(late, settled) // a claim tells
	a.Event("", fmt.Sprintf("everything is compacted, in %v", time.Since(start).Round(time.Millisecond)), nil)
	a.Say("What was overwritten or deleted is gone, and one level is left:")
	a.Picture(a.db.Tree())
	treeNow, valuesNow := a.sizes()
	a.Event("", fmt.Sprintf("tables: %.1f MB, were %.1f; value log: %.1f MB, was %.1f",
		mb(treeNow), mb(tree), mb(valuesNow), mb(values)), nil)
	full := 0
	for _, l := range a.db.Metrics().Levels {
		if l.Tables > 0 {
			full++
		}
	}
	a.Claim(full == 1, "a read has one level to ask: %d of 7 holds tables", full)
	a.Claim(treeNow+valuesNow <= int64(size)*3/2, "%.1f MB of files take %.1f MB on disk: at most 1.5 times as much", mb(int64(size)), mb(treeNow+valuesNow))
	return a.same("compaction has changed nothing that can be read")
}

// lookUp tells what one read touches.
func (a *lsmActs) lookUp() error {
	// A file that was not written again: it has sunk.
	n := len(a.shelf.files)
	at, _ := slices.BinarySearchFunc(a.shelf.files, "net/http/server.go", func(f File, name string) int { return strings.Compare(f.Name, name) })
	for range n {
		if at %= n; a.shelf.editions[at] == 0 {
			break
		}
		at++
	}
	f := a.shelf.files[at]
	value, trace, err := a.db.GetTraced([]byte(f.Name))
	if err != nil {
		return err
	}
	a.Say("Where %s, %.1f KB, is looked for, newest place first; where a filter says no, no block is read:", f.Name, float64(len(value))/1e3)
	a.Picture(trace.String())
	return nil
}

// kill lets another process write, and kills it in the midst.
func (a *lsmActs) kill() error {
	if err := a.db.Close(); err != nil {
		return err
	}
	a.db = nil
	var places []int
	var files []File
	for i := 0; i < len(a.shelf.files); i += 2 {
		places = append(places, i)
		files = append(files, File{a.shelf.files[i].Name, edition(a.shelf.files[i], 2)})
	}
	a.Event("", fmt.Sprintf("another process opens the store, and writes every second file again, %d to a batch", lsmGroup), nil)
	var refused error
	acked, err := killLSMMidway(a.ctx, a.dir, files, func() {
		var second *lsm.DB
		if second, refused = lsm.Open(a.dir, a.options); refused == nil {
			refused = second.Close()
		}
	}, func(done, of int) { a.Progress("batches acknowledged", done, of) })
	if err != nil {
		return err
	}
	a.Claim(errors.Is(refused, vfs.ErrLocked), "while it has the store nobody else can open it")
	start := time.Now()
	if a.db, err = lsm.Open(a.dir, a.options); err != nil {
		return err
	}
	a.Event("", fmt.Sprintf("it is killed (SIGKILL); the store opens in %v, with %d writes found in its log",
		time.Since(start).Round(time.Millisecond), a.db.Metrics().Replayed), nil)
	return a.judgeBatches(acked, places)
}

// judgeBatches finds out which batches of the killed process are there.
func (a *lsmActs) judgeBatches(acked []bool, places []int) error {
	sure, lost, torn, more := 0, 0, 0, 0
	for g, promised := range acked {
		if promised {
			sure++
		}
		there := 0
		for _, i := range places[g*lsmGroup : (g+1)*lsmGroup] {
			f := a.shelf.files[i]
			value, err := a.db.Get([]byte(f.Name))
			if err != nil && !errors.Is(err, lsm.ErrNotFound) {
				return err
			}
			if err == nil && isEdition(value, f, 2) {
				there++
				a.shelf.editions[i] = 2
			}
		}
		switch {
		case there != 0 && there != lsmGroup:
			torn++
		case promised && there == 0:
			lost++
		case !promised && there > 0:
			more++
		}
	}
	a.Claim(lost == 0, "of the batches that were acknowledged %d of %d are there", sure-lost, sure)
	a.Claim(torn == 0, "a batch is there whole or not at all: %d are torn, and %d are there that nobody was promised", torn, more)
	return a.same("nothing else has changed")
}

// readBack is the last look.
func (a *lsmActs) readBack() error {
	err := a.db.Verify()
	a.Claim(err == nil, "every checksum of every table and every value holds: %s", errOr(err, "no damage"))
	return a.same("at the end every file is as it was written last")
}

// write calls put for every file, from lsmWriters goroutines.
func (a *lsmActs) write(put func(i int, f File) error) error {
	ctx, cancel := context.WithCancelCause(a.ctx)
	defer cancel(nil)
	var next atomic.Int64
	var wg sync.WaitGroup
	for range lsmWriters {
		wg.Go(func() {
			for i := int(next.Add(1)) - 1; i < len(a.shelf.files) && ctx.Err() == nil; i = int(next.Add(1)) - 1 {
				if err := put(i, a.shelf.files[i]); err != nil {
					cancel(err)
				}
			}
		})
	}
	wg.Wait()
	return context.Cause(ctx)
}

// same claims that the store holds what is on the shelf.
func (a *lsmActs) same(claim string) error {
	it, err := a.db.NewIter(nil)
	if err != nil {
		return err
	}
	return a.judge(a.shelf, it, claim)
}

func (a *lsmActs) judge(s *shelf, it *lsm.Iterator, claim string) error {
	difference, err := s.compare(it)
	if err != nil {
		return err
	}
	if difference != "" {
		a.Claim(false, "%s; but %s", claim, difference)
		return nil
	}
	n, size := s.live()
	a.Claim(true, "%s: %d files, %.1f MB", claim, n, mb(int64(size)))
	return nil
}

// sizes returns the bytes of the tables and of the value log.
func (a *lsmActs) sizes() (tree, values int64) {
	m := a.db.Metrics()
	for _, l := range m.Levels {
		tree += int64(l.Size)
	}
	return tree, m.ValueLogSize
}

func mb(n int64) float64 { return float64(n) / 1e6 }

func errOr(err error, none string) string {
	if err == nil {
		return none
	}
	return err.Error()
}
