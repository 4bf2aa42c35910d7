// Delete: a version goes for good, or a marker is put on top (E5).

package erasure

import (
	"context"
	"errors"
	"fmt"
)

// Delete removes an object, or a version, or puts a delete marker. Deleting what
// is not there is no error: S3's rule. The Info is that of the marker or of the
// version that is gone.
func (s *Store) Delete(ctx context.Context, name string, o *DeleteOptions) (Info, error) {
	if o == nil {
		o = new(DeleteOptions)
	}
	if err := s.enter(name); err != nil {
		return Info{}, err
	}
	defer s.leave()
	var info Info
	var err error
	if o.VersionID == "" && (o.Versioned || o.MarkNull) {
		info, err = s.mark(ctx, name, !o.Versioned, &o.Condition)
	} else {
		info, err = s.erase(ctx, name, o)
	}
	if err != nil {
		return Info{}, fmt.Errorf("erasure: delete %q: %w", name, err)
	}
	return info, nil
}

// mark puts a delete marker, which is a version without a body.
func (s *Store) mark(ctx context.Context, name string, null bool, cond *Condition) (Info, error) {
	d, err := s.newDraft(name, "", null)
	if err != nil {
		return Info{}, err
	}
	defer d.discard()
	d.marker = true
	if err = d.writeVersion(ctx); err != nil {
		return Info{}, err
	}
	return s.commit(ctx, d, cond)
}

// erase removes a version from a write quorum of drives. What the others still
// hold is below it, and so was never acknowledged.
func (s *Store) erase(ctx context.Context, name string, o *DeleteOptions) (Info, error) {
	release, err := s.locks.acquire(ctx, name, true)
	if err != nil {
		return Info{}, err
	}
	defer release()
	c, err := s.lookForWrite(ctx, name, &o.Condition)
	if err != nil {
		return Info{}, err
	}
	id := o.VersionID
	if id == "" {
		id = "null"
	}
	t, err := s.resolve(ctx, c, id, true)
	if errors.Is(err, ErrNotFound) {
		return Info{Name: name, VersionID: o.VersionID}, nil
	}
	if err != nil {
		return Info{}, err
	}
	if answered := len(c.answers) - c.silentDrives(); answered < t.writeQuorum() {
		return Info{}, fmt.Errorf("%w: %d of %d drives answer, %d are needed: %w",
			ErrWriteQuorum, answered, len(c.answers), t.writeQuorum(), c.silence())
	}
	if err := s.eraseOnDrives(context.WithoutCancel(ctx), c, t); err != nil {
		return Info{}, err
	}
	return t.info(name), nil
}

// eraseOnDrives removes the version, but first the null versions that it has
// replaced and that were not removed then: without it they would be back.
func (s *Store) eraseOnDrives(ctx context.Context, c *census, t *tally) error {
	n := len(c.answers)
	remove := func(key versionKey, quorum int) error {
		left, err := s.removeVersion(ctx, c, c.set.all(), key, quorum)
		if left > 0 {
			s.queue(c.name)
		}
		if n-left >= quorum {
			return nil
		}
		return fmt.Errorf("version %s is gone from %d of %d drives, %d are needed: %w", key, n-left, n, quorum, err)
	}
	keys := c.keys()
	for i := len(keys) - 1; i >= 0 && t.null(); i-- {
		if key := keys[i]; key.null() && key.compare(t.versionKey) < 0 {
			if err := remove(key, majority(n)); err != nil {
				return fmt.Errorf("%w: %w", ErrWriteQuorum, err)
			}
		}
	}
	if err := remove(t.versionKey, t.writeQuorum()); err != nil {
		return fmt.Errorf("%w: %w", ErrOutcomeUnknown, err)
	}
	return nil
}
