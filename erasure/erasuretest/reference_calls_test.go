package erasuretest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/flagship-go/flagship/erasure"
)

// The calls of the reference.

func (s *reference) begin(name string) error {
	if s.shut {
		return erasure.ErrClosed
	}
	return refName(name)
}

func (s *reference) condition(name string, c erasure.Condition) error {
	if c == (erasure.Condition{}) {
		return nil
	}
	t, err := s.find(name, "")
	if err != nil && !errors.Is(err, erasure.ErrNotFound) {
		return err
	}
	if there := err == nil && !t.Info.DeleteMarker; !there && holds(c, false, nil) || there && holds(c, true, &t.Info) {
		return nil
	}
	return erasure.ErrPrecondition
}

// holds is written out here, for the reference must not lean on what it is
// compared with.
func holds(c erasure.Condition, there bool, v *erasure.Info) bool {
	switch {
	case c.IfMatch != "" && (!there || c.IfMatch != "*" && c.IfMatch != v.ETag):
		return false
	case c.IfNoneMatch != "" && there && (c.IfNoneMatch == "*" || c.IfNoneMatch == v.ETag):
		return false
	case !c.IfModifiedSince.IsZero() && there && !v.Modified.Truncate(time.Second).After(c.IfModifiedSince):
		return false
	case !c.IfUnmodifiedSince.IsZero() && there && v.Modified.Truncate(time.Second).After(c.IfUnmodifiedSince):
		return false
	}
	return true
}

// add writes a new version on top, and removes the null ones that it replaces.
func (s *reference) add(ctx context.Context, name string, v *refVersion, body []byte) (erasure.Info, error) {
	tallies, silent, err := s.look(name)
	if err != nil {
		return erasure.Info{}, err
	}
	if silent > len(s.sites)-v.Info.Data {
		return erasure.Info{}, erasure.ErrWriteQuorum
	}
	at := s.o.Now()
	if len(tallies) > 0 && s.bug != "time-may-stand" {
		var newest int64
		fmt.Sscanf(tallies[0].file, "@%016x", &newest)
		if now := time.Unix(0, newest+1); now.After(at) {
			at = now
		}
	}
	id := s.random()
	v.file = fmt.Sprintf("@%016x-%x", at.UnixNano(), id)
	v.Info.Modified = time.Unix(0, at.UnixNano()).UTC()
	if v.Info.Name = name; !v.Null {
		v.Info.VersionID = fmt.Sprintf("%x", id)
	}
	if s.bug == "old-goes-first" && v.Null {
		s.removeNulls(name, tallies)
	}
	n, err := s.write(ctx, name, v, body, geometry{v.Info.Data, v.Info.Parity}.quorum(), func(int) bool { return true })
	if err != nil && (s.bug != "failed-is-kept" || n == 0) {
		return erasure.Info{}, err
	}
	if v.Null {
		s.removeNulls(name, tallies)
	}
	info := v.Info
	info.Latest, info.Missing = true, len(s.sites)-n
	return info, err
}

func (s *reference) removeNulls(name string, tallies []*refTally) {
	for _, t := range tallies {
		if t.Null {
			s.remove(name, t)
		}
	}
}

func (s *reference) Put(ctx context.Context, name string, body io.Reader, size int64, o *erasure.PutOptions) (erasure.Info, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.begin(name); err != nil {
		return erasure.Info{}, err
	}
	if o == nil {
		o = new(erasure.PutOptions)
	}
	g := s.geometry(o.Class)
	if _, ok := s.o.Classes[o.Class]; !ok && o.Class != "" {
		return erasure.Info{}, erasure.ErrOptions
	}
	b, err := io.ReadAll(body)
	if err == nil && size >= 0 && int64(len(b)) != size && s.bug != "any-length" {
		err = erasure.ErrSize
	}
	if s.bug == "loses-the-end" && len(b) > 4*testBlock {
		b = b[:len(b)-1]
	}
	if err == nil {
		err = ctx.Err()
	}
	if err != nil && s.bug != "any-length" {
		return erasure.Info{}, err
	}
	if s.bug != "no-conditions" {
		if err := s.condition(name, o.Condition); err != nil {
			return erasure.Info{}, err
		}
	}
	v := &refVersion{Null: !o.Versioned}
	v.Info = erasure.Info{Size: int64(len(b)), ETag: sum(b), Class: o.Class, Metadata: maps.Clone(o.Metadata), Data: g.data, Parity: g.parity}
	if o.ETag != "" {
		v.Info.ETag = o.ETag
	}
	if s.bug == "metadata-lost" {
		v.Info.Metadata = nil
	}
	return s.add(ctx, name, v, b)
}

func (s *reference) get(name string, o *erasure.GetOptions) (*refTally, error) {
	if err := s.begin(name); err != nil {
		return nil, err
	}
	if o == nil {
		o = new(erasure.GetOptions)
	}
	t, err := s.find(name, o.VersionID)
	if err != nil {
		return nil, err
	}
	if t.Info.DeleteMarker {
		return nil, erasure.ErrDeleted
	}
	if !holds(o.Condition, true, &t.Info) {
		return nil, erasure.ErrPrecondition
	}
	tallies, _, err := s.look(name)
	t.Info.Latest = len(tallies) == 0 || tallies[0].file == t.file
	return t, err
}

