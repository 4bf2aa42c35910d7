// The format file of a drive: whose it is, which place it has, and what it may
// have missed (E8, E15). How drives given in any order find their places.

package erasure

import (
	"bytes"
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"io/fs"
	"slices"
)

// A format file is two lines, for programs and people:
//
//	FLdrive 1 5f0c21aa
//	{"deployment":"7be1...","sets":2,"drivesPerSet":8,"set":0,"place":3,"generation":17,"state":"online"}
//
// the number of the format, the CRC-32C of the second line, and it.
const (
	formatFile    = "format"
	formatMagic   = "FLdrive"
	formatVersion = 1
)

// A driveFormat is what the file says.
type driveFormat struct {
	Deployment   string `json:"deployment"` // 32 hexadecimal digits
	Sets         int    `json:"sets"`
	DrivesPerSet int    `json:"drivesPerSet"`
	Set          int    `json:"set"`
	Place        int    `json:"place"`
	// Generation is raised on all drives that are there whenever the store is
	// opened: a drive with a lower one than another was away, and may have missed
	// something. What a drive misses while the store is open is queued, and found by
	// the scanner's first pass if the process ends before it is healed.
	Generation uint64     `json:"generation"`
	State      driveState `json:"state"`
	// Rebuilt is the name that was healed last on a drive that is not online.
	Rebuilt string `json:"rebuilt,omitempty"`
}

// driveState is the state of a drive as it is written down.
type driveState string

const (
	// stateForming drives were given a place in a store that was being made. As
	// long as all are forming, nothing was ever stored.
	stateForming    driveState = "forming"
	stateOnline     driveState = "online"
	stateStale      driveState = "stale"
	stateRebuilding driveState = "rebuilding"
)

// marshal is the file.
func (f driveFormat) marshal() []byte {
	body, err := json.Marshal(f)
	if err != nil {
		panic(err) // a struct of strings and numbers
	}
	head := fmt.Sprintf("%s %d %08x\n", formatMagic, formatVersion, crc32.Checksum(body, castagnoli))
	return append(append([]byte(head), body...), '\n')
}

// parseFormat reads a format file; an error is a reason, or an ErrNewer.
func parseFormat(b []byte) (f driveFormat, err error) {
	head, body, ok := bytes.Cut(b, []byte("\n"))
	var version int
	var sum uint32
	if n, _ := fmt.Sscanf(string(head), formatMagic+" %d %x", &version, &sum); n < 1 || !ok {
		return f, errors.New("it is not a format file")
	}
	if version > formatVersion {
		return f, fmt.Errorf("%w: format %d, this package knows up to %d", ErrNewer, version, formatVersion)
	}
	body = bytes.TrimSuffix(body, []byte("\n"))
	if crc32.Checksum(body, castagnoli) != sum {
		return f, errors.New("checksum")
	}
	if err := json.Unmarshal(body, &f); err != nil {
		return f, err
	}
	id, err := hex.DecodeString(f.Deployment)
	switch {
	case err != nil || len(id) != 16:
		return f, errors.New("deployment")
	case f.Sets < 1 || f.DrivesPerSet < 1 || f.DrivesPerSet > maxShards || f.Set < 0 || f.Set >= f.Sets ||
		f.Place < 0 || f.Place >= f.DrivesPerSet:
		return f, fmt.Errorf("set %d of %d, place %d of %d", f.Set, f.Sets, f.Place, f.DrivesPerSet)
	}
	switch f.State {
	case stateForming, stateOnline, stateStale, stateRebuilding:
		return f, nil
	}
	return f, fmt.Errorf("state %q", f.State)
}

