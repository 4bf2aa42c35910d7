package main

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/flagship-go/flagship/erasure"
)

const (
	erasureDrives = 8
	erasureParity = 3
	// erasureLimit bounds the archive of a folder that is no Go installation.
	erasureLimit = 256 << 20
	// erasureClients is how many objects are stored or read at a time.
	erasureClients = 8
)

// erasureChapter is about objects on drives that fail: programs and source of
// the Go installation survive lost drives and wrong bits.
var erasureChapter = Chapter{
	Name:  "erasure",
	Title: "eight drives lose any three and nothing else",
	Run: func(ctx context.Context, s *Stage) error {
		all, err := parcels(s)
		if err != nil {
			return err
		}
		a := &erasureActs{Stage: s, ctx: ctx, parcels: all}
		for i := range erasureDrives {
			a.dirs = append(a.dirs, filepath.Join(s.Dir, fmt.Sprintf("drive%d", i)))
		}
		return a.play()
	},
}

// erasureActs is the chapter while it runs.
type erasureActs struct {
	*Stage
	ctx     context.Context
	dirs    []string
	store   *erasure.Store
	parcels []*parcel

	wrong, missing atomic.Int64 // shards that reads found so
}

func (a *erasureActs) play() (err error) {
	defer func() { err = errors.Join(err, a.close()) }()
	for _, act := range []func() error{a.load, a.lose, a.loseMore, a.heal, a.loseOthers, a.comeBack} {
		if err := act(); err != nil {
			return err
		}
		if err := a.ctx.Err(); err != nil {
			return err
		}
	}
	return nil
}

// open opens the store on all drives but some, which are unplugged.
func (a *erasureActs) open(unplugged ...int) error {
	if err := a.close(); err != nil {
		return err
	}
	var drives []erasure.Drive
	out := map[int]bool{}
	for _, i := range unplugged {
		out[i] = true
	}
	for i, dir := range a.dirs {
		if out[i] {
			continue
		}
		d, err := erasure.OpenDir(dir)
		if err != nil {
			return err
		}
		drives = append(drives, d)
	}
	a.wrong.Store(0)
	a.missing.Store(0)
	store, err := erasure.Open(drives, &erasure.Options{
		Parity:    erasureParity,
		ScanEvery: -1, // this chapter heals by hand
		OnEvent: func(e erasure.Event) {
			switch {
			case e.Kind != erasure.ShardFailed:
			case errors.Is(e.Err, erasure.ErrCorrupt):
				a.wrong.Add(1)
			default:
				a.missing.Add(1)
			}
		},
	})
	if err != nil {
		return err
	}
	a.store = store
	return nil
}

func (a *erasureActs) close() error {
	if a.store == nil {
		return nil
	}
	defer func() { a.store = nil }()
	return a.store.Close()
}

// load stores everything.
func (a *erasureActs) load() error {
	a.Say("Eight drives, each a folder. An object is cut into blocks of 1 MiB, each block into 5 shards, and 3 parity shards are worked out of them: any 5 of the 8 give the block back. The largest programs of the Go installation, an archive of its source, and %d small files are stored.", len(a.Files))
	if err := a.open(); err != nil {
		return err
	}
	start := time.Now()
	var done atomic.Int64
	err := a.each(func(p *parcel) error {
		body, err := p.open()
		if err != nil {
			return err
		}
		defer body.Close()
		sum := sha256.New()
		info, err := a.store.Put(a.ctx, p.name, io.TeeReader(body, sum), p.size, nil)
		if err != nil {
			return err
		}
		p.size = info.Size
		sum.Sum(p.sum[:0])
		a.Progress("objects stored", int(done.Add(1)), len(a.parcels))
		return nil
	})
	if err != nil {
		return err
	}
	took, size := time.Since(start), a.size()
	a.Event("", fmt.Sprintf("all are stored, after %v: %.0f MB/s", took.Round(time.Millisecond), mb(size)/took.Seconds()), nil)
	used, err := bytesBelow(a.dirs)
	if err != nil {
		return err
	}
	a.Claim(float64(used) <= 1.75*float64(size), "%.1f MB of objects take %.1f MB on the drives: 8/5 times as much, and a little for checksums and names", mb(size), mb(used))
	if err := a.same("every object reads back identical"); err != nil {
		return err
	}
	a.Say("Where the shards of %s are:", a.large().name)
	return a.shardMap()
}

