// Drives that come and go: returning, stale, swapped and new ones; and how each is
// brought up to date, with progress that survives a restart.

package erasure

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
)

// Attach takes a drive that returned, or a new one for a place whose drive is
// missing or does not work, and has it healed: in the background, or, in a serial
// store, by HealQueued. The place of a drive with a format file is the one that the
// file names. The store closes the drive, but not when there is an error.
func (s *Store) Attach(ctx context.Context, d Drive) error {
	if err := s.use(); err != nil {
		return err
	}
	defer s.leave()
	s.attaching.Lock()
	defer s.attaching.Unlock()
	if err := s.attach(ctx, d); err != nil {
		return fmt.Errorf("erasure: attach: %w", err)
	}
	return nil
}

func (s *Store) attach(ctx context.Context, d Drive) error {
	f, err := readFormat(ctx, d)
	if err != nil {
		return err
	}
	var p *place
	if f == nil {
		s.vacate(d, nil)
		p, err = s.freePlace(ctx, d)
	} else if p, err = s.placeOf(ctx, d, f); err == nil {
		s.vacate(d, p)
	}
	if err != nil {
		return err
	}
	// It was away, so it may have missed something, of what was healed on it too.
	next := s.formatOf(p, stateStale)
	if f == nil || f.State == stateRebuilding {
		next.State = stateRebuilding
	}
	if err := writeFormat(ctx, d, next); err != nil {
		return err
	}
	p.seat(d, next)
	s.event(Event{Kind: DriveReturned, Set: p.set, Place: p.index, Shard: -1})
	s.o.Logger.Info("drive attached", "drive", d.String(), "place", p.String(), "state", string(next.State))
	s.heal.pokeDrives()
	return nil
}

// vacate takes the drive away that has d's name in any place but d's own: d has the lock
// of what is there now. The old one would find d's files, and one drive hold two places.
func (s *Store) vacate(d Drive, own *place) {
	for _, set := range s.sets {
		for _, p := range set.places {
			p.mu.Lock()
			if p != own && p.drive != nil && p.drive.String() == d.String() {
				p.drive.Close()
				p.drive = nil
			}
			p.mu.Unlock()
		}
	}
}

// seat gives a place its drive, in the state that the format says.
func (p *place) seat(d Drive, f driveFormat) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.drive != nil {
		p.drive.Close() // it does not work
	}
	p.drive, p.err = d, nil
	p.rebuilding, p.stale, p.rebuilt = f.State == stateRebuilding, f.State == stateStale, f.Rebuilt
	p.debts = new(debts)
	for o := range p.failing {
		p.failing[o].Store(false)
	}
}

// formatOf is the format file of a place's drive.
func (s *Store) formatOf(p *place, state driveState) driveFormat {
	return driveFormat{
		Deployment: hex.EncodeToString(s.deployment[:]), Sets: len(s.sets), DrivesPerSet: len(s.sets[0].places),
		Set: p.set, Place: p.index, Generation: s.generation, State: state,
	}
}

// placeOf is where a drive with a format file belongs.
func (s *Store) placeOf(ctx context.Context, d Drive, f *driveFormat) (*place, error) {
	mine := s.formatOf(&place{}, "")
	if f.Deployment != mine.Deployment || f.Sets != mine.Sets || f.DrivesPerSet != mine.DrivesPerSet {
		return nil, fmt.Errorf("%s: %w: it is of %s (%d sets of %d), the store is %s (%d sets of %d)", d, ErrForeign,
			f.Deployment, f.Sets, f.DrivesPerSet, mine.Deployment, mine.Sets, mine.DrivesPerSet)
	}
	p := s.sets[f.Set].places[f.Place]
	if s.works(ctx, p) {
		return nil, fmt.Errorf("%s: %w: %s is there, one is a copy of the other", d, ErrForeign, p)
	}
	return p, nil
}

// freePlace is a place for a new drive: one that has none, or one whose drive does
// not work.
func (s *Store) freePlace(ctx context.Context, d Drive) (*place, error) {
	var broken *place
	for _, set := range s.sets {
		for _, p := range set.places {
			switch empty := p.isEmpty(); {
			case empty:
				return p, nil
			case broken == nil && !s.works(ctx, p):
				broken = p
			}
		}
	}
	if broken == nil {
		return nil, fmt.Errorf("%s: %w: it is empty, and no drive is missing", d, ErrOptions)
	}
	return broken, nil
}

