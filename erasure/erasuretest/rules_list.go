package erasuretest

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/flagship-go/flagship/erasure"
)

func listRules() []StoreRule {
	return []StoreRule{
		{ID: "list", Name: "order", Capability: "list", story: listOrder,
			Text: "Names come in byte order, \"a\" beside \"a/b\" beside \"a.b\", by prefix, and rolled up at a delimiter."},
		{ID: "list", Name: "pages", Capability: "list", story: listPages,
			Text: "Pages of any size, by Next or from any name, together are the whole list, also when what a page ended with was deleted."},
		{ID: "list", Name: "lost-drives", Capability: "list", story: listLost,
			Text: "Lists are whole with parity drives lost or stale, and show nothing that was deleted or never acknowledged."},
		{ID: "list", Name: "versions", Capability: "list", story: listVersions,
			Text: "All versions and markers are listed, of each name the newest first, and paged in their midst."},
	}
}

var listNames = []string{"A", "a", "a!", "a-b", "a.b", "a/", "a/b", "a/b/c", "a/c", "a0", "aa", "b/a", "b/b/c/d", "b0", "c d", "ä"}

// listed fills a store with these names, but for those that end in a slash.
func (t *trial) listed(g geometry) (*rack, Lister, []string) {
	r := t.rack(g)
	var names []string
	for i, name := range listNames {
		if !strings.HasSuffix(name, "/") {
			names = append(names, name)
			r.put(name, body(i, 10), nil)
		}
	}
	r.put("gone", body(1, 10), nil)
	r.delete("gone", nil)
	slices.Sort(names)
	return r, r.store.(Lister), names
}

// page is what a list of names must be.
func expectPage(names []string, o erasure.ListOptions) (objects, prefixes []string, more bool) {
	limit := o.Max
	if limit == 0 {
		limit = 1000
	}
	for _, name := range names {
		rest, ok := strings.CutPrefix(name, o.Prefix)
		if !ok || name <= o.After {
			continue
		}
		rolled := ""
		if at := strings.Index(rest, o.Delimiter); o.Delimiter != "" && at >= 0 {
			rolled = o.Prefix + rest[:at+len(o.Delimiter)]
			if slices.Contains(prefixes, rolled) || strings.HasSuffix(o.After, o.Delimiter) && strings.HasPrefix(name, o.After) && o.After == rolled {
				continue
			}
		}
		if len(objects)+len(prefixes) == limit {
			return objects, prefixes, true
		}
		if rolled != "" {
			prefixes = append(prefixes, rolled)
		} else {
			objects = append(objects, name)
		}
	}
	return objects, prefixes, false
}

func objectNames(p erasure.Page) (names []string) {
	for _, o := range p.Objects {
		names = append(names, o.Name)
	}
	return names
}

// lists fails the rule when a page is not what it must be.
func lists(l Lister, names []string, o erasure.ListOptions) erasure.Page {
	p, err := l.List(background, o)
	must(err, "listing %+v", o)
	objects, prefixes, more := expectPage(names, o)
	if !slices.Equal(objectNames(p), objects) || !slices.Equal(p.Prefixes, prefixes) {
		failf("the list %+v is %q and prefixes %q; it must be %q and %q", o, objectNames(p), p.Prefixes, objects, prefixes)
	}
	if p.More != more {
		failf("the list %+v says %v of whether there is more behind %q and %q", o, p.More, objects, prefixes)
	}
	return p
}

func listOrder(t *trial) {
	_, l, names := t.listed(geometry{2, 2})
	for _, prefix := range []string{"", "a", "a/", "a/b", "a/b/", "b", "b/b/c", "z", "ä", "a.", "aa", "aaa"} {
		for _, delimiter := range []string{"", "/", "b", "/b", "."} {
			lists(l, names, erasure.ListOptions{Prefix: prefix, Delimiter: delimiter})
		}
	}
	p, err := l.List(background, erasure.ListOptions{Prefix: "a/c"})
	must(err, "listing")
	if o := p.Objects[0]; o.Size != 10 || o.ETag != sum(body(slices.Index(listNames, "a/c"), 10)) || !o.Latest {
		failf("in the list, \"a/c\" is %+v", o)
	}
}

