package erasuretest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"time"

	"github.com/flagship-go/flagship/erasure"
)

func objectRules() []StoreRule {
	return []StoreRule{
		{ID: "E1", Name: "every-size", story: everySize,
			Text: "Bodies of every size are read back as they were put, of known size or not, before and after the store is opened again."},
		{ID: "E1", Name: "clock-goes-back", story: clockGoesBack,
			Text: "The last version that was acknowledged is the current one, whatever the clock says; Modified increases."},
		{ID: "E6", Name: "overwrite", story: overwrite,
			Text: "A put replaces the object, large or small, and leaves nothing of the old one."},
		{ID: "E6", Name: "open-reader", story: openReader,
			Text: "What is replaced or deleted stays readable to who has it open."},
		{ID: "E5", Name: "delete", story: deletes,
			Text: "A deleted object is not found, and deleting what is not there is no error."},
		{ID: "objects", Name: "metadata", story: metadata,
			Text: "Metadata, ETag and class are kept as given, and Put, Stat and Get agree."},
		{ID: "E3", Name: "body-length", story: bodyLength,
			Text: "A body shorter or longer than promised is ErrSize; what was there stays, and nothing is left behind."},
		{ID: "E3", Name: "client-gone", story: clientGone,
			Text: "A client that is gone before the end of its body has stored nothing."},
		{ID: "E9", Name: "geometries", story: geometries,
			Text: "An object is read by the geometry and block size it was stored with, whatever the store's are now."},
		{ID: "objects", Name: "closed", story: closed,
			Text: "A closed store says so; closing it again is no error."},
	}
}

// edges are the sizes at which something changes for a geometry.
func edges(g geometry) []int {
	d := g.data
	var sizes []int
	for _, edge := range []int{0, 1, d, testInline * d, testBlock, 2 * testBlock, 5*testBlock + testInline} {
		for _, size := range []int{edge - 1, edge, edge + 1} {
			if size >= 0 {
				sizes = append(sizes, size)
			}
		}
	}
	return append(sizes, 300*testBlock+d+1)
}

var storeGeometries = []geometry{{1, 0}, {1, 1}, {2, 1}, {2, 2}, {3, 1}, {6, 2}}

func everySize(t *trial) {
	for _, g := range storeGeometries {
		r := t.rack(g)
		for i, size := range edges(g) {
			b := body(i, size)
			name := fmt.Sprint("size/", i)
			info := r.put(name, b, nil)
			if info.Size != int64(size) || info.ETag != sum(b) || info.Data != g.data || info.Parity != g.parity || info.Missing != 0 {
				failf("%v: the Info of %d bytes is %+v", g, size, info)
			}
			r.has(name, "", b, "%v", g)
			info, err := r.store.Put(background, name+"u", onlyReader{bytes.NewReader(b)}, -1, nil)
			must(err, "%v: putting %d bytes of unknown size", g, size)
			if info.Size != int64(size) {
				failf("%v: the size of a body of %d bytes was found to be %d", g, size, info.Size)
			}
			r.has(name+"u", "", b, "%v, of unknown size", g)
		}
		r.restart()
		for i, size := range edges(g) {
			r.has(fmt.Sprint("size/", i), "", body(i, size), "%v, opened again", g)
			r.has(fmt.Sprint("size/", i, "u"), "", body(i, size), "%v, of unknown size, opened again", g)
		}
		r.leavesNothing()
	}
}

func clockGoesBack(t *trial) {
	r := t.rack(geometry{2, 2})
	var last time.Time
	for i, step := range []time.Duration{0, 0, -time.Hour, time.Minute, -time.Minute, 24 * time.Hour, 0} {
		r.clock = r.clock.Add(step)
		if i%3 == 2 {
			r.restart()
		}
		b := body(i, 700)
		info := r.put("a", b, nil)
		if !info.Modified.After(last) {
			failf("a version of %v has followed one of %v", info.Modified, last)
		}
		last = info.Modified
		r.has("a", "", b, "put number %d, the clock having moved by %v", i, step)
		r.heal()
		r.has("a", "", b, "put number %d, the clock having moved by %v, healed", i, step)
	}
}