type refObject struct {
	*bytes.Reader
	bug string
}

func (refObject) Close() error { return nil }

func (o refObject) ReadAt(p []byte, off int64) (int, error) {
	if o.bug == "range-off-by-one" && off >= testBlock {
		off--
	}
	return o.Reader.ReadAt(p, off)
}

func (s *reference) Get(_ context.Context, name string, o *erasure.GetOptions) (Object, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	t, err := s.get(name, o)
	if err != nil {
		return nil, err
	}
	b, err := s.body(name, t)
	if err != nil {
		return nil, err
	}
	if s.bug == "opens-all" {
		for _, site := range s.sites {
			if f, err := site.drive.Open(background, refDir(name)+"/+"+t.file[1:]); err == nil {
				f.Close()
			}
		}
	}
	return refObject{bytes.NewReader(b), s.bug}, nil
}

func (s *reference) Stat(_ context.Context, name string, o *erasure.GetOptions) (erasure.Info, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	t, err := s.get(name, o)
	if err != nil {
		return erasure.Info{}, err
	}
	return t.Info, nil
}

func (s *reference) Delete(ctx context.Context, name string, o *erasure.DeleteOptions) (erasure.Info, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.begin(name); err != nil {
		return erasure.Info{}, err
	}
	if o == nil {
		o = new(erasure.DeleteOptions)
	}
	if err := s.condition(name, o.Condition); err != nil {
		return erasure.Info{}, err
	}
	g := s.geometry("")
	if o.VersionID == "" && (o.Versioned || o.MarkNull) {
		v := &refVersion{Null: !o.Versioned, Info: erasure.Info{DeleteMarker: true, Data: g.data, Parity: g.parity}}
		if s.bug == "marker-replaces" {
			if tallies, _, err := s.look(name); err == nil {
				for _, t := range tallies {
					s.remove(name, t)
				}
			}
		}
		return s.add(ctx, name, v, nil)
	}
	version := o.VersionID
	if version == "" {
		version = "null"
	}
	tallies, silent, err := s.look(name)
	if err != nil {
		return erasure.Info{}, err
	}
	if len(s.sites)-silent < g.quorum() && s.bug != "deletes-without-quorum" {
		return erasure.Info{}, fmt.Errorf("%w: %d drives are silent", erasure.ErrWriteQuorum, silent)
	}
	info := erasure.Info{Name: name}
	for _, t := range slices.Backward(tallies) { // the newest last
		if !t.matches(version) || s.bug == "deletes-nothing" {
			continue
		}
		info = t.Info
		if n := good(s.remove(name, t)); n < max(g.quorum(), geometry{t.Info.Data, t.Info.Parity}.quorum()) && s.bug != "deletes-without-quorum" {
			return erasure.Info{}, erasure.ErrOutcomeUnknown
		}
	}
	return info, nil
}

// names are all that a drive knows.
func (s *reference) names() ([]string, error) {
	found := map[string]bool{}
	silent := 0
	for _, site := range s.sites {
		var walk func(dir, name string) error
		walk = func(dir, name string) error {
			files, err := site.drive.List(background, dir)
			for _, f := range files {
				if f[0] == '@' || f[0] == '+' {
					found[name] = true
				} else if c, err := url.PathUnescape(f); err == nil {
					if err := walk(dir+"/"+f, strings.TrimPrefix(name+"/"+c, "/")); err != nil {
						return err
					}
				}
			}
			return err
		}
		if site.drive == nil || walk("objects", "") != nil {
			silent++
		}
	}
	if silent > len(s.sites)/2 {
		return nil, erasure.ErrReadQuorum
	}
	return slices.Sorted(maps.Keys(found)), nil
}

func (s *reference) List(_ context.Context, o erasure.ListOptions) (erasure.Page, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var p erasure.Page
	all, err := s.names()
	if err != nil {
		return p, err
	}
	var names []string
	infos := map[string]erasure.Info{}
	for _, name := range all {
		t, err := s.find(name, "")
		if errors.Is(err, erasure.ErrNotFound) && s.bug != "lists-what-is-gone" || err == nil && t.Info.DeleteMarker {
			continue
		}
		if err != nil && s.bug != "lists-what-is-gone" {
			return p, err
		}
		names = append(names, name)
		if infos[name] = (erasure.Info{Name: name}); t != nil {
			t.Info.Latest = true
			infos[name] = t.Info
		}
	}
	objects, prefixes, more := expectPage(names, o)
	p.Prefixes, p.More = prefixes, more
	for _, name := range objects {
		p.Objects = append(p.Objects, infos[name])
		p.Next = name
	}
	if n := len(prefixes); n > 0 && prefixes[n-1] > p.Next {
		p.Next = prefixes[n-1]
	}
	if s.bug == "unsorted" {
		slices.SortFunc(p.Objects, func(a, b erasure.Info) int {
			return strings.Compare(strings.ReplaceAll(a.Name, "/", "~"), strings.ReplaceAll(b.Name, "/", "~"))
		})
	}
	if s.bug == "pages-overlap" && more && o.Delimiter == "" {
		p.Next = p.Next[:len(p.Next)-1]
	}
	return p, nil
}

