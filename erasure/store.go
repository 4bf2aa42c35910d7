package erasure

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	mathrand "math/rand/v2"
	"slices"
	"sync"
	"time"
)

// A Store is a deployment: drives in sets. It is safe for concurrent use.
type Store struct {
	o          Options // with defaults
	deployment [16]byte
	generation uint64
	sets       []*set

	locks   locks
	pins    pins
	buffers buffers
	codecs  sync.Map // geometry to Codec
	heal    healQueue
	// attaching is held while a drive is given a place.
	attaching sync.Mutex
	random    struct {
		sync.Mutex
		*mathrand.Rand
	}

	// stop ends what the store does on its own; background are its goroutines.
	ctx        context.Context
	stop       context.CancelFunc
	background sync.WaitGroup

	mu     sync.Mutex
	closed bool
	calls  sync.WaitGroup // that are going on, open Objects included
}

// Open opens the store that is on the drives, or makes one when all are empty.
// Their order does not matter once it is made. Drives that are missing are nil
// or left out, as long as every set has a read quorum; an empty one takes the
// place of a missing one and is rebuilt. The store closes the drives.
func Open(drives []Drive, o *Options) (*Store, error) {
	s := new(Store)
	if o != nil {
		s.o = *o
	}
	s.ctx, s.stop = context.WithCancel(context.Background())
	drives = slices.DeleteFunc(slices.Clone(drives), func(d Drive) bool { return d == nil })
	if err := s.open(drives); err != nil {
		s.stop()
		for _, d := range drives {
			d.Close()
		}
		return nil, fmt.Errorf("erasure: open: %w", err)
	}
	return s, nil
}

func (s *Store) open(drives []Drive) error {
	if s.o.Rand != nil {
		s.random.Rand = mathrand.New(s.o.Rand)
	}
	// Without a logger nothing is written.
	if s.o.Logger == nil {
		s.o.Logger = slog.New(slog.DiscardHandler)
	}
	layout, errs, err := seatDrives(s.ctx, drives, s.o.DrivesPerSet, func() (id [16]byte) {
		s.rand(id[:])
		return id
	}, s.each)
	if err != nil {
		return err
	}
	if err := s.o.resolve(layout.drivesPerSet); err != nil {
		return err
	}
	s.deployment, s.generation = layout.deployment, layout.generation
	s.seat(layout, errs)
	for _, set := range s.sets {
		if missing := set.missing(); missing > len(set.places)/2 {
			return fmt.Errorf("%w: %d of the %d drives of set %d are missing", ErrReadQuorum, missing, len(set.places), set.index)
		}
	}
	if s.o.Serial {
		return nil
	}
	s.startHealing()
	if s.o.ScanEvery > 0 {
		s.startScanner()
	}
	return nil
}

// seat makes the sets.
func (s *Store) seat(l *layout, errs []error) {
	for i, seat := range l.seats {
		if i%l.drivesPerSet == 0 {
			s.sets = append(s.sets, &set{index: i / l.drivesPerSet})
		}
		set := s.sets[len(s.sets)-1]
		p := &place{set: set.index, index: i % l.drivesPerSet, debts: new(debts), drive: seat.drive, err: errs[i],
			rebuilding: seat.format.State == stateRebuilding, rebuilt: seat.format.Rebuilt}
		p.stale = seat.format.State == stateStale
		set.places = append(set.places, p)
	}
	for _, found := range l.unplaced {
		s.o.Logger.Warn("drive left out", "drive", found.drive.String(), "err", found.err)
		found.drive.Close()
	}
}

// missing counts the places without a drive.
func (s *set) missing() int {
	n := 0
	for _, p := range s.places {
		if p.drive == nil {
			n++
		}
	}
	return n
}

// each calls do for 0 to n-1: at once, or in a serial store one after the other.
func (s *Store) each(n int, do func(i int)) {
	var wg sync.WaitGroup
	for i := range n {
		if s.o.Serial {
			do(i)
		} else {
			wg.Go(func() { do(i) })
		}
	}
	wg.Wait()
}

// Storage classes that are always there.
const (
	standard = "STANDARD"
	reduced  = "REDUCED_REDUNDANCY"
)

// defaultParity is MinIO's, by the drives of a set.
func defaultParity(drives int) int {
	switch {
	case drives == 1:
		return 0
	case drives <= 3:
		return 1
	case drives <= 5:
		return 2
	case drives <= 7:
		return 3
	}
	return 4
}