func overwrite(t *trial) {
	for _, g := range []geometry{{2, 2}, {3, 1}} {
		r := t.rack(g)
		sizes := []int{9 * testBlock, 10, 0, 3 * testBlock, 3*testBlock + 1, testInline * g.data, testInline*g.data + 1, 1}
		for i, size := range sizes {
			b := body(i, size)
			r.put("a", b, nil)
			r.has("a", "", b, "%v: put number %d", g, i)
			for _, d := range r.bays {
				if shards, versions := r.shards(d, "a"); len(versions) != 1 || len(shards) > 1 {
					failf("%v: after put number %d drive %s has %d version files and %d shards", g, i, d.dir, len(versions), len(shards))
				}
			}
		}
		r.restart()
		r.has("a", "", body(len(sizes)-1, 1), "%v: opened again", g)
		r.delete("a", nil)
		r.leavesNothing("a")
	}
}

func openReader(t *trial) {
	for _, size := range []int{100, 7 * testBlock} {
		for _, end := range []string{"replaced", "deleted"} {
			r := t.rack(geometry{2, 2})
			b := body(1, size)
			r.put("a", b, nil)
			object, err := r.store.Get(background, "a", nil)
			must(err, "opening %d bytes", size)
			head := make([]byte, 10)
			_, err = io.ReadFull(object, head)
			must(err, "reading the first bytes of %d", size)
			if end == "replaced" {
				r.put("a", body(2, size), nil)
			} else {
				r.delete("a", nil)
			}
			rest, err := io.ReadAll(object)
			must(err, "reading on in an object of %d bytes that was %s", size, end)
			if got := append(head, rest...); !bytes.Equal(got, b) {
				failf("an object of %d bytes that was %s while it was read %s", size, end, differs(got, b))
			}
			object.Close()
			r.leavesNothing()
		}
	}
}

func deletes(t *trial) {
	for _, size := range []int{10, 3 * testBlock} {
		r := t.rack(geometry{3, 1})
		r.delete("a", nil)
		r.hasNot("a", "", "nothing was put")
		r.put("a", body(1, size), nil)
		r.put("a/b", body(2, size), nil)
		r.delete("a", nil)
		r.hasNot("a", "", "%d bytes were deleted", size)
		r.has("a/b", "", body(2, size), "another was deleted")
		r.restart()
		r.hasNot("a", "", "%d bytes were deleted, the store was opened again", size)
		r.heal()
		r.hasNot("a", "", "%d bytes were deleted, all was healed", size)
		r.put("a", body(3, size), nil)
		r.has("a", "", body(3, size), "put after it was deleted")
		r.delete("a", nil)
		r.delete("a/b", nil)
		r.leavesNothing("a", "a/b")
	}
}

func metadata(t *trial) {
	r := t.rack(geometry{3, 2})
	given := map[string]string{"content-type": "text/plain", "empty": "", "ünïcode": "\n\x00ß"}
	kept := maps.Clone(given)
	put := r.put("a", body(1, 5000), &erasure.PutOptions{Metadata: given, Class: "REDUCED_REDUNDANCY", ETag: "mine"})
	given["later"] = "no"
	for range 2 {
		stat, err := r.store.Stat(background, "a", nil)
		must(err, "stat")
		switch {
		case !maps.Equal(stat.Metadata, kept):
			failf("metadata %q has become %q", kept, stat.Metadata)
		case stat.ETag != "mine" || put.ETag != "mine":
			failf("the ETag given was \"mine\", and is %q and %q", put.ETag, stat.ETag)
		case stat.Class != "REDUCED_REDUNDANCY" || stat.Parity != 1 || stat.Data != 4:
			failf("of class REDUCED_REDUNDANCY, it is of class %q, %d+%d", stat.Class, stat.Data, stat.Parity)
		case stat.Name != "a" || stat.Size != 5000 || !stat.Latest || stat.DeleteMarker || stat.VersionID != "":
			failf("stat says %+v", stat)
		case !stat.Modified.Equal(put.Modified):
			failf("Put said it was modified at %v, Stat says %v", put.Modified, stat.Modified)
		}
		r.restart()
	}
	r.has("a", "", body(1, 5000), "of class REDUCED_REDUNDANCY")
	_, err := r.store.Put(background, "a", bytes.NewReader(nil), 0, &erasure.PutOptions{Class: "NO_SUCH"})
	if err == nil {
		failf("a class that nobody has named is taken")
	}
}

