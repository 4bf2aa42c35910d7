package erasuretest

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"strings"
	"sync"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/flagship-go/flagship/erasure"
)

// reference is another implementation of what is graded, without any coding:
// each drive has all bytes of an object, and data + parity are only numbers that
// quorums are made of. It is as simple as the rules let it be, and breaks one of
// them when bug says so.
type reference struct {
	o     erasure.Options
	bug   string
	mu    sync.Mutex // one call at a time
	sites []*site    // by place
	dep   string
	shut  bool
	ids   uint64
	late  sync.WaitGroup
}

// site is a place for a drive.
type site struct {
	drive      erasure.Drive // nil: none
	rebuilding bool
}

// refVersion is a version file: a line of JSON, whose checksum is before it.
type refVersion struct {
	Info    erasure.Info
	Null    bool
	Body    []byte // nil: in a file of its own
	Apart   bool
	BodySum []byte
	file    string // its name
}

const refMagic = "ref1"

func referenceImpl(bug string) Implementation {
	return Implementation{
		Name: "the reference", Versions: true, Conditions: true, OpenDrive: erasure.OpenDirFS,
		Newer: func(b []byte) []byte { return append([]byte("ref8"), b[4:]...) },
		Open: func(drives []erasure.Drive, o *erasure.Options) (ObjectStore, error) {
			s := &reference{o: *o, bug: bug}
			if err := s.open(drives); err != nil {
				return nil, err
			}
			return s, nil
		},
	}
}

func (s *reference) geometry(class string) geometry {
	n := len(s.sites)
	p := max(s.o.Parity, 0)
	if own, ok := s.o.Classes[class]; ok && class != "" {
		p = own
	}
	return geometry{n - p, p}
}

func (g geometry) quorum() int {
	if g.data == g.parity {
		return g.data + 1
	}
	return g.data
}

// Drives.

func (s *reference) open(drives []erasure.Drive) error {
	s.sites = make([]*site, s.o.DrivesPerSet)
	for i := range s.sites {
		s.sites[i] = new(site)
	}
	var empty []erasure.Drive
	for i, d := range drives {
		if d == nil {
			continue
		}
		dep, place, rebuilding, err := s.format(d)
		switch {
		case errors.Is(err, fs.ErrNotExist):
			empty = append(empty, d)
			continue
		case err != nil:
			return err
		case s.bug == "place-by-order":
			place = i
		}
		if err := s.settle(d, dep, place, rebuilding); err != nil {
			return err
		}
	}
	if s.dep == "" {
		s.dep = fmt.Sprintf("%x", s.random())
		for i, d := range empty {
			s.sites[i].drive = d
			if err := s.writeFormat(i); err != nil {
				return err
			}
		}
		return nil
	}
	for _, d := range empty {
		if err := s.adopt(d); err != nil {
			return err
		}
	}
	if s.present() < s.geometry("").data {
		return erasure.ErrReadQuorum
	}
	return nil
}

func (s *reference) present() (n int) {
	for _, site := range s.sites {
		if site.drive != nil {
			n++
		}
	}
	return n
}

func (s *reference) settle(d erasure.Drive, dep string, place int, rebuilding bool) error {
	if s.dep == "" {
		s.dep = dep
	}
	if place >= len(s.sites) {
		return fmt.Errorf("%v: %w", d, erasure.ErrForeign)
	}
	if dep != s.dep && s.bug != "any-drive" {
		return fmt.Errorf("%v: %w", d, erasure.ErrForeign)
	}
	if old := s.sites[place].drive; old != nil && old != d {
		if _, err := old.Usage(background); err == nil && s.bug != "any-drive" {
			return fmt.Errorf("%v and %v: %w", old, d, erasure.ErrForeign)
		}
	}
	s.sites[place].drive, s.sites[place].rebuilding = d, rebuilding
	return nil
}

// adopt gives an empty drive the place of a missing one.
func (s *reference) adopt(d erasure.Drive) error {
	for i, site := range s.sites {
		if site.drive != nil {
			if _, err := site.drive.Usage(background); err == nil {
				continue
			}
		}
		site.drive, site.rebuilding = d, true
		return s.writeFormat(i)
	}
	return errors.New("no place for another drive")
}

