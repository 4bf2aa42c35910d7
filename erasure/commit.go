// The second phase of a write: under the object's lock, a version becomes what is
// true, or nothing has happened (E3, E6, E11).

package erasure

import (
	"context"
	"errors"
	"fmt"
	"slices"
)

// commit makes a draft the current version, if the condition holds.
func (s *Store) commit(ctx context.Context, d *draft, cond *Condition) (info Info, err error) {
	release, err := s.locks.acquire(ctx, d.name, true)
	if err != nil {
		return Info{}, err
	}
	defer release()
	c, err := s.lookForWrite(ctx, d.name, cond)
	if err != nil {
		return Info{}, err
	}
	// From here on the client's patience does not count: the outcome must be known.
	ctx = context.WithoutCancel(ctx)
	replaced := c.keys()
	d.Time = s.o.Now().UnixNano()
	if len(replaced) > 0 {
		d.Time = max(d.Time, replaced[0].Time+1)
	}
	if err := s.rename(ctx, c, d); err != nil {
		return Info{}, err
	}
	s.event(Event{Kind: VersionCommitted, Name: d.name, Version: d.file(), Set: d.set.index, Place: -1, Shard: -1})
	for _, i := range d.places {
		c.answers[i].versions = append([]versionKey{d.versionKey}, c.answers[i].versions...)
	}
	if d.null() {
		s.removeNull(ctx, c, d, replaced)
	}
	info = d.info(d.name)
	info.Latest = true
	info.Missing = len(d.set.places) - len(d.places)
	s.missed(d)
	return info, nil
}

// lookForWrite asks for what is there before a write, the condition included.
// The object's lock is held exclusively.
func (s *Store) lookForWrite(ctx context.Context, name string, cond *Condition) (*census, error) {
	if cond.isZero() {
		c := s.look(ctx, name, none)
		if answered := len(c.answers) - c.silentDrives(); answered < majority(len(c.answers)) {
			return nil, fmt.Errorf("%w: %q: %d of %d drives answer: %w", ErrWriteQuorum, name, answered, len(c.answers), c.silence())
		}
		return c, ctx.Err()
	}
	c := s.look(ctx, name, newest)
	var current *version
	switch t, err := s.resolve(ctx, c, "", true); {
	case err == nil:
		current = t.version
	case !errors.Is(err, ErrNotFound):
		return nil, err
	}
	return c, cond.check(name, current)
}

// silentDrives counts the drives that have not answered.
func (c *census) silentDrives() int {
	n := 0
	for _, a := range c.answers {
		if a.err != nil {
			n++
		}
	}
	return n
}

// rename puts the version in its place on all drives at once. When that fails on
// too many, it is undone on those that may have done it.
func (s *Store) rename(ctx context.Context, c *census, d *draft) error {
	outcomes := s.move(ctx, c, d)
	if d.committed = len(d.places) >= d.needed; d.committed {
		return nil
	}
	return s.takeBack(ctx, c, d, outcomes)
}

// move renames the files of the draft, and leaves in it the places that have. As long
// as a place has not, though nobody waits for it any more, it is silent about the
// object: what it said of the version would not be true for long.
func (s *Store) move(ctx context.Context, c *census, d *draft) []outcome[struct{}] {
	for _, i := range d.places {
		c.set.places[i].renames(c.name, 1)
	}
	moves := append(slices.Clone(d.moves), Move{d.tmpFile("v"), c.dir + "/" + d.file()})
	cleanUp := d.abandon()
	f := ask(ctx, s, d.set, d.places, changing, func(ctx context.Context, p *place, drive Drive) (struct{}, error) {
		defer p.renames(c.name, -1)
		if err := drive.Commit(ctx, moves...); err != nil {
			return struct{}{}, fmt.Errorf("%s: %w", drive, err)
		}
		return struct{}{}, nil
	}, func(p *place, _ struct{}) {
		cleanUp(p, nil)
		s.queue(c.name)
	})
	outcomes := f.wait(quorum[struct{}](s, d.needed))
	for _, i := range d.places {
		if err := outcomes[i].err; errors.Is(err, errNoDrive) || errors.Is(err, errStuck) {
			c.set.places[i].renames(c.name, -1) // it was not even asked
		}
	}
	keep(d, outcomes)
	return outcomes
}

// takeBack undoes a rename that too few drives have done, on all that may have
// done it. It did not happen if those that may hold the version afterwards could
// not be read; which are the drives that fail again, and those whose rename is
// still to come, before which nothing can be removed.
func (s *Store) takeBack(ctx context.Context, c *census, d *draft, renames []outcome[struct{}]) error {
	paths := []string{c.dir + "/" + d.file()}
	for _, m := range d.moves {
		paths = append(paths, m.To)
	}
	var places []int
	for _, o := range renames {
		if o.err == nil || !errors.Is(o.err, errNotAsked) && !errors.Is(o.err, errNoDrive) && !errors.Is(o.err, errStuck) {
			places = append(places, o.place)
		}
	}
	needed := len(places) - d.data + 1
	var removals []outcome[struct{}]
	if d.uploaded() {
		removals = s.giveBack(ctx, c, places, &d.version, needed)
	} else {
		removals = s.remove(ctx, d.set, places, paths, needed)
	}
	hold := 0
	for _, i := range places {
		if removals[i].err != nil || errors.Is(renames[i].err, errLate) {
			hold++
		}
	}
	if hold < d.data {
		return d.check()
	}
	return fmt.Errorf("%w: %d drives may hold version %s: %w",
		ErrOutcomeUnknown, hold, d.versionKey, errors.Join(d.failed, failures(removals)))
}

// removeNull removes the null versions among the keys, the oldest first. Drives
// that were late have had their grace, and are healed.
func (s *Store) removeNull(ctx context.Context, c *census, d *draft, keys []versionKey) {
	places := slices.DeleteFunc(c.set.all(), func(i int) bool { return slices.Contains(d.late, i) })
	for _, key := range slices.Backward(keys) {
		if key.null() {
			s.removeVersion(ctx, c, places, key, 0)
		}
	}
}

// missed queues an object for the drives that did not take a version of it.
func (s *Store) missed(d *draft) {
	if len(d.places) == len(d.set.places) {
		return
	}
	for i, p := range d.set.places {
		if !slices.Contains(d.places, i) {
			p.missed.Add(1)
		}
	}
	s.queue(d.name)
}