func bodyLength(t *trial) {
	for _, size := range []int{0, 10, testBlock, 4*testBlock + 5} {
		for _, promised := range []int{size - 1, size + 1, size + testBlock, 2*size + 7} {
			if promised < 0 {
				continue
			}
			r := t.rack(geometry{2, 2})
			r.put("old", body(1, 5000), nil)
			for _, name := range []string{"old", "new"} {
				_, err := r.store.Put(background, name, onlyReader{bytes.NewReader(body(2, size))}, int64(promised), nil)
				fails(err, erasure.ErrSize, "a body of %d bytes, %d promised", size, promised)
			}
			r.has("old", "", body(1, 5000), "a put of %d bytes, %d promised, has failed", size, promised)
			r.hasNot("new", "", "a put of %d bytes, %d promised, has failed", size, promised)
			r.leavesNothing("new")
		}
	}
}

// hangsUp is a body that ends in the middle.
type hangsUp struct {
	io.Reader
	gone func() error
}

var errHungUp = errors.New("connection reset by peer")

func (h hangsUp) Read(p []byte) (int, error) {
	n, err := h.Reader.Read(p)
	if err == io.EOF {
		err = h.gone()
	}
	return n, err
}

func clientGone(t *trial) {
	for _, sent := range []int{0, 10, testBlock, 4*testBlock + 5} {
		for _, promised := range []int64{-1, 10 * testBlock} {
			r := t.rack(geometry{2, 2})
			r.put("old", body(1, 5000), nil)
			for _, name := range []string{"old", "new"} {
				_, err := r.store.Put(background, name, hangsUp{bytes.NewReader(body(2, sent)), func() error { return errHungUp }}, promised, nil)
				fails(err, errHungUp, "a body that breaks off after %d bytes, %d promised", sent, promised)

				ctx, cancel := context.WithCancel(background)
				_, err = r.store.Put(ctx, name, hangsUp{bytes.NewReader(body(2, sent)), func() error { cancel(); return ctx.Err() }}, promised, nil)
				fails(err, context.Canceled, "a put cancelled after %d bytes, %d promised", sent, promised)
			}
			r.has("old", "", body(1, 5000), "a client was gone after %d bytes", sent)
			r.hasNot("new", "", "a client was gone after %d bytes", sent)
			r.leavesNothing("new")
		}
	}
}

func geometries(t *trial) {
	r := t.rack(geometry{4, 2})
	want := map[string][]byte{}
	for i, o := range []erasure.Options{{Parity: 2}, {Parity: 3}, {Parity: 1, BlockSize: 512}, {Parity: erasure.NoParity, InlineLimit: -1}, {Parity: 2, BlockSize: 3 * testBlock}} {
		r.opts.Parity = o.Parity
		r.opts.BlockSize, r.opts.InlineLimit = max(o.BlockSize, 1024), max(o.InlineLimit, 200)
		if o.InlineLimit < 0 {
			r.opts.InlineLimit = -1
		}
		r.restart()
		for _, size := range []int{0, 150, 9*testBlock + 1} {
			name := fmt.Sprint(i, "-", size)
			want[name] = body(i, size)
			r.put(name, want[name], nil)
		}
		for name, b := range want {
			r.has(name, "", b, "with options number %d", i)
		}
	}
	// Three drives may be lost by what was stored with three parities.
	r.lose(0, 2, 4)
	for _, size := range []int{0, 150, 9*testBlock + 1} {
		r.has(fmt.Sprint("1-", size), "", body(1, size), "stored as 3+3, three drives lost")
	}
	for _, size := range []int{150, 9*testBlock + 1} {
		if _, err := r.read(fmt.Sprint("2-", size), ""); !errors.Is(err, erasure.ErrReadQuorum) {
			failf("stored as 5+1, three drives lost: the error is %v, not ErrReadQuorum", err)
		}
	}
}

func closed(t *trial) {
	r := t.rack(geometry{1, 1})
	r.put("a", body(1, 10), nil)
	must(r.store.Close(), "closing")
	must(r.store.Close(), "closing again")
	_, err := r.store.Put(background, "a", bytes.NewReader(nil), 0, nil)
	fails(err, erasure.ErrClosed, "putting into a closed store")
	_, err = r.store.Get(background, "a", nil)
	fails(err, erasure.ErrClosed, "reading from a closed store")
}
