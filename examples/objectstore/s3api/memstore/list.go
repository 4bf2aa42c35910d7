package memstore

import (
	"cmp"
	"context"
	"maps"
	"slices"
	"strings"

	"github.com/flagship-go/flagship/examples/objectstore/s3api"
)

func (s *Store) List(_ context.Context, bucket string, o s3api.ListOptions) (s3api.Page, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	b, err := s.bucket(bucket)
	if err != nil {
		return s3api.Page{}, err
	}
	var all []s3api.Object
	for _, key := range slices.Sorted(maps.Keys(b.objects)) {
		if v := b.current(key); !v.DeleteMarker {
			all = append(all, b.shown(v))
		}
	}
	return page(all, o), nil
}

func (s *Store) ListVersions(_ context.Context, bucket string, o s3api.ListOptions) (s3api.Page, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	b, err := s.bucket(bucket)
	if err != nil {
		return s3api.Page{}, err
	}
	var all []s3api.Object
	for _, key := range slices.Sorted(maps.Keys(b.objects)) {
		for _, v := range slices.Backward(b.objects[key]) {
			all = append(all, b.shown(v))
		}
	}
	return page(all, o), nil
}

// page is the listing of sorted objects by definition: drop, roll up, count.
func page(all []s3api.Object, o s3api.ListOptions) (p s3api.Page) {
	past := o.AfterVersion == "" // of the key After, have we passed AfterVersion?
	for _, x := range all {
		rest, ok := strings.CutPrefix(x.Key, o.Prefix)
		if !ok || x.Key < o.After {
			continue
		}
		if x.Key == o.After {
			was := past
			past = past || cmp.Or(x.VersionID, nullVersion) == o.AfterVersion
			if !was || o.AfterVersion == "" {
				continue
			}
		}
		rolled := ""
		if i := strings.Index(rest, o.Delimiter); o.Delimiter != "" && i >= 0 {
			rolled = x.Key[:len(o.Prefix)+i+len(o.Delimiter)]
		}
		if rolled != "" && (rolled == o.After || len(p.Prefixes) > 0 && p.Prefixes[len(p.Prefixes)-1] == rolled) {
			continue
		}
		if len(p.Objects)+len(p.Prefixes) == o.Max {
			p.More = true
			return p
		}
		if rolled != "" {
			p.Prefixes = append(p.Prefixes, rolled)
			p.Next, p.NextVersion = rolled, ""
			continue
		}
		p.Objects = append(p.Objects, x)
		p.Next, p.NextVersion = x.Key, cmp.Or(x.VersionID, nullVersion)
	}
	p.Next, p.NextVersion = "", ""
	return p
}