// lose deletes two drives, and lets a third rot.
func (a *erasureActs) lose() error {
	if err := a.close(); err != nil {
		return err
	}
	for _, i := range []int{2, 5} {
		if err := os.RemoveAll(a.dirs[i]); err != nil {
			return err
		}
	}
	n, err := damageShards(a.dirs[7])
	if err != nil {
		return err
	}
	a.Event("", fmt.Sprintf("drive2 and drive5 are deleted; on drive7 a bit is turned in each of %d large files", n), nil)
	a.Claim(n > 0, "there is something to damage: %d files", n)
	return nil
}

// loseMore unplugs a fourth, and puts it back.
func (a *erasureActs) loseMore() error {
	if err := a.open(0, 2, 5); err != nil {
		return err
	}
	p := a.large()
	_, n, err := a.read(p)
	a.Claim(errors.Is(err, erasure.ErrReadQuorum), "with drive0 unplugged as well, %s has lost four shards of a block: reading ends there, after %.1f MB, and says so: %s",
		p.name, mb(n), errOr(err, "nothing was said"))
	if err := a.open(2, 5); err != nil {
		return err
	}
	a.Say("drive0 is back. The same object now:")
	if err := a.shardMap(); err != nil {
		return err
	}
	if err := a.same("with two drives gone and one wrong every object reads back identical"); err != nil {
		return err
	}
	a.Event("", fmt.Sprintf("on the way %d blocks had a wrong checksum and %d shards were not there: others were read instead", a.wrong.Load(), a.missing.Load()), nil)
	return nil
}

// heal puts two empty drives in, and rebuilds.
func (a *erasureActs) heal() error {
	if err := a.open(); err != nil { // the two folders are made again, empty
		return err
	}
	start := time.Now()
	report, err := a.store.Heal(a.ctx, &erasure.HealOptions{Deep: true}, func(r erasure.HealReport) {
		a.Progress("objects healed", r.Objects, len(a.parcels))
	})
	if err != nil {
		return err
	}
	a.Event("", fmt.Sprintf("two empty drives take their places; everything is checked and healed in %v: %d shards written",
		time.Since(start).Round(time.Millisecond), report.Healed), nil)
	again, err := a.store.Heal(a.ctx, &erasure.HealOptions{Deep: true, DryRun: true}, nil)
	if err != nil {
		return err
	}
	a.Claim(again.Corrupt+again.Absent+again.Unreadable == 0 && again.Objects == len(a.parcels),
		"a second look at every byte finds nothing to heal: %d objects, %d corrupt shards, %d absent", again.Objects, again.Corrupt, again.Absent)
	a.Say("And after healing:")
	return a.shardMap()
}

// loseOthers takes three drives that were never touched: now the healed ones are
// needed.
func (a *erasureActs) loseOthers() error {
	if err := a.open(0, 1, 3); err != nil {
		return err
	}
	a.Event("", "drive0, drive1 and drive3 are unplugged: two of the five that are left were empty a moment ago", nil)
	if err := a.same("every object reads back identical, from healed shards"); err != nil {
		return err
	}
	for i, p := range a.parcels {
		if i%3 != 1 {
			continue
		}
		if _, err := a.store.Delete(a.ctx, p.name, nil); err != nil {
			return err
		}
		p.gone = true
	}
	a.Event("", "every third object is deleted, while three drives do not hear of it", nil)
	return nil
}

