package lsmtest

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"runtime/debug"
	"strconv"
	"strings"

	"github.com/flagship-go/flagship/internal/vfs"
)

func damageRules() []Rule {
	return []Rule{{ID: "damage", Source: "pebble issue 4560, badger: 17 wrong of 25", Capability: "Damage", every: true, tell: damages,
		Text: "A damaged file is an error that names it, or has no effect: never a wrong value, a silent loss or a panic."}}
}

// damageLog makes a tree of levels, with range tombstones, merges, large values,
// versions that a snapshot holds, and an end that is only in the log.
func damageLog(c Capabilities) Log {
	var l Log
	add := func(text string) { l = append(l, mustParse(text)...) }
	for round := range 5 {
		ops := spread(150, 200, round)
		for i := range ops {
			if i%(round+1) != 0 {
				ops[i] = Op{Kind: Delete, Key: ops[i].Key}
			} else if i%5 == 0 {
				ops[i].Value = repeated(string(ops[i].Value[:6]), 3000)
			}
		}
		l = append(l, step{verb: "batch", ops: ops[round*10:]})
		if round == 2 {
			add("snap s")
		}
		if c.RangeDelete {
			add(fmt.Sprintf("delrange key%05d key%05d", round*20, round*20+7))
		}
		if c.Merge {
			add(fmt.Sprintf("batch merge key%05d m, merge key00100 m%d", round*20, round))
		}
		add("flush")
		if round == 1 || round == 3 {
			add("compact")
		}
	}
	add("batch put key00003 end, put zz w*4000, del key00050\nsync put zzz 1")
	return l
}

// damages builds a store for some option sets, and spoils copies of it.
func damages(w *world) error {
	sets := w.impl.allSets()
	n := min(len(sets), 5)
	for i := range n {
		w.set = sets[i*len(sets)/n]
		p, err := w.player()
		if err != nil {
			return err
		}
		if err := p.play(damageLog(w.impl.Claims)); err != nil {
			return err
		}
		rng := rand.New(rand.NewPCG(w.runs.Seed+uint64(i), 41))
		want := p.state.pairs(nil, nil, p.now())
		for range max(w.runs.Damages/n, 1) {
			if err := damageOnce(w, p, want, rng); err != nil {
				return fmt.Errorf("option set %q: %w", w.set.Name, err)
			}
		}
	}
	return nil
}

// file is one of a disk.
type diskFile struct {
	name string
	size int64
}

// files lists what has bytes.
func files(m *MemFS) (all []diskFile) {
	for line := range strings.Lines(m.Dump()) {
		name, size, ok := strings.Cut(strings.TrimSpace(line), " ")
		if n, err := strconv.ParseInt(size, 10, 64); ok && err == nil && n > 0 {
			all = append(all, diskFile{name, n})
		}
	}
	return all
}

// spoilt changes a random place of a random file, and says how.
func spoilt(m *MemFS, rng *rand.Rand) (file, how string, err error) {
	all := files(m)
	f := all[rng.IntN(len(all))]
	h, err := m.Open(f.name, vfs.ReadWrite)
	if err != nil {
		return "", "", err
	}
	defer h.Close()
	// Preallocated files end with much that means nothing.
	used := usedBytes(h, f.size)
	at := rng.Int64N(used)
	switch rng.IntN(4) {
	case 0, 1:
		bit := rng.IntN(8)
		return f.name, fmt.Sprintf("with bit %d of byte %d of %s flipped", bit, at, f.name), m.FlipBit(f.name, at*8+int64(bit))
	case 2:
		n := min(1+rng.Int64N(700), used-at)
		_, err = h.WriteAt(make([]byte, n), at)
		return f.name, fmt.Sprintf("with %d bytes from byte %d of %s zeroed", n, at, f.name), err
	default:
		return f.name, fmt.Sprintf("with %s cut to %d bytes", f.name, at), h.Truncate(at)
	}
}

