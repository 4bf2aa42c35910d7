// What the drives of a set say about an object, counted for the judge.

package erasure

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"time"
)

// A census is what each drive says about an object.
type census struct {
	store   *Store
	set     *set
	name    string
	dir     string
	answers []answer // by place
}

// An answer is what one drive says about an object.
type answer struct {
	err        error // not nil: the drive is silent
	rebuilding bool  // what it does not list says nothing
	tree
	files map[versionKey]file // the version files that were read
}

// A file is a version file that was read, or why it says nothing.
type file struct {
	holding *holding
	err     error
}

// A selection says which of the versions on a drive, the newest first, are to be
// read at once.
type selection func([]versionKey) []versionKey

// newest is the selection of the current version.
func newest(keys []versionKey) []versionKey { return keys[:min(1, len(keys))] }

// byID is the selection of the version that users call by the ID.
func byID(versionID string) selection {
	return func(keys []versionKey) []versionKey {
		for i, k := range keys {
			if k.matches(versionID) {
				return keys[i : i+1]
			}
		}
		return nil
	}
}

// none is the selection of those who need only names.
func none([]versionKey) []versionKey { return nil }

// look asks all drives what they hold of an object, and reads the version files
// that are selected. It waits for no more than it takes: see enough.
func (s *Store) look(ctx context.Context, name string, read selection) *census {
	c := s.newCensus(name)
	c.ask(ctx, read, func(o []outcome[answer]) time.Duration { return c.enough(o, read) })
	return c
}

// lookAtAll looks at all versions, and waits for all drives with patience.
func (s *Store) lookAtAll(ctx context.Context, name string) *census {
	c := s.newCensus(name)
	c.ask(ctx, every, quorum[answer](s, majority(len(c.set.places))))
	return c
}

func (s *Store) newCensus(name string) *census {
	return &census{store: s, set: s.setOf(name), name: name, dir: objectDir(name)}
}

func (c *census) ask(ctx context.Context, read selection, patience func([]outcome[answer]) time.Duration) {
	f := ask(ctx, c.store, c.set, c.set.all(), looking, func(ctx context.Context, p *place, d Drive) (answer, error) {
		return c.lookAt(ctx, p, d, read)
	}, nil)
	outcomes := f.wait(patience)
	c.answers = make([]answer, len(outcomes))
	for i, o := range outcomes {
		c.answers[i] = o.value
		c.answers[i].err = o.err
	}
}

// lookAt asks one drive.
func (c *census) lookAt(ctx context.Context, p *place, d Drive, read selection) (answer, error) {
	a := answer{rebuilding: p.isRebuilding()}
	if p.isRenaming(c.name) {
		return a, fmt.Errorf("%s: %w", d, errRename)
	}
	names, err := d.List(ctx, c.dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return a, fmt.Errorf("%s: %w", d, err)
	}
	a.tree = readTree(names)
	for _, key := range read(a.versions) {
		a.keep(key, c.readFile(ctx, p, d, key))
	}
	return a, nil
}

// readFile reads a version file of one drive.
func (c *census) readFile(ctx context.Context, p *place, d Drive, key versionKey) file {
	path := c.dir + "/" + key.file()
	b, err := d.ReadFile(ctx, path)
	if err != nil {
		return file{err: fmt.Errorf("%s: %w", d, err)}
	}
	h, err := decodeVersion(key, b)
	switch {
	case errors.Is(err, ErrNewer):
		err = fmt.Errorf("%s: %s: %w", d, path, err)
	case err == nil && h.shards() != len(c.set.places):
		err = &CorruptError{Drive: d.String(), Path: path, Offset: -1, Reason: "it is of a set of another size"}
	case err != nil:
		err = &CorruptError{Drive: d.String(), Path: path, Offset: -1, Reason: err.Error()}
	}
	return file{h, err}
}

// keep adds a file that was read. One that is gone was listed by mistake.
func (a *answer) keep(key versionKey, f file) {
	if errors.Is(f.err, fs.ErrNotExist) {
		a.versions = slices.DeleteFunc(slices.Clone(a.versions), func(k versionKey) bool { return k == key })
		return
	}
	if a.files == nil {
		a.files = make(map[versionKey]file)
	}
	a.files[key] = f
}