func (s *reference) ListVersions(_ context.Context, o erasure.ListOptions) (erasure.Page, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var p erasure.Page
	names, err := s.names()
	if err != nil {
		return p, err
	}
	limit := o.Max
	if limit == 0 {
		limit = 1000
	}
	for _, name := range names {
		if !strings.HasPrefix(name, o.Prefix) || name < o.After || name == o.After && o.AfterVersion == "" {
			continue
		}
		tallies, _, err := s.look(name)
		if err != nil {
			return p, err
		}
		skip := name == o.After
		if s.bug == "versions-oldest-first" {
			slices.Reverse(tallies)
		}
		for i, t := range tallies {
			id := t.Info.VersionID
			if id == "" {
				id = "null"
			}
			if skip {
				skip = id != o.AfterVersion
				continue
			}
			if len(p.Objects) == limit {
				p.More = true
				return p, nil
			}
			t.Info.Latest = i == 0
			p.Objects = append(p.Objects, t.Info)
			p.Next, p.NextVersion = name, id
		}
	}
	return p, nil
}

func (s *reference) Heal(ctx context.Context, o *erasure.HealOptions, progress func(erasure.HealReport)) (erasure.HealReport, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var report erasure.HealReport
	if o == nil {
		o = new(erasure.HealOptions)
	}
	names, err := s.names()
	if err != nil || s.bug == "heals-nothing" {
		return report, err
	}
	whole := s.present() == len(s.sites)
	for _, name := range names {
		if !strings.HasPrefix(name, o.Prefix) || o.Name != "" && name != o.Name {
			continue
		}
		if s.bug != "resurrects" && !o.DryRun {
			if _, err := s.find(name, ""); err != nil && !errors.Is(err, erasure.ErrNotFound) {
				report.Unreadable++
				whole = false
				continue
			}
		}
		tallies, silent, err := s.look(name)
		if err != nil {
			return report, err
		}
		whole = whole && silent == 0
		report.Objects++
		replaced := false // by a null version that is there
		for _, t := range tallies {
			report.Versions++
			if t.Null && replaced && !o.DryRun {
				s.remove(name, t)
				report.Purged++
				continue
			}
			replaced = replaced || t.Null && len(t.on) >= t.Info.Data
			if err := s.healVersion(name, t, o, &report); err != nil {
				whole = false
			}
		}
		if !o.DryRun {
			s.removeStrays(name)
		}
		report.Name = name
		if progress != nil {
			progress(report)
		}
	}
	for _, site := range s.sites {
		if site.drive == nil || o.DryRun || !s.o.Serial {
			continue
		}
		if strays, err := site.drive.List(background, "tmp"); err == nil {
			for _, stray := range strays {
				site.drive.Remove(background, "tmp/"+stray)
			}
		}
	}
	for i, site := range s.sites {
		if site.rebuilding && !o.DryRun && report.Unreadable == 0 && o.Name == "" && o.Prefix == "" {
			site.rebuilding = false
			if err := s.writeFormat(i); err != nil {
				site.rebuilding = true
				return report, err
			}
		}
	}
	return report, nil
}

// removeStrays removes what puts that were cut off have left of an object.
func (s *reference) removeStrays(name string) {
	s.each(0, func(_ int, d erasure.Drive) error {
		files, err := d.List(background, refDir(name))
		for _, file := range files {
			if file[0] == '+' && !slices.Contains(files, "@"+file[1:]) {
				err = errors.Join(err, d.Remove(background, refDir(name)+"/"+file))
			}
		}
		return err
	})
}

func (s *reference) healVersion(name string, t *refTally, o *erasure.HealOptions, report *erasure.HealReport) error {
	g := geometry{t.Info.Data, t.Info.Parity}
	if len(t.on) < g.data && s.bug != "resurrects" {
		if len(t.on)+t.silent < g.quorum() && !o.DryRun {
			report.Purged++
			s.remove(name, t)
			return nil
		}
		report.Unreadable++
		return erasure.ErrReadQuorum
	}
	body, err := s.body(name, t)
	if err != nil {
		report.Unreadable++
		return err
	}
	var bad []int
	for i, site := range s.sites {
		if site.drive == nil {
			continue
		}
		if slices.Contains(t.on, i) {
			if t.Apart {
				if _, err := s.shard(name, t, site.drive); err == nil || errors.Is(err, errOffline) {
					continue
				}
			} else {
				continue
			}
		}
		bad = append(bad, i)
	}
	if report.Absent += len(bad); o.DryRun && s.bug != "dry-run-writes" || len(bad) == 0 {
		return nil
	}
	n, err := s.write(background, name, t.refVersion, body, 0, func(i int) bool { return slices.Contains(bad, i) })
	report.Healed += n
	if n < len(bad) {
		err = errors.Join(err, errOffline)
	}
	return err
}