func (s *reference) format(d erasure.Drive) (dep string, place int, rebuilding bool, err error) {
	b, err := d.ReadFile(background, "format")
	if err != nil {
		return "", 0, false, err
	}
	if !bytes.HasPrefix(b, []byte(refMagic)) {
		return "", 0, false, fmt.Errorf("%v: %w", d, erasure.ErrNewer)
	}
	_, err = fmt.Sscanf(string(b[len(refMagic):]), "%s %d %v", &dep, &place, &rebuilding)
	return dep, place, rebuilding, err
}

func (s *reference) writeFormat(i int) error {
	d := s.sites[i].drive
	text := fmt.Sprintf("%s %s %d %v", refMagic, s.dep, i, s.sites[i].rebuilding)
	if err := s.stage(background, d, "tmp/format", []byte(text)); err != nil {
		return err
	}
	return d.Commit(background, erasure.Move{From: "tmp/format", To: "format"})
}

func (s *reference) Attach(_ context.Context, d erasure.Drive) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	dep, place, rebuilding, err := s.format(d)
	if errors.Is(err, fs.ErrNotExist) {
		return s.adopt(d)
	}
	if err != nil {
		return err
	}
	return s.settle(d, dep, place, rebuilding)
}

func (s *reference) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.shut = true
	s.late.Wait()
	for _, site := range s.sites {
		if site.drive != nil {
			site.drive.Close()
		}
	}
	return nil
}

// each asks all drives. Those without are errors; so is one that is slower than a
// quorum and the grace.
func (s *reference) each(quorum int, call func(i int, d erasure.Drive) error) []error {
	errs := make([]error, len(s.sites))
	type done struct {
		i   int
		err error
	}
	results := make(chan done, len(s.sites))
	waiting := 0
	for i, site := range s.sites {
		errs[i] = errOffline
		if site.drive == nil {
			continue
		}
		waiting++
		if s.o.Serial {
			results <- done{i, call(i, site.drive)}
		} else {
			s.late.Go(func() { results <- done{i, call(i, site.drive)} })
		}
	}
	var limit <-chan time.Time
	for good := 0; waiting > 0; waiting-- {
		select {
		case r := <-results:
			if errs[r.i] = r.err; r.err == nil {
				good++
			}
			if good >= quorum && limit == nil && !s.o.Serial && s.bug != "waits-for-all" {
				limit = time.After(s.o.Grace / 4)
			}
		case <-limit:
			return errs
		}
	}
	return errs
}

func good(errs []error) (n int) {
	for _, err := range errs {
		if err == nil {
			n++
		}
	}
	return n
}

func (s *reference) stage(ctx context.Context, d erasure.Drive, path string, b []byte) error {
	w, err := d.Create(ctx, path)
	if err != nil {
		return err
	}
	defer w.Close()
	if _, err := w.Write(b); err != nil {
		return err
	}
	if s.bug == "no-sync" {
		return nil
	}
	return w.Sync()
}

func (s *reference) random() [16]byte {
	var id [16]byte
	s.ids++
	binary.BigEndian.PutUint64(id[:], s.o.Rand.Uint64())
	binary.BigEndian.PutUint64(id[8:], s.o.Rand.Uint64())
	return id
}

// Names and files.

func refName(name string) error {
	bad := name == "" || len(name) > 1024 || !utf8.ValidString(name) || strings.ContainsFunc(name, unicode.IsControl)
	for c := range strings.SplitSeq(name, "/") {
		bad = bad || c == "" || c == "." || c == ".." || len(url.PathEscape(c)) > 255
	}
	if bad {
		return fmt.Errorf("%w %.20q", erasure.ErrName, name)
	}
	return nil
}

func refDir(name string) string {
	parts := strings.Split(name, "/")
	for i, c := range parts {
		parts[i] = strings.NewReplacer("@", "%40", "+", "%2B").Replace(url.PathEscape(c))
	}
	return "objects/" + strings.Join(parts, "/")
}

func (v *refVersion) encode() []byte {
	text, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	h := sha256.Sum256(text)
	return fmt.Appendf(nil, "%s %x %s", refMagic, h, text)
}

func decodeRef(b []byte) (*refVersion, error) {
	if len(b) < 5+64+1 || !bytes.HasPrefix(b, []byte("ref")) {
		return nil, erasure.ErrCorrupt
	}
	if b[3] != '1' {
		return nil, erasure.ErrNewer
	}
	text := b[5+65:]
	if h := sha256.Sum256(text); hex.EncodeToString(h[:]) != string(b[5:5+64]) {
		return nil, erasure.ErrCorrupt
	}
	var v refVersion
	return &v, json.Unmarshal(text, &v)
}

// The census.
