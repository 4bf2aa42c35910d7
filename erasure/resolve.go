// Finding the version that is true, and making it so before anybody is told (E1,
// E3 to E5).

package erasure

import (
	"context"
	"errors"
	"fmt"
)

// errUnsettled says that what was found must be repaired first, and so that the
// object's lock is needed.
var errUnsettled = errors.New("unsettled")

// find looks for a version: that of the ID, or the current one if it is empty. On
// return the object's lock is held, shared with readers, or, if there was
// something to repair, exclusively; release gives it back. When there is an error
// it is not held.
func (s *Store) find(ctx context.Context, name, versionID string) (c *census, t *tally, release func(), err error) {
	read := newest
	if versionID != "" {
		read = byID(versionID)
	}
	for _, exclusive := range []bool{false, true} {
		if release, err = s.locks.acquire(ctx, name, exclusive); err != nil {
			return nil, nil, nil, err
		}
		c = s.look(ctx, name, read)
		if t, err = s.resolve(ctx, c, versionID, exclusive); err == nil {
			return c, t, release, nil
		}
		release()
		if err != errUnsettled {
			break
		}
	}
	return nil, nil, nil, err
}

// resolve walks the versions from the newest down to the first that is true. With
// repair, for which the object's lock must be held exclusively, what is unfinished
// on the way is completed, and what was never acknowledged is removed.
func (s *Store) resolve(ctx context.Context, c *census, versionID string, repair bool) (*tally, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	for _, key := range c.keys() {
		if versionID != "" && !key.matches(versionID) {
			continue
		}
		if t, err := s.settle(ctx, c, key, repair); t != nil || err != nil {
			return t, err
		}
	}
	if silent := c.silent(); judgeUnseen(len(c.answers), silent) == unknown {
		return nil, fmt.Errorf("%w: %q: %d of %d drives do not answer: %w",
			ErrReadQuorum, c.name, silent, len(c.answers), c.silence())
	}
	if versionID != "" {
		return nil, fmt.Errorf("%w: %q, version %s", ErrNotFound, c.name, versionID)
	}
	return nil, fmt.Errorf("%w: %q", ErrNotFound, c.name)
}

// settle judges one version, and with repair makes true what it finds, as resolve
// does. It returns nil if the version is not there.
func (s *Store) settle(ctx context.Context, c *census, key versionKey, repair bool) (*tally, error) {
	t := c.tally(ctx, key)
	switch t.verdict {
	case settled:
		return t, nil
	case unknown:
		return nil, c.readQuorumError(t)
	case unfinished:
		if repair {
			return s.complete(ctx, c, t)
		}
		// Reading can do without when there is nobody to bring it to.
		if len(t.absent) == 0 {
			return t, nil
		}
		return nil, errUnsettled
	}
	switch {
	case len(t.listed) == 0: // it went while it was looked at
		return nil, nil
	case !repair:
		return nil, errUnsettled
	}
	return nil, s.undo(ctx, c, t)
}

// readQuorumError says why nobody can know about a version.
func (c *census) readQuorumError(t *tally) error {
	err := fmt.Errorf("%w: %q: version %s is on %d drives and %d do not answer", ErrReadQuorum,
		c.name, t.versionKey, t.holding, t.silent)
	if silence := c.silence(); silence != nil {
		err = fmt.Errorf("%w: %w", err, silence)
	}
	return err
}

// complete brings a version that can be read to its write quorum. If drives are
// silent it may have had it all along, and so is answered even if nothing can be
// written. If none is, it was not acknowledged, and nobody has seen it: when its
// shards turn out to be wrong, or nothing can be written, it may as well go, before
// it hides what was acknowledged. It returns nil then.
func (s *Store) complete(ctx context.Context, c *census, t *tally) (*tally, error) {
	ctx = context.WithoutCancel(ctx)
	healed, err := s.rebuild(ctx, c, t, t.absent)
	switch {
	case t.holding+healed >= t.writeQuorum():
		s.event(Event{Kind: VersionCompleted, Name: c.name, Version: t.file(), Set: c.set.index, Place: -1, Shard: -1, Rule: "E4"})
		return t, nil
	case t.holding+t.silent >= t.writeQuorum():
		return t, nil
	case errors.Is(err, errLate): // what is late may come after its removal
		return nil, fmt.Errorf("%w: %q: version %s is on %d drives and cannot be brought to %d: %w", ErrReadQuorum,
			c.name, t.versionKey, t.holding+healed, t.writeQuorum(), err)
	}
	t.listed = append(t.listed, t.absent...)
	return nil, s.undo(ctx, c, t)
}

// undo removes a version that was never acknowledged from the drives that list
// it. It fails if so many may hold it afterwards that it could be read.
func (s *Store) undo(ctx context.Context, c *census, t *tally) error {
	// So many could read it: those that are silent count.
	readers := max(t.data, (len(c.answers)+1)/2) - c.silent()
	ctx, needed := context.WithoutCancel(ctx), len(t.listed)-readers+1
	var left int
	var err error
	if t.uploaded() && !c.renewed(t.versionKey) && s.goesOn(ctx, c.name, uploadOf(t.versionKey)) {
		outcomes := s.giveBack(ctx, c, t.listed, t.version, needed)
		left, err = len(t.listed)-succeeded(outcomes), failures(outcomes)
	} else {
		left, err = s.removeVersion(ctx, c, t.listed, t.versionKey, needed)
	}
	if left > 0 && left >= readers {
		return fmt.Errorf("%w: %q: version %s was never acknowledged and cannot be removed: %w",
			ErrReadQuorum, c.name, t.versionKey, err)
	}
	s.event(Event{Kind: VersionUndone, Name: c.name, Version: t.file(), Set: c.set.index, Place: -1, Shard: -1, Rule: "E3"})
	return nil
}
