package erasuretest

import (
	"bytes"
	"crypto/md5"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"

	"github.com/flagship-go/flagship/erasure"
)

func uploadRules() []StoreRule {
	return []StoreRule{
		{ID: "upload", Name: "complete", Capability: "upload", story: uploadComplete,
			Text: "Parts put in any order become one object with an ETag of ETags, readable over their seams, with drives lost."},
		{ID: "upload", Name: "refused", Capability: "upload", story: uploadRefused,
			Text: "Parts out of order, too small, unknown or with another ETag are ErrUpload, and the upload goes on."},
		{ID: "upload", Name: "abort", Capability: "upload", story: uploadAbort,
			Text: "An aborted upload is gone with its parts."},
		{ID: "upload", Name: "abort-races-complete", Capability: "upload", story: uploadRace,
			Text: "Of an abort and a complete at once, either the object is there, whole, or nothing is."},
		{ID: "upload", Name: "lists", Capability: "upload", story: uploadLists,
			Text: "Uploads and parts are listed, in order, across restarts, and are no objects."},
	}
}

// uploading begins an upload and puts these parts, in this order.
func (r *rack) uploading(name string, parts map[int][]byte, order ...int) (erasure.Upload, []erasure.Part) {
	u := r.store.(Uploader)
	upload, err := u.NewUpload(background, name, &erasure.PutOptions{Metadata: map[string]string{"k": name}})
	must(err, "beginning an upload of %q", name)
	var all []erasure.Part
	for _, n := range order {
		p, err := u.PutPart(background, name, upload.ID, n, onlyReader{bytes.NewReader(parts[n])}, int64(len(parts[n])))
		must(err, "putting part %d of %q, %d bytes", n, name, len(parts[n]))
		if p.Number != n || p.Size != int64(len(parts[n])) || p.ETag != sum(parts[n]) {
			failf("part %d of %d bytes is said to be %+v", n, len(parts[n]), p)
		}
		all = append(all, p)
	}
	slices.SortFunc(all, func(a, b erasure.Part) int { return a.Number - b.Number })
	return upload, all
}

// etagOf is the ETag of an object in parts.
func etagOf(parts [][]byte) string {
	var sums []byte
	for _, p := range parts {
		h := md5.Sum(p)
		sums = append(sums, h[:]...)
	}
	return fmt.Sprintf("%s-%d", sum(sums), len(parts))
}

func uploadComplete(t *trial) {
	g := geometry{2, 2}
	r := t.rack(g, func(o *erasure.Options) { o.BlockSize = 1 << 20 })
	bodies := map[int][]byte{2: body(2, erasure.MinPart), 3: body(3, erasure.MinPart+1), 7: body(7, 100)}
	upload, parts := r.uploading("a", bodies, 7, 3, 2)
	r.hasNot("a", "", "its upload is not completed")
	r.restart()
	u := r.store.(Uploader)
	r.lose(1)
	info, err := u.CompleteUpload(background, "a", upload.ID, parts, erasure.Condition{}, false)
	must(err, "completing an upload")
	whole := slices.Concat(bodies[2], bodies[3], bodies[7])
	if want := etagOf([][]byte{bodies[2], bodies[3], bodies[7]}); info.ETag != want || info.Size != int64(len(whole)) || len(info.Parts) != 3 || info.Metadata["k"] != "a" {
		failf("completed, it is %+v, and must have ETag %s", info, want)
	}
	r.has("a", "", whole, "completed")
	r.giveBack(1)
	r.heal()
	losses(r, g, 2, func(drives []int) {
		object, err := r.store.Get(background, "a", nil)
		must(err, "drives %v are lost: opening an object of parts", drives)
		defer object.Close()
		for _, at := range []int{erasure.MinPart - 10, 2*erasure.MinPart - 9, 2*erasure.MinPart + 1, len(whole) - 20} {
			p := make([]byte, 20)
			_, err := object.ReadAt(p, int64(at))
			must(err, "drives %v are lost: reading at %d", drives, at)
			if want := whole[at : at+20]; !bytes.Equal(p, want) {
				failf("drives %v are lost: at %d, the seam of parts, what is read %s", drives, at, differs(p, want))
			}
		}
	})
	_, err = u.CompleteUpload(background, "a", upload.ID, parts, erasure.Condition{}, false)
	fails(err, erasure.ErrNotFound, "completing an upload again")
	r.delete("a", nil)
	r.leavesNothing("a")
}