// usedBytes returns the length of a file without the zeros at its end.
func usedBytes(h File, size int64) int64 {
	const chunk = 1 << 16
	b := make([]byte, chunk)
	for size > 0 {
		from := max(size-chunk, 0)
		n, _ := h.ReadAt(b[:size-from], from)
		for ; n > 0; n-- {
			if b[n-1] != 0 {
				return from + int64(n)
			}
		}
		size = from
	}
	return 1
}

// damageOnce spoils a copy of a closed store and reads everything.
func damageOnce(w *world, p *player, want []pair, rng *rand.Rand) (err error) {
	disk := p.fs.KillClone()
	file, how, err := spoilt(disk, rng)
	if err != nil {
		return err
	}
	defer func() {
		if end := recover(); end != nil {
			err = fmt.Errorf("%s it panics: %v\n%s", how, end, debug.Stack())
		}
	}()
	d := damaged{w: w, file: file, cut: !strings.Contains(how, " flipped"), want: map[string]string{}}
	for _, x := range want {
		d.want[x.key] = x.value
	}
	o := p.options(p.dir)
	o.FS = disk
	store, err := w.impl.Open(o)
	if err == nil {
		err = d.read(store)
		store.Close()
	} else {
		err = d.typed(err)
	}
	if err != nil {
		return fmt.Errorf("%s, %w", how, err)
	}
	return nil
}

// damaged knows what may be read from a store with one damaged file.
type damaged struct {
	w    *world
	file string
	cut  bool
	want map[string]string
}

// typed checks that an error is one of damage, to the right file. A file that was
// cut, or whose end was zeroed, may end as it once did: then it is others that do
// not fit to it.
func (d *damaged) typed(err error) error {
	file, _, ok := d.w.impl.Damage(err)
	if !ok {
		return fmt.Errorf("the error does not say that anything is damaged: %w", err)
	}
	named := strings.TrimPrefix(filepath.ToSlash(file), "/")
	if named != d.file && !strings.HasPrefix(d.file, named+"/") && !d.cut {
		return fmt.Errorf("the error is about %s: %w", named, err)
	}
	return nil
}

func (d *damaged) read(store Store) error {
	got, err := readAll(store, nil, nil)
	if err != nil {
		if err := d.typed(err); err != nil {
			return fmt.Errorf("in a scan %w", err)
		}
	}
	if err := d.right(got, err == nil); err != nil {
		return fmt.Errorf("in a scan %w", err)
	}
	if d.w.impl.Claims.Reverse {
		got, err = readBack(store, nil, nil)
		if err != nil {
			if err := d.typed(err); err != nil {
				return fmt.Errorf("in a scan backwards %w", err)
			}
		}
		if err := d.right(got, err == nil); err != nil {
			return fmt.Errorf("in a scan backwards %w", err)
		}
	}
	for i := range 150 {
		for _, key := range []string{fmt.Sprintf("key%05d", i), fmt.Sprintf("k%02d", i)} {
			want, ok := d.want[key]
			got, err := store.Get([]byte(key))
			switch {
			case errors.Is(err, ErrNotFound) && ok && !d.w.set.MayDrop:
				return fmt.Errorf("key %s is missing, without an error", key)
			case errors.Is(err, ErrNotFound):
			case err != nil:
				if err := d.typed(err); err != nil {
					return fmt.Errorf("for key %s %w", key, err)
				}
			case !ok || string(got) != want:
				return fmt.Errorf("key %s is %s instead of %s, without an error", key, show(string(got)), show(want))
			}
		}
	}
	return nil
}

// right checks what a scan showed; whole, that it showed all.
func (d *damaged) right(got []pair, whole bool) error {
	for _, x := range got {
		if want, ok := d.want[x.key]; !ok || want != x.value {
			return fmt.Errorf("key %s is %s instead of %s, without an error", show(x.key), show(x.value), show(want))
		}
	}
	if whole && len(got) != len(d.want) && !d.w.set.MayDrop {
		return fmt.Errorf("%d keys of %d are shown, without an error", len(got), len(d.want))
	}
	return nil
}