// readFormat returns the format of a drive, nil if the drive is empty.
func readFormat(ctx context.Context, d Drive) (*driveFormat, error) {
	b, err := d.ReadFile(ctx, formatFile)
	if errors.Is(err, fs.ErrNotExist) {
		names, err := d.List(ctx, objectsDir)
		switch {
		case err != nil && !errors.Is(err, fs.ErrNotExist):
			return nil, err
		case len(names) > 0:
			// Taking it for a new one would give its objects to another store.
			return nil, fmt.Errorf("%s: %w: it has objects but no format file", d, ErrForeign)
		}
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	f, err := parseFormat(b)
	if errors.Is(err, ErrNewer) {
		return nil, fmt.Errorf("%s: %w", d, err)
	}
	if err != nil {
		return nil, &CorruptError{Drive: d.String(), Path: formatFile, Offset: -1, Reason: err.Error()}
	}
	return &f, nil
}

// writeFormat replaces the format of a drive, durably.
func writeFormat(ctx context.Context, d Drive, f driveFormat) error {
	const tmp = tmpDir + "/" + formatFile
	w, err := d.Create(ctx, tmp)
	if err != nil {
		return err
	}
	_, err = w.Write(f.marshal())
	if err = errors.Join(err, w.Sync(), w.Close()); err != nil {
		return err
	}
	return d.Commit(ctx, Move{From: tmp, To: formatFile})
}

// found is a drive that was given to Open, and what was found on it.
type found struct {
	drive  Drive
	format *driveFormat // nil: it is empty
	err    error        // it could not be read
}

// A layout is which drive is where.
type layout struct {
	deployment   [16]byte
	sets         int
	drivesPerSet int
	generation   uint64 // the highest found
	forming      bool   // nothing has ever been stored
	seats        []seat // of set 0, then of set 1, ...
	unplaced     []found
}

// A seat is a place for a drive. Its format is what is to be written next, but for
// the generation.
type seat struct {
	drive  Drive // nil: it is missing
	format driveFormat
}

// arrange finds the drives' places. It touches no drive. An unreadable drive is
// unplaced: which place is its own cannot be known; the place stays free.
func arrange(drives []found, drivesPerSet int, newID func() [16]byte) (*layout, error) {
	first, err := reference(drives)
	if err != nil {
		return nil, err
	}
	if first == nil {
		return arrangeNew(drives, drivesPerSet, newID())
	}
	if drivesPerSet != 0 && drivesPerSet != first.DrivesPerSet {
		return nil, fmt.Errorf("%w: DrivesPerSet is %d, the store was made with %d", ErrOptions, drivesPerSet, first.DrivesPerSet)
	}
	l := newLayout(*first)
	if err := l.takeSeats(drives); err != nil {
		return nil, err
	}
	return l, l.fillSeats(drives)
}

// reference is a format of the deployment that most drives belong to.
func reference(drives []found) (*driveFormat, error) {
	votes := map[string]int{}
	for _, d := range drives {
		if errors.Is(d.err, ErrNewer) || errors.Is(d.err, ErrForeign) {
			return nil, d.err
		}
		if d.format != nil {
			votes[d.format.Deployment]++
		}
	}
	var best *driveFormat
	for _, d := range drives {
		if d.format != nil && (best == nil || votes[d.format.Deployment] > votes[best.Deployment]) {
			best = d.format
		}
	}
	return best, nil
}

// arrangeNew is a new store: the drives' order is that of the places.
func arrangeNew(drives []found, drivesPerSet int, id [16]byte) (*layout, error) {
	n := len(drives)
	for _, d := range drives {
		if d.err != nil {
			return nil, fmt.Errorf("erasure: a new store needs all its drives: %s: %w", d.drive, d.err)
		}
	}
	if drivesPerSet == 0 {
		for drivesPerSet = min(n, 16); n > 0 && n%drivesPerSet != 0; drivesPerSet-- {
		}
	}
	if drivesPerSet < 1 || drivesPerSet > maxShards || n == 0 || n%drivesPerSet != 0 {
		return nil, fmt.Errorf("%w: %d drives are no sets of %d", ErrOptions, n, drivesPerSet)
	}
	l := newLayout(driveFormat{Deployment: hex.EncodeToString(id[:]), Sets: n / drivesPerSet, DrivesPerSet: drivesPerSet})
	l.forming = true
	return l, l.fillSeats(drives)
}

// newLayout has all its seats free.
func newLayout(like driveFormat) *layout {
	l := &layout{sets: like.Sets, drivesPerSet: like.DrivesPerSet, seats: make([]seat, like.Sets*like.DrivesPerSet)}
	hex.Decode(l.deployment[:], []byte(like.Deployment))
	for i := range l.seats {
		l.seats[i].format = driveFormat{
			Deployment: like.Deployment, Sets: like.Sets, DrivesPerSet: like.DrivesPerSet,
			Set: i / like.DrivesPerSet, Place: i % like.DrivesPerSet,
		}
	}
	return l
}

// takeSeats seats the drives that have a place.
func (l *layout) takeSeats(drives []found) error {
	l.forming = true
	for _, d := range drives {
		if d.err != nil {
			l.unplaced = append(l.unplaced, d)
		}
		if d.format == nil {
			continue
		}
		f := *d.format
		if want := l.seats[0].format; f.Deployment != want.Deployment || f.Sets != want.Sets || f.DrivesPerSet != want.DrivesPerSet {
			return fmt.Errorf("%s: %w: it is of %s (%d sets of %d), the others of %s (%d sets of %d)", d.drive, ErrForeign,
				f.Deployment, f.Sets, f.DrivesPerSet, want.Deployment, want.Sets, want.DrivesPerSet)
		}
		s := &l.seats[f.Set*l.drivesPerSet+f.Place]
		if s.drive != nil {
			return fmt.Errorf("%s: %w: it has the place of %s, one is a copy of the other", d.drive, ErrForeign, s.drive)
		}
		s.drive, s.format = d.drive, f
		l.generation = max(l.generation, f.Generation)
		l.forming = l.forming && f.State == stateForming
	}
	// E8: what a drive has missed shows in its generation, not in its absence.
	for i := range l.seats {
		if s := &l.seats[i]; s.drive != nil {
			s.format.State = stateNow(s.format, l.generation, l.forming)
			if s.format.Generation < l.generation {
				s.format.Rebuilt = "" // also of what was healed on it
			}
		}
	}
	return nil
}

// stateNow is what a drive is among others of this generation.
func stateNow(f driveFormat, generation uint64, forming bool) driveState {
	switch {
	case forming:
		return stateForming
	case f.State == stateRebuilding:
		return stateRebuilding
	case f.Generation < generation || f.State == stateForming:
		return stateStale
	}
	return f.State
}

// fillSeats gives free places to empty drives.
func (l *layout) fillSeats(drives []found) error {
	for _, d := range drives {
		if d.err != nil || d.format != nil {
			continue
		}
		free := slices.IndexFunc(l.seats, func(s seat) bool { return s.drive == nil })
		if free < 0 {
			return fmt.Errorf("%w: drive %s is empty, and none is missing of the %d", ErrOptions, d.drive, len(l.seats))
		}
		s := &l.seats[free]
		s.drive, s.format.State = d.drive, stateRebuilding
		if l.forming {
			s.format.State = stateForming
		}
	}
	if l.forming {
		for _, s := range l.seats {
			if s.drive == nil {
				return fmt.Errorf("%w: a store that was being made has only some of its %d drives here", ErrOptions, len(l.seats))
			}
		}
	}
	return nil
}

// seatDrives reads the formats of the drives, which are not nil, arranges them,
// and writes the next generation. each runs a function for 0 to n-1, at once or
// one after the other. It returns for each seat the error of its drive.
func seatDrives(ctx context.Context, drives []Drive, drivesPerSet int, newID func() [16]byte,
	each func(n int, do func(i int))) (*layout, []error, error) {
	all := make([]found, len(drives))
	each(len(drives), func(i int) {
		all[i].drive = drives[i]
		all[i].format, all[i].err = readFormat(ctx, drives[i])
	})
	l, err := arrange(all, drivesPerSet, newID)
	if err != nil {
		return nil, nil, err
	}
	errs := make([]error, len(l.seats))
	write := func() {
		l.generation++
		each(len(l.seats), func(i int) {
			if s := &l.seats[i]; s.drive != nil && errs[i] == nil {
				s.format.Generation = l.generation
				errs[i] = writeFormat(ctx, s.drive, s.format)
			}
		})
	}
	if l.forming {
		// A store is made in two steps: once a drive is online, all have places,
		// and one that has none is a new one.
		if write(); errors.Join(errs...) != nil {
			return nil, nil, fmt.Errorf("erasure: making a store: %w", errors.Join(errs...))
		}
		for i := range l.seats {
			l.seats[i].format.State = stateOnline
		}
		l.forming = false
	}
	write()
	return l, errs, nil
}