// enough says how much longer to wait for answers. When more than half of the
// drives have answered, no version is unknown to all of them that could be read.
// If then the first version is settled, or there is none, the answer is known;
// it is worth a little patience to hear from the others, above all from those
// with data shards.
func (c *census) enough(outcomes []outcome[answer], read selection) time.Duration {
	answered := succeeded(outcomes)
	if answered < majority(len(outcomes)) {
		return c.store.patience()
	}
	var first versionKey
	for _, o := range outcomes {
		if keys := read(o.value.versions); len(keys) > 0 && (first == versionKey{} || keys[0].compare(first) > 0) {
			first = keys[0]
		}
	}
	if (first == versionKey{}) {
		return c.store.o.Hedge
	}
	have, data := 0, 0
	var g geometry
	for _, o := range outcomes {
		if h := o.value.files[first].holding; h != nil {
			g = h.geometry
			have++
			if h.shard < g.data {
				data++
			}
		}
	}
	switch {
	case have == 0 || have < g.writeQuorum():
		return c.store.o.Grace
	case data < g.data:
		return c.store.o.Hedge
	}
	return 0
}

// silent counts the drives that have not said whether they hold a version that
// nobody lists.
func (c *census) silent() int {
	n := 0
	for _, a := range c.answers {
		if a.err != nil || a.rebuilding {
			n++
		}
	}
	return n
}

// silence is why drives are silent.
func (c *census) silence() error {
	var errs []error
	for _, a := range c.answers {
		if a.err != nil {
			errs = append(errs, a.err)
		}
		for _, f := range a.files {
			if f.err != nil {
				errs = append(errs, f.err)
			}
		}
	}
	return errors.Join(errs...)
}

// keys are all versions that a drive lists, the newest first.
func (c *census) keys() []versionKey {
	var keys []versionKey
	for _, a := range c.answers {
		if a.err == nil {
			keys = append(keys, a.versions...)
		}
	}
	slices.SortFunc(keys, func(a, b versionKey) int { return b.compare(a) })
	return slices.Compact(keys)
}

// A tally is what the drives say about one version.
type tally struct {
	*version
	holdings []*holding // by place; nil: not held, or silent
	holding  int        // drives that hold it, each another shard
	silent   int
	absent   []int // places that have said that they do not hold it
	listed   []int // places that list it, damaged or not
	verdict  verdict
}

// tally counts and judges a version. Files that were not read before are read.
func (c *census) tally(ctx context.Context, key versionKey) *tally {
	c.read(ctx, key)
	t := &tally{holdings: make([]*holding, len(c.answers))}
	sum := c.agreed(key)
	taken := make([]bool, len(c.answers))
	for i, a := range c.answers {
		listed := a.err == nil && slices.Contains(a.versions, key)
		h := a.files[key].holding
		switch {
		case listed:
			t.listed = append(t.listed, i)
			// E2, E8: the same version on all drives, and each shard once.
			if h != nil && h.sum == sum && !taken[h.shard] {
				taken[h.shard] = true
				t.holdings[i] = h
				t.holding++
				t.version = &h.version
			} else {
				t.silent++
			}
		case a.err != nil || a.rebuilding:
			t.silent++
		default:
			t.absent = append(t.absent, i)
		}
	}
	if t.version == nil {
		t.version = &version{versionKey: key}
		t.verdict = judgeUnseen(len(c.answers), t.silent)
	} else {
		t.verdict = judge(t.geometry, t.holding, t.silent)
	}
	return t
}

// read reads the files of a version that were not read yet.
func (c *census) read(ctx context.Context, key versionKey) {
	var places []int
	known := 0
	for i, a := range c.answers {
		if _, ok := a.files[key]; ok || a.err == nil && !slices.Contains(a.versions, key) {
			known++
		} else if a.err == nil {
			places = append(places, i)
		}
	}
	if len(places) == 0 {
		return
	}
	f := ask(ctx, c.store, c.set, places, looking, func(ctx context.Context, p *place, d Drive) (file, error) {
		return c.readFile(ctx, p, d, key), nil
	}, nil)
	outcomes := f.wait(quorum[file](c.store, majority(len(c.answers))-known))
	for _, i := range places {
		if o := outcomes[i]; o.err != nil {
			c.answers[i].keep(key, file{err: o.err})
		} else {
			c.answers[i].keep(key, o.value)
		}
	}
}

// agreed is the checksum of the version that most drives hold under the key.
func (c *census) agreed(key versionKey) uint32 {
	votes := make(map[uint32]int)
	var best uint32
	for _, a := range c.answers {
		if h := a.files[key].holding; h != nil {
			votes[h.sum]++
			if n := votes[h.sum]; n > votes[best] || n == votes[best] && h.sum < best {
				best = h.sum
			}
		}
	}
	return best
}
