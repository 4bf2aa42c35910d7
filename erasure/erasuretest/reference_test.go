package erasuretest

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"net/url"
	"slices"
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

// refTally is what drives say of a version.
type refTally struct {
	*refVersion
	on, listed []int
	silent     int
	newer      bool // a silent one has a newer format
}

// look counts the versions of an object, the newest first.
func (s *reference) look(name string) (tallies []*refTally, silent int, err error) {
	n := len(s.sites)
	files := make([]map[string]*refVersion, n)
	var mu sync.Mutex
	var newer bool
	errs := s.each(n/2+1, func(i int, d erasure.Drive) error {
		names, err := d.List(background, refDir(name))
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		found := map[string]*refVersion{}
		for _, file := range names {
			if !strings.HasPrefix(file, "@") {
				continue
			}
			b, err := d.ReadFile(background, refDir(name)+"/"+file)
			if errors.Is(err, fs.ErrNotExist) {
				continue
			}
			if err == nil {
				found[file], err = decodeRef(b)
			}
			if err != nil {
				found[file] = nil
			}
			if errors.Is(err, erasure.ErrNewer) && s.bug != "newer-is-damage" {
				mu.Lock()
				newer = true
				mu.Unlock()
			}
		}
		mu.Lock()
		defer mu.Unlock()
		files[i] = found
		return nil
	})
	mu.Lock()
	defer mu.Unlock()
	byFile := map[string]*refTally{}
	for i, err := range errs {
		if err != nil || s.sites[i].rebuilding {
			silent++
		}
		if err != nil {
			files[i] = nil
		}
		for file, v := range files[i] {
			t := byFile[file]
			if t == nil {
				t = new(refTally)
				byFile[file] = t
			}
			t.listed = append(t.listed, i)
			if v != nil {
				t.on = append(t.on, i)
				t.refVersion = v
				t.refVersion.file = file
			}
		}
	}
	for _, file := range slices.Backward(slices.Sorted(maps.Keys(byFile))) {
		t := byFile[file]
		if t.refVersion == nil {
			t.refVersion = &refVersion{file: file, Info: erasure.Info{Data: n/2 + 1, Parity: n - n/2 - 1}}
		}
		for i, err := range errs {
			if holds := slices.Contains(t.on, i); !holds && (err != nil || s.sites[i].rebuilding || files[i][file] == nil && slices.Contains(t.listed, i)) {
				t.silent++
			}
		}
		t.newer = newer
		tallies = append(tallies, t)
	}
	if s.bug == "silence-is-absence" {
		silent = 0
		for _, t := range tallies {
			t.silent = 0
		}
	}
	return tallies, silent, nil
}

func (v *refVersion) matches(version string) bool {
	return version == "" || version == "null" && v.Null || version != "null" && !v.Null && v.Info.VersionID == version
}

// find judges: see the essay of package erasure.
func (s *reference) find(name, version string) (*refTally, error) {
	tallies, silent, err := s.look(name)
	if err != nil {
		return nil, err
	}
	for _, t := range tallies {
		if len(t.on) == 0 && version != "null" && !strings.HasSuffix(t.file, version) || len(t.on) > 0 && !t.matches(version) {
			continue // a damaged file is known by its name, but for whether it is the null version's
		}
		g := geometry{t.Info.Data, t.Info.Parity}
		switch {
		case len(t.on) >= g.data:
			return t, s.complete(name, t)
		case len(t.on)+t.silent < g.quorum():
			if s.bug == "leaves-remains" {
				continue
			}
			if s.bug == "one-copy-is-enough" && len(t.on) > 0 {
				return t, nil
			}
			errs := s.remove(name, t)
			left := 0
			for _, i := range t.listed {
				if errs[i] != nil && !errors.Is(errs[i], fs.ErrNotExist) {
					left++
				}
			}
			if left > 0 && left+silent >= g.data {
				return nil, erasure.ErrReadQuorum
			}
		case t.newer:
			return nil, erasure.ErrNewer
		default:
			return nil, fmt.Errorf("%w: %q on %d, %d silent", erasure.ErrReadQuorum, t.file, len(t.on), t.silent)
		}
	}
	if silent > len(s.sites)/2 {
		return nil, erasure.ErrReadQuorum
	}
	return nil, erasure.ErrNotFound
}

// complete brings a version to the drives that answered and have it not.
func (s *reference) complete(name string, t *refTally) error {
	g := geometry{t.Info.Data, t.Info.Parity}
	if len(t.on) >= g.quorum() || s.bug == "half-is-enough" {
		return nil
	}
	on := slices.Clone(t.on)
	body, err := s.body(name, t)
	if err != nil {
		return err
	}
	n, err := s.write(background, name, t.refVersion, body, 0, func(i int) bool { return !slices.Contains(on, i) && !slices.Contains(t.listed, i) })
	if err != nil || len(on)+n < g.quorum() && len(on)+t.silent < g.quorum() {
		return fmt.Errorf("%w: %q cannot be completed: %w", erasure.ErrReadQuorum, t.file, cmp.Or(err, errOffline))
	}
	return nil
}