func uploadRefused(t *trial) {
	r := t.rack(geometry{2, 1}, func(o *erasure.Options) { o.BlockSize = 1 << 20 })
	u := r.store.(Uploader)
	bodies := map[int][]byte{1: body(1, erasure.MinPart-1), 2: body(2, erasure.MinPart), 3: body(3, 10)}
	upload, p := r.uploading("a", bodies, 1, 2, 3)
	wrong := p[1]
	wrong.ETag = p[0].ETag
	for what, parts := range map[string][]erasure.Part{
		"parts that descend":         {p[2], p[1]},
		"a part twice":               {p[1], p[1]},
		"a part that is too small":   {p[0], p[1]},
		"a part nobody put":          {p[1], {Number: 9, ETag: p[1].ETag}},
		"a part with another's ETag": {wrong, p[2]},
		"no parts":                   {},
	} {
		_, err := u.CompleteUpload(background, "a", upload.ID, parts, erasure.Condition{}, false)
		fails(err, erasure.ErrUpload, "completing with %s", what)
		r.hasNot("a", "", "completing with %s has failed", what)
	}
	for _, n := range []int{0, -1, 10001} {
		if _, err := u.PutPart(background, "a", upload.ID, n, bytes.NewReader(nil), 0); err == nil {
			failf("there may be a part number %d", n)
		}
	}
	_, err := u.PutPart(background, "a", upload.ID, 2, bytes.NewReader(body(1, 5)), 6)
	fails(err, erasure.ErrSize, "a part shorter than promised")
	_, err = u.PutPart(background, "b", upload.ID, 1, bytes.NewReader(nil), 0)
	fails(err, erasure.ErrNotFound, "a part of another object's upload")
	for _, id := range []string{"", "..", "../a", "nothing", "0123456789abcdef0123456789abcdef"} {
		_, err = u.PutPart(background, "a", id, 1, bytes.NewReader(nil), 0)
		fails(err, erasure.ErrNotFound, "a part of an upload %q", id)
	}
	r.put("a", body(4, 10), nil)
	_, err = u.CompleteUpload(background, "a", upload.ID, p[1:], erasure.Condition{IfNoneMatch: "*"}, false)
	fails(err, erasure.ErrPrecondition, "completing where nothing must be there")
	_, err = u.CompleteUpload(background, "a", upload.ID, p[1:], erasure.Condition{}, false)
	must(err, "completing at last")
	r.has("a", "", slices.Concat(bodies[2], bodies[3]), "completed without part 1")
	r.leavesNothing()
}

func uploadAbort(t *trial) {
	r := t.rack(geometry{2, 2})
	u := r.store.(Uploader)
	before := r.disk.Used()
	upload, parts := r.uploading("a", map[int][]byte{1: body(1, 3*testBlock)}, 1)
	r.lose(2)
	must(u.AbortUpload(background, "a", upload.ID), "aborting an upload")
	r.giveBack(2)
	_, err := u.CompleteUpload(background, "a", upload.ID, parts, erasure.Condition{}, false)
	fails(err, erasure.ErrNotFound, "completing an upload that was aborted")
	_, err = u.PutPart(background, "a", upload.ID, 1, bytes.NewReader(nil), 0)
	fails(err, erasure.ErrNotFound, "a part of an upload that was aborted")
	r.hasNot("a", "", "its upload was aborted")
	r.heal()
	if after := r.disk.Used(); after > before {
		failf("an upload that was aborted has left %d bytes, after healing:\n%s", after-before, r.disk.Dump())
	}
}

func uploadRace(t *trial) {
	for round := range 10 {
		r := t.rack(geometry{2, 2}, func(o *erasure.Options) { o.Serial = false })
		u := r.store.(Uploader)
		b := body(round, 2*testBlock)
		upload, parts := r.uploading("a", map[int][]byte{1: b}, 1)
		var both sync.WaitGroup
		var aborted, completed error
		both.Go(func() { aborted = u.AbortUpload(background, "a", upload.ID) })
		both.Go(func() {
			_, completed = u.CompleteUpload(background, "a", upload.ID, parts, erasure.Condition{}, false)
		})
		both.Wait()
		switch {
		case completed == nil:
			r.has("a", "", b, "completed, with an abort at once (%v)", aborted)
		case errors.Is(completed, erasure.ErrNotFound):
			must(aborted, "the complete was late, and so is the abort")
			r.hasNot("a", "", "aborted before it was completed")
		default:
			failf("completing, with an abort at once: %v", completed)
		}
	}
}

func uploadLists(t *trial) {
	r := t.rack(geometry{3, 1})
	var ids []string
	for _, name := range []string{"b", "a/x", "a"} {
		upload, _ := r.uploading(name, map[int][]byte{3: body(3, 10), 1: body(1, 5000), 2: nil}, 3, 1, 2)
		ids = append(ids, upload.ID)
	}
	r.restart()
	u := r.store.(Uploader)
	uploads, err := u.ListUploads(background, "")
	must(err, "listing uploads")
	var got []string
	for _, u := range uploads {
		got = append(got, u.Name)
	}
	if strings.Join(got, " ") != "a a/x b" {
		failf("uploads of b, a/x and a are listed as %q", got)
	}
	if uploads, err = u.ListUploads(background, "a/"); err != nil || len(uploads) != 1 || uploads[0].ID != ids[1] {
		failf("uploads of a/ are listed as %+v, error %v", uploads, err)
	}
	for after := range 4 {
		for most := 1; most <= 3; most++ {
			upload, parts, err := u.ListParts(background, "a", ids[2], after, most)
			must(err, "listing parts")
			if len(parts) != min(most, 3-after) || upload.Metadata["k"] != "a" {
				failf("%d parts behind part %d of 3, at most %d, are listed of %+v", len(parts), after, most, upload)
			}
			for i, p := range parts {
				if p.Number != after+1+i {
					failf("part %d is listed where part %d must be", p.Number, after+1+i)
				}
			}
		}
	}
	if l, ok := r.store.(Lister); ok {
		lists(l, nil, erasure.ListOptions{})
	}
}