func listPages(t *trial) {
	r, l, names := t.listed(geometry{3, 1})
	for _, delimiter := range []string{"", "/"} {
		for _, prefix := range []string{"", "a", "b/"} {
			for size := 1; size <= 4; size++ {
				o := erasure.ListOptions{Prefix: prefix, Delimiter: delimiter, Max: size}
				for pages := 0; ; pages++ {
					p := lists(l, names, o)
					if !p.More {
						break
					}
					if o.After = p.Next; pages > len(names) {
						failf("the list %+v does not end", o)
					}
				}
			}
		}
	}
	for _, after := range append([]string{"0", "a/a", "a/zzz", "b", "zz", "a/b/c/d/e", "gone"}, names...) {
		lists(l, names, erasure.ListOptions{After: after})
		lists(l, names, erasure.ListOptions{After: after, Max: 2})
	}
	first := lists(l, names, erasure.ListOptions{Max: 5})
	for range 5 {
		r.delete(names[0], nil)
		names = names[1:]
	}
	lists(l, names, erasure.ListOptions{After: first.Next, Max: 3})
}

func listLost(t *trial) {
	g := geometry{6, 2}
	r, l, names := t.listed(g)
	r.lose(0, 3)
	for i, name := range []string{"b/b/c/d", "a", "a0"} {
		r.delete(name, nil)
		names = slices.DeleteFunc(names, func(n string) bool { return n == name })
		r.put(fmt.Sprint("late/", i), body(i, 10), nil)
		names = append(names, fmt.Sprint("late/", i))
	}
	slices.Sort(names)
	lists(l, names, erasure.ListOptions{})
	r.giveBack(0, 3)
	lists(l, names, erasure.ListOptions{Max: 7})
	losses(r, g, 2, func([]int) { // of what drives 0 and 3 have missed, others hold enough
		_, err := l.List(background, erasure.ListOptions{})
		if err != nil && !errors.Is(err, erasure.ErrReadQuorum) {
			failf("listing with two drives lost and two stale: %v", err)
		}
	})
	r.heal()
	losses(r, g, 2, func([]int) { lists(l, names, erasure.ListOptions{Delimiter: "/"}) })
	r.lose(0, 1, 2, 3, 4)
	_, err := l.List(background, erasure.ListOptions{})
	fails(err, erasure.ErrReadQuorum, "listing with five drives of %v lost", g)
}

func listVersions(t *trial) {
	r := t.rack(geometry{2, 2})
	l := r.store.(Lister)
	var want []string
	for _, name := range []string{"a", "a/b", "b"} {
		var ids []string
		for i := range 3 {
			ids = append(ids, name+" "+r.put(name, body(i, 10), versioned).VersionID)
		}
		ids = append(ids, name+" "+r.delete(name, &erasure.DeleteOptions{Versioned: true}).VersionID)
		r.put(name, body(7, 10), nil)
		ids = append(ids, name+" ")
		slices.Reverse(ids)
		want = append(want, ids...)
	}
	for size := range 16 {
		o, got, pages := erasure.ListOptions{Max: size}, []string(nil), 0
		for {
			p, err := l.ListVersions(background, o)
			must(err, "listing versions")
			for i, v := range p.Objects {
				got = append(got, v.Name+" "+v.VersionID)
				if latest := len(got)%5 == 1; v.Latest != latest || v.DeleteMarker != (len(got)%5 == 2) {
					failf("version %d of page %d is said to be %+v", i, pages, v)
				}
			}
			if o.After, o.AfterVersion = p.Next, p.NextVersion; !p.More {
				break
			}
			if pages++; pages > len(want) {
				failf("a list of versions does not end")
			}
		}
		if !slices.Equal(got, want) {
			failf("listed %d a page, the versions are %q, and must be %q", size, got, want)
		}
	}
	lists(l, []string{"a", "a/b", "b"}, erasure.ListOptions{})
	r.delete("a/b", &erasure.DeleteOptions{Versioned: true})
	lists(l, []string{"a", "b"}, erasure.ListOptions{})
}
