// Listings: a page of what a walk finds.

package erasure

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// maxPage is the default of ListOptions.Max.
const maxPage = 1000

// List returns a page of current versions, delete markers left out.
//
// Each object is judged as Get would: what was never acknowledged is not listed.
// Objects that have lost too many shards to be read are left out; drives that do
// not answer are an ErrReadQuorum.
//
// Memory and time go with what is returned, and with the number of names in the
// directories (what is between two slashes) on the way.
func (s *Store) List(ctx context.Context, o ListOptions) (Page, error) {
	return s.list(ctx, o, newest, s.currentOf)
}

// ListVersions returns a page of all versions and delete markers, of each name
// the newest first.
func (s *Store) ListVersions(ctx context.Context, o ListOptions) (Page, error) {
	return s.list(ctx, o, every, func(ctx context.Context, c *census) ([]Info, error) {
		infos, err := s.versionsOf(ctx, c)
		if err != nil || c.name != o.After || o.AfterVersion == "" {
			return infos, err
		}
		return behind(infos, o.AfterVersion)
	})
}

// currentOf is the current version of an object, if it is there and no marker.
func (s *Store) currentOf(ctx context.Context, c *census) ([]Info, error) {
	t, err := s.resolve(ctx, c, "", false)
	if err == errUnsettled {
		var release func()
		if c, t, release, err = s.find(ctx, c.name, ""); err == nil {
			release()
		}
	}
	switch {
	case errors.Is(err, ErrNotFound) || errors.Is(err, ErrReadQuorum) && c.isLost():
		return nil, nil
	case err != nil:
		return nil, err
	case t.marker:
		return nil, nil
	}
	info := c.infoOf(t)
	info.Latest = true
	return []Info{info}, nil
}

// versionsOf are all versions of an object, the newest first. Of null versions
// only the newest counts: it has replaced the others.
func (s *Store) versionsOf(ctx context.Context, c *census) ([]Info, error) {
	infos, err := s.versionsIn(ctx, c, false)
	if err != errUnsettled {
		return infos, err
	}
	release, err := s.locks.acquire(ctx, c.name, true)
	if err != nil {
		return nil, err
	}
	defer release()
	return s.versionsIn(ctx, s.lookAtAll(ctx, c.name), true)
}

func (s *Store) versionsIn(ctx context.Context, c *census, repair bool) ([]Info, error) {
	var infos []Info
	var null bool
	for _, key := range c.keys() {
		if key.null() && null {
			continue
		}
		t, err := s.settle(ctx, c, key, repair)
		switch {
		case errors.Is(err, ErrReadQuorum) && c.isLost():
			continue
		case err != nil:
			return nil, err
		case t == nil:
			continue
		}
		info := c.infoOf(t)
		info.Latest = len(infos) == 0
		infos = append(infos, info)
		null = null || key.null()
	}
	return infos, ctx.Err()
}

// infoOf is what a listing says of a version.
func (c *census) infoOf(t *tally) Info {
	info := t.info(c.name)
	info.Missing = len(c.answers) - t.holding
	return info
}

// isLost reports whether all drives have answered: then what cannot be known from
// them is lost, and waiting does not help.
func (c *census) isLost() bool { return c != nil && c.silent() == 0 }

// every is the selection of all versions.
func every(keys []versionKey) []versionKey { return keys }

// list fills a page with what of each object is to be shown.
func (s *Store) list(ctx context.Context, o ListOptions, read selection,
	show func(context.Context, *census) ([]Info, error)) (Page, error) {
	var p pager
	if p.room = o.Max; p.room == 0 {
		p.room = maxPage
	}
	if p.room < 0 {
		return p.Page, nil
	}
	if err := s.use(); err != nil {
		return Page{}, err
	}
	defer s.leave()
	w := s.walk(o.Prefix, o.start(), read)
	for {
		c, err := w.next(ctx)
		if c == nil || err != nil {
			return p.end(), err
		}
		infos, err := show(ctx, c)
		if err != nil {
			return Page{}, err
		}
		if rolled := o.rollUp(c.name); rolled != "" && len(infos) > 0 {
			if !p.addPrefix(rolled) {
				return p.Page, nil
			}
			w.skip(successor(rolled))
			continue
		}
		for _, info := range infos {
			if !p.add(info) {
				return p.Page, nil
			}
		}
	}
}

// start is the least name that a page may have.
func (o *ListOptions) start() string {
	switch {
	case o.After == "":
		return ""
	case o.rollUp(o.After) == o.After:
		return max(successor(o.After), o.After)
	case o.AfterVersion != "":
		return o.After // older versions of it are still to come
	}
	return o.After + "\x00"
}

// rollUp is the prefix that stands for a name, "" if it stands for itself.
func (o *ListOptions) rollUp(name string) string {
	rest, ok := strings.CutPrefix(name, o.Prefix)
	if !ok || o.Delimiter == "" {
		return ""
	}
	i := strings.Index(rest, o.Delimiter)
	if i < 0 {
		return ""
	}
	return name[:len(o.Prefix)+i+len(o.Delimiter)]
}

// A pager fills a page. It is full only when there is something that does not fit:
// More is never a promise of an empty page.
type pager struct {
	Page
	room int
}

func (p *pager) take(name, version string) bool {
	if p.More = p.room == 0; p.More {
		return false
	}
	p.room--
	p.Next, p.NextVersion = name, version
	return true
}

func (p *pager) addPrefix(prefix string) bool {
	ok := p.take(prefix, "")
	if ok {
		p.Prefixes = append(p.Prefixes, prefix)
	}
	return ok
}

func (p *pager) add(info Info) bool {
	ok := p.take(info.Name, versionToken(info))
	if ok {
		p.Objects = append(p.Objects, info)
	}
	return ok
}

// end is the page when there is no more.
func (p *pager) end() Page {
	p.Next, p.NextVersion = "", ""
	return p.Page
}

// versionToken says where a version is among others of its name, even when it is
// no longer there.
func versionToken(info Info) string {
	id := info.VersionID
	if id == "" {
		id = "null"
	}
	return fmt.Sprintf("%016x-%s", info.Modified.UnixNano(), id)
}

// behind cuts off the versions up to one, which is a token or a version ID. A
// token may be of a version that is gone, an ID must be there.
func behind(infos []Info, after string) ([]Info, error) {
	for i, info := range infos {
		if after == versionToken(info) || after == info.VersionID || after == "null" && info.VersionID == "" {
			return infos[i+1:], nil
		}
	}
	if len(after) < 17 || after[16] != '-' {
		return nil, fmt.Errorf("%w: version %s, behind which the page was to start", ErrNotFound, after)
	}
	i := slices.IndexFunc(infos, func(info Info) bool { return versionToken(info)[:16] < after[:16] })
	if i < 0 {
		return nil, nil
	}
	return infos[i:], nil
}