func (p *place) isEmpty() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.drive == nil
}

// works asks the drive of a place for a sign of life. One that hangs gives none.
func (s *Store) works(ctx context.Context, p *place) bool {
	f := ask(ctx, s, s.sets[p.set], []int{p.index}, looking, func(ctx context.Context, p *place, d Drive) ([]string, error) {
		return d.List(ctx, objectsDir)
	}, nil)
	return f.wait(quorum[[]string](s, 1))[p.index].err == nil
}

// behind reports whether the drive has to be healed as a whole, and from which
// name on.
func (p *place) behind() (from string, behind bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.rebuilt, p.drive != nil && (p.rebuilding || p.stale)
}

// healDrives brings all drives up to date that are new or stale: one walk over a
// set for all of its drives.
func (s *Store) healDrives(ctx context.Context, h *healer) error {
	var errs []error
	for _, set := range s.sets {
		from, any := "", false
		for _, p := range set.places {
			if name, behind := p.behind(); behind {
				if from = min(from, name); !any {
					from = name
				}
				any = true
			}
		}
		if !any {
			continue
		}
		each := h.of(set)
		each.saved = s.saveProgress
		if from != "" {
			from += "\x00" // it was the last one healed
		}
		errs = append(errs, each.all(ctx, "", from))
		h.report = each.report
	}
	return errors.Join(errs...)
}

// progressEvery is how many objects are healed between two notes of how far.
const progressEvery = 256

// saveProgress writes down how far the drives of a set have come that are new or
// stale, but for those that the walk has left something out on.
func (s *Store) saveProgress(ctx context.Context, set *set, name string, failed map[int]bool) {
	for i, p := range set.places {
		p.mu.Lock()
		if failed[i] || p.drive == nil || !p.rebuilding && !p.stale {
			p.mu.Unlock()
			continue
		}
		p.rebuilt = max(p.rebuilt, name)
		d, f := p.drive, s.formatOf(p, stateStale)
		if f.Rebuilt = p.rebuilt; p.rebuilding {
			f.State = stateRebuilding
		}
		p.mu.Unlock()
		if err := writeFormat(ctx, d, f); err != nil {
			s.note(p, changing, err)
		}
	}
}

// upToDate makes drives ordinary ones that a walk over everything has left with
// nothing to do.
func (s *Store) upToDate(ctx context.Context, set *set, failed map[int]bool) {
	for i, p := range set.places {
		if failed[i] {
			continue
		}
		p.mu.Lock()
		d, behind := p.drive, p.rebuilding || p.stale
		p.mu.Unlock()
		if d == nil {
			continue
		}
		if behind {
			if err := writeFormat(ctx, d, s.formatOf(p, stateOnline)); err != nil {
				s.note(p, changing, err)
				continue
			}
			s.o.Logger.Info("drive is up to date", "drive", p.String())
		}
		p.mu.Lock()
		if p.drive == d {
			p.rebuilding, p.stale, p.rebuilt = false, false, ""
			p.missed.Store(0)
		}
		p.mu.Unlock()
	}
}

// postpone keeps the name of an object for when a drive returns that does not
// answer now. Of too many, the drive is healed as a whole. A walk that brings the drive
// up to date comes to what is behind where it is.
func (p *place) postpone(name string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch {
	case p.drive == nil || (p.stale || p.rebuilding) && name > p.rebuilt:
	case len(p.waiting) >= maxQueued:
		p.stale, p.rebuilt, p.waiting = true, "", nil
	default:
		if p.waiting == nil {
			p.waiting = make(map[string]bool)
		}
		p.waiting[name] = true
	}
}

// resume queues what was postponed.
func (s *Store) resume(p *place) {
	p.mu.Lock()
	names := make([]string, 0, len(p.waiting))
	for name := range p.waiting {
		names = append(names, name)
	}
	p.waiting = nil
	p.mu.Unlock()
	slices.Sort(names)
	for _, name := range names {
		s.queue(name)
	}
	s.heal.pokeDrives()
}