// resolve fills in the defaults for sets of so many drives.
func (o *Options) resolve(drives int) error {
	switch {
	case o.Parity == 0:
		o.Parity = defaultParity(drives)
	case o.Parity == NoParity:
		o.Parity = 0
	}
	classes := map[string]int{standard: o.Parity, reduced: min(1, drives-1)}
	for name, parity := range o.Classes {
		classes[name] = max(parity, 0)
	}
	o.Classes = classes
	for name, parity := range classes {
		if parity < 0 || parity > drives/2 {
			return fmt.Errorf("%w: parity %d of class %s, %d drives can have at most %d", ErrOptions, parity, name, drives, drives/2)
		}
	}
	setDefault(&o.BlockSize, 1<<20)
	setDefault(&o.InlineLimit, 128<<10)
	setDefault(&o.Grace, 2*time.Second)
	setDefault(&o.Hedge, 50*time.Millisecond)
	setDefault(&o.ScanEvery, time.Hour)
	setDefault(&o.ScrubEvery, 24)
	setDefault(&o.ScanShare, 0.1)
	if o.BlockSize < 1 || o.BlockSize > maxBlock || o.Grace < 0 || o.Hedge < 0 {
		return fmt.Errorf("%w: BlockSize %d, Grace %s, Hedge %s", ErrOptions, o.BlockSize, o.Grace, o.Hedge)
	}
	if o.InlineLimit > maxInline {
		return fmt.Errorf("%w: InlineLimit %d, and at most %d fit beside what a version file says of the object", ErrOptions, o.InlineLimit, maxInline)
	}
	if o.ScanShare < 0 || o.ScanShare > 1 || o.ScrubEvery < 0 {
		return fmt.Errorf("%w: ScanShare %g, ScrubEvery %d", ErrOptions, o.ScanShare, o.ScrubEvery)
	}
	if o.Codec == nil {
		o.Codec = klauspost
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	return nil
}

// maxBlock is the largest block size.
const maxBlock = 1 << 30

func setDefault[T comparable](field *T, value T) {
	var zero T
	if *field == zero {
		*field = value
	}
}

// setOf is the set of an object.
func (s *Store) setOf(name string) *set { return s.sets[setOf(s.deployment, name, len(s.sets))] }

// rand draws bytes.
func (s *Store) rand(b []byte) {
	if s.random.Rand == nil {
		rand.Read(b)
		return
	}
	s.random.Lock()
	defer s.random.Unlock()
	for i := range b {
		b[i] = byte(s.random.Uint32())
	}
}

// event tells of what happened.
func (s *Store) event(e Event) {
	if s.o.OnEvent != nil {
		s.o.OnEvent(e)
	}
}

// enter begins a call about an object; leave ends it.
func (s *Store) enter(name string) error {
	if err := checkName(name); err != nil {
		return fmt.Errorf("erasure: %w", err)
	}
	return s.use()
}

// use begins a call; leave ends it.
func (s *Store) use() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return fmt.Errorf("erasure: %w", ErrClosed)
	}
	s.calls.Add(1)
	return nil
}

func (s *Store) leave() { s.calls.Done() }

// Close waits for what is going on, open Objects included, stops the scanner,
// closes the drives. It is idempotent. A drive that does not answer is not waited
// for longer than the grace.
func (s *Store) Close() error {
	s.mu.Lock()
	closed := s.closed
	s.closed = true
	s.mu.Unlock()
	if closed {
		return nil
	}
	s.calls.Wait()
	s.stop()
	idle := make(chan struct{})
	go func() { s.background.Wait(); close(idle) }()
	select {
	case <-idle:
	case <-time.After(s.o.Grace):
	}
	var errs []error
	for _, set := range s.sets {
		for _, p := range set.places {
			p.mu.Lock()
			if p.drive != nil {
				errs = append(errs, p.drive.Close())
				p.drive, p.err = nil, ErrClosed
			}
			p.mu.Unlock()
		}
	}
	return errors.Join(errs...)
}

// Info describes the store and its drives.
func (s *Store) Info(ctx context.Context) StoreInfo {
	info := StoreInfo{Deployment: hex.EncodeToString(s.deployment[:]), Sets: len(s.sets),
		DrivesPerSet: len(s.sets[0].places), Queued: s.heal.len()}
	info.Parity = s.o.Classes[standard]
	info.Data = info.DrivesPerSet - info.Parity
	for _, set := range s.sets {
		f := ask(ctx, s, set, set.all(), looking, func(ctx context.Context, p *place, d Drive) (Usage, error) {
			return d.Usage(ctx)
		}, nil)
		for i, o := range f.wait(quorum[Usage](s, 0)) {
			info.Drives = append(info.Drives, set.places[i].info(o.value, o.err))
		}
	}
	return info
}

// info describes a drive that has answered so when it was asked for its usage.
func (p *place) info(usage Usage, err error) DriveInfo {
	p.mu.Lock()
	defer p.mu.Unlock()
	info := DriveInfo{Set: p.set, Place: p.index, Usage: usage, Err: err, Missed: p.missed.Load(), Rebuilt: p.rebuilt}
	if p.drive != nil {
		info.Drive = p.drive.String()
	}
	switch {
	case err != nil:
		info.State = Offline
	case p.rebuilding:
		info.State = Rebuilding
	case info.Missed > 0 || p.stale:
		info.State = Stale
	}
	return info
}
