// Walking the names of a store in byte order, of as much as is asked for.

package erasure

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"
	"time"
)

// A walk visits objects in the order of their names. Each drive has a tree of
// directories; the walk goes through their union, one directory at a time. It
// holds the names of the directories from the top to where it is.
//
// A directory is two things, the object of its name and all objects below it, and
// they are not neighbours. So each is two keys of its parent, and the keys are
// sorted, not the directories:
//
//	directories   a   a-b   a.txt          names       a   a-b   a.txt   a/b
//	keys          a   a-b   a-b/   a.txt   a.txt/   a/
type walk struct {
	store *Store
	read  selection
	// from is the least name that is still wanted, until the least that is no
	// longer; "": no bound. What lies outside is not looked at.
	from, until string
	// remains has it visit directories too that hold only what versions have left.
	remains bool
	sets    []*set // those that are walked over
	levels  []level
	// visited is the directory visited last, and below what was seen in it.
	visited string
	below   []string
}

// A level is a directory: what its names start with, and the keys still to come.
type level struct {
	prefix string
	keys   []string
}

// walk begins a walk over the names with the prefix, from a name on.
func (s *Store) walk(prefix, from string, read selection) *walk {
	w := &walk{store: s, sets: s.sets, read: read, from: max(prefix, from), until: successor(prefix)}
	// Down to the directory that all names with the prefix are in, if one can be.
	top := prefix[:strings.LastIndexByte(prefix, '/')+1]
	if top == "" || checkName(top[:len(top)-1]) == nil {
		w.levels = []level{{prefix: top, keys: []string{""}}}
	}
	return w
}

// successor is the least string behind all that start with the prefix; "" if
// there is none.
func successor(prefix string) string {
	b := []byte(prefix)
	for len(b) > 0 {
		if last := len(b) - 1; b[last] < 0xff {
			b[last]++
			return string(b)
		}
		b = b[:len(b)-1]
	}
	return ""
}

// skip moves on to from, if the walk is not there yet. At "" it ends.
func (w *walk) skip(from string) {
	if from == "" {
		w.levels = nil
	}
	w.from = max(w.from, from)
}

// next visits the next object of which a drive lists a version. It returns nil
// after the last one.
func (w *walk) next(ctx context.Context) (*census, error) {
	for len(w.levels) > 0 {
		l := &w.levels[len(w.levels)-1]
		if len(l.keys) == 0 {
			w.levels = w.levels[:len(w.levels)-1]
			continue
		}
		key := l.prefix + l.keys[0]
		l.keys = l.keys[1:]
		switch {
		case key == "" || strings.HasSuffix(key, "/"):
			if err := w.descend(ctx, key); err != nil {
				return nil, err
			}
		case key >= w.from && w.before(key):
			c, err := w.visit(ctx, key)
			if err != nil || len(c.keys()) > 0 || w.remains && c.hasShards() {
				return c, err
			}
		}
	}
	return nil, nil
}

// before reports whether a name, or names that start with it, may be wanted as
// far as the end goes.
func (w *walk) before(name string) bool { return w.until == "" || name < w.until }

// descend adds the level of the names that start with the prefix, which is a
// directory's, if any of them is wanted.
func (w *walk) descend(ctx context.Context, prefix string) error {
	end := successor(prefix)
	if !w.before(prefix) || end != "" && end <= w.from {
		return nil
	}
	name := strings.TrimSuffix(prefix, "/")
	below := w.below
	if name == "" || name != w.visited {
		var err error
		if below, err = w.list(ctx, name, nil); err != nil {
			return err
		}
	}
	keys := make([]string, 0, 2*len(below))
	for _, c := range below {
		keys = append(keys, c, c+"/")
	}
	slices.Sort(keys)
	w.levels = append(w.levels, level{prefix, keys})
	return nil
}

// visit looks at an object, without its lock, and on the way at what is below.
func (w *walk) visit(ctx context.Context, name string) (*census, error) {
	if checkName(name) != nil {
		return &census{}, nil // no object can be here
	}
	if !slices.Contains(w.sets, w.store.setOf(name)) {
		below, err := w.list(ctx, name, nil)
		w.visited, w.below = name, below
		return &census{}, err
	}
	c := w.store.look(ctx, name, w.read)
	below, err := w.list(ctx, name, c)
	w.visited, w.below = name, below
	return c, err
}

// list returns the components below a name on all drives of all sets. What the
// drives of one set hold was seen by the census, if there is one.
func (w *walk) list(ctx context.Context, name string, seen *census) ([]string, error) {
	dir := objectsDir
	if name != "" {
		dir = objectDir(name)
	}
	var all []string
	for _, set := range w.sets {
		var answers []answer
		if seen != nil && seen.set == set {
			answers = seen.answers
		} else {
			answers = w.listSet(ctx, set, dir)
		}
		silent := 0
		for _, a := range answers {
			all = append(all, a.below...)
			if a.err != nil || a.rebuilding {
				silent++
			}
		}
		// Every object that can be read is on a majority of drives.
		if silent >= majority(len(answers)) {
			c := census{answers: answers}
			return nil, fmt.Errorf("%w: listing %q: %d of %d drives of set %d do not answer: %w",
				ErrReadQuorum, name, silent, len(answers), set.index, c.silence())
		}
	}
	slices.Sort(all)
	return slices.Compact(all), nil
}

// listSet asks the drives of a set for a directory.
func (w *walk) listSet(ctx context.Context, set *set, dir string) []answer {
	f := ask(ctx, w.store, set, set.all(), looking, func(ctx context.Context, p *place, d Drive) (answer, error) {
		a := answer{rebuilding: p.isRebuilding()}
		names, err := d.List(ctx, dir)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return a, fmt.Errorf("%s: %w", d, err)
		}
		a.tree = readTree(names)
		return a, nil
	}, nil)
	outcomes := f.wait(func(o []outcome[answer]) time.Duration {
		if succeeded(o) > len(o)-majority(len(o)) {
			return w.store.o.Hedge
		}
		return w.store.patience()
	})
	answers := make([]answer, len(outcomes))
	for i, o := range outcomes {
		answers[i] = o.value
		answers[i].err = o.err
	}
	return answers
}

// hasShards reports whether a drive has a shard file in the object's directory.
func (c *census) hasShards() bool {
	return slices.ContainsFunc(c.answers, func(a answer) bool { return len(a.tree.shards) > 0 })
}