// comeBack plugs the three in again: they hold what was deleted.
func (a *erasureActs) comeBack() error {
	if err := a.open(); err != nil {
		return err
	}
	a.Event("", "the three are back, with everything as they knew it", nil)
	if err := a.same("what was deleted stays deleted, the rest is there"); err != nil {
		return err
	}
	if _, err := a.store.Heal(a.ctx, nil, nil); err != nil {
		return err
	}
	live := 0
	for _, p := range a.parcels {
		if !p.gone {
			live++
		}
	}
	versions, err := versionsBelow(a.dirs)
	if err != nil {
		return err
	}
	a.Claim(versions == live*erasureDrives, "healed, each of the eight drives has its shard of each of the %d objects, and nothing of what was deleted: %d version files", live, versions)
	return a.same("at the end every object is as it should be")
}

// each calls do for every parcel that is there, several at a time.
func (a *erasureActs) each(do func(p *parcel) error) error {
	ctx, cancel := context.WithCancelCause(a.ctx)
	defer cancel(nil)
	var next atomic.Int64
	var wg sync.WaitGroup
	for range erasureClients {
		wg.Go(func() {
			for i := int(next.Add(1)) - 1; i < len(a.parcels) && ctx.Err() == nil; i = int(next.Add(1)) - 1 {
				if err := do(a.parcels[i]); err != nil {
					cancel(err)
				}
			}
		})
	}
	wg.Wait()
	return context.Cause(ctx)
}

// read returns the sum of an object, and how many bytes came.
func (a *erasureActs) read(p *parcel) (sum [sha256.Size]byte, n int64, err error) {
	o, err := a.store.Get(a.ctx, p.name, nil)
	if err != nil {
		return sum, 0, err
	}
	defer o.Close()
	h := sha256.New()
	n, err = io.Copy(h, o)
	h.Sum(sum[:0])
	return sum, n, err
}

// same claims that every object is as it was stored, and the listing complete.
func (a *erasureActs) same(claim string) error {
	var mu sync.Mutex
	var differ []string
	err := a.each(func(p *parcel) error {
		sum, _, err := a.read(p)
		if p.gone && errors.Is(err, erasure.ErrNotFound) || !p.gone && err == nil && sum == p.sum {
			return nil
		}
		mu.Lock()
		defer mu.Unlock()
		differ = append(differ, fmt.Sprintf("%s: %s", p.name, errOr(err, "it is not what was stored")))
		return nil
	})
	if err != nil {
		return err
	}
	listed, err := a.count()
	if err != nil {
		return err
	}
	there := 0
	for _, p := range a.parcels {
		if !p.gone {
			there++
		}
	}
	if listed != there {
		differ = append(differ, fmt.Sprintf("%d are listed", listed))
	}
	if len(differ) > 0 {
		a.Claim(false, "%s; but %s", claim, strings.Join(differ[:min(len(differ), 3)], "; "))
		return nil
	}
	a.Claim(true, "%s: %d objects, %.1f MB", claim, there, mb(a.size()))
	return nil
}

// count lists everything, a page at a time.
func (a *erasureActs) count() (n int, err error) {
	for o := (erasure.ListOptions{Max: 100}); ; {
		page, err := a.store.List(a.ctx, o)
		if err != nil {
			return 0, err
		}
		n += len(page.Objects)
		if !page.More {
			return n, nil
		}
		o.After = page.Next
	}
}

// size is that of all objects that are there.
func (a *erasureActs) size() (sum int64) {
	for _, p := range a.parcels {
		if !p.gone {
			sum += p.size
		}
	}
	return sum
}

// large is an object whose shards are files of several blocks.
func (a *erasureActs) large() *parcel {
	for _, p := range a.parcels {
		if p.size > 1<<20 {
			return p
		}
	}
	return a.parcels[0]
}

// versionName is what a shard map calls the version: long, and nobody needs it here.
var versionName = regexp.MustCompile(`version @[0-9a-f-]+, `)

func (a *erasureActs) shardMap() error {
	text, err := a.store.Explain(a.ctx, a.large().name)
	if err == nil {
		a.Picture(versionName.ReplaceAllString(strings.ReplaceAll(text, a.Dir+string(filepath.Separator), ""), ""))
	}
	return err
}
