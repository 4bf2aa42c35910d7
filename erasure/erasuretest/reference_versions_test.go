package erasuretest

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"slices"
	"strings"
	"sync"

	"github.com/flagship-go/flagship/erasure"
)

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