// remove removes a version from all drives.
func (s *reference) remove(name string, t *refTally) []error {
	paths := []string{refDir(name) + "/" + t.file, refDir(name) + "/+" + t.file[1:]}
	if s.bug == "forgets-shards" {
		paths = paths[:1]
	}
	return s.each(len(s.sites)/2+1, func(i int, d erasure.Drive) error { return d.Remove(background, paths...) })
}

// write puts a version on drives, and says on how many. Without a quorum it is
// undone.
func (s *reference) write(ctx context.Context, name string, v *refVersion, body []byte, quorum int, to func(i int) bool) (int, error) {
	c := *v
	c.Apart = len(body) > s.o.InlineLimit
	c.BodySum = sumOf(v.file, body)
	moves := []erasure.Move{{From: "tmp/v" + v.file, To: refDir(name) + "/" + v.file}}
	if c.Apart {
		moves = slices.Insert(moves, 0, erasure.Move{From: "tmp/s" + v.file, To: refDir(name) + "/+" + v.file[1:]})
	} else {
		c.Body = body
	}
	if s.bug == "version-before-shards" {
		slices.Reverse(moves)
	}
	errs := s.each(quorum, func(i int, d erasure.Drive) error {
		if !to(i) {
			return errOffline
		}
		err := s.stage(ctx, d, "tmp/v"+v.file, c.encode())
		if err == nil && c.Apart {
			err = s.stage(ctx, d, "tmp/s"+v.file, body)
		}
		if err != nil {
			d.Remove(background, "tmp/v"+v.file, "tmp/s"+v.file)
		}
		return err
	})
	if good(errs) < quorum {
		s.each(0, func(i int, d erasure.Drive) error { return d.Remove(background, "tmp/v"+v.file, "tmp/s"+v.file) })
		return 0, fmt.Errorf("%w: %w", erasure.ErrWriteQuorum, errors.Join(errs...))
	}
	commits := s.each(quorum, func(i int, d erasure.Drive) error {
		if errs[i] != nil {
			return errs[i]
		}
		return d.Commit(ctx, moves...)
	})
	for i, err := range commits {
		if err != nil && errs[i] == nil {
			s.sites[i].drive.Remove(background, "tmp/v"+v.file, "tmp/s"+v.file)
		}
	}
	n := good(commits)
	if n >= quorum {
		return n, nil
	}
	undone := s.remove(name, &refTally{refVersion: v})
	left := 0
	for i := range undone {
		if undone[i] != nil && errs[i] == nil {
			left++
		}
	}
	if left >= v.Info.Data {
		return n, erasure.ErrOutcomeUnknown
	}
	return n, fmt.Errorf("%w: %w", erasure.ErrWriteQuorum, errors.Join(commits...))
}

func sumOf(file string, body []byte) []byte {
	h := sha256.New()
	io.WriteString(h, file)
	h.Write(body)
	return h.Sum(nil)
}

// body reads the bytes of a version from any drive that has them right.
func (s *reference) body(name string, t *refTally) ([]byte, error) {
	if !t.Apart {
		return t.Body, nil
	}
	var whole []byte
	var mu sync.Mutex
	s.each(1, func(i int, d erasure.Drive) error {
		mu.Lock()
		done := whole != nil
		mu.Unlock()
		if done || !slices.Contains(t.on, i) {
			return errOffline
		}
		b, err := s.shard(name, t, d)
		if err != nil {
			return err
		}
		mu.Lock()
		defer mu.Unlock()
		whole = b
		return nil
	})
	mu.Lock()
	defer mu.Unlock()
	if whole == nil {
		return nil, fmt.Errorf("%w: no drive has the bytes", erasure.ErrReadQuorum)
	}
	return whole, nil
}

func (s *reference) shard(name string, t *refTally, d erasure.Drive) ([]byte, error) {
	f, err := d.Open(background, refDir(name)+"/+"+t.file[1:])
	if err != nil {
		return nil, err
	}
	defer f.Close()
	b := make([]byte, f.Size())
	if _, err := f.ReadAt(b, 0); err != nil && err != io.EOF {
		return nil, err
	}
	if !bytes.Equal(sumOf(t.file, b), t.BodySum) && s.bug != "unchecked" {
		return nil, erasure.ErrCorrupt
	}
	return b, nil
}
