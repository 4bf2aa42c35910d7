package erasure

import (
	"bytes"
	"context"
	"crypto/md5"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/flagship-go/flagship/internal/vfs"
)

// newUploads is a cabinet with blocks of 1 MiB, as parts have 5.
func newUploads(t *testing.T, drives, parity int) *cabinet {
	r := newCabinet(t, drives, parity)
	r.o.BlockSize, r.o.InlineLimit = 1<<20, 16
	r.reopen()
	return r
}

func (r *cabinet) upload(name string, bodies ...[]byte) (Upload, []Part) {
	r.Helper()
	u, err := r.NewUpload(r.Context(), name, &PutOptions{Metadata: map[string]string{"k": "v"}})
	require.NoError(r, err)
	var parts []Part
	for i, body := range bodies {
		parts = append(parts, r.putPart(u, i+1, body))
	}
	return u, parts
}

func (r *cabinet) putPart(u Upload, number int, body []byte) Part {
	r.Helper()
	p, err := r.PutPart(r.Context(), u.Name, u.ID, number, bytes.NewReader(body), int64(len(body)))
	require.NoError(r, err)
	return p
}

func (r *cabinet) complete(u Upload, parts []Part) (Info, error) {
	return r.CompleteUpload(r.Context(), u.Name, u.ID, parts, Condition{}, false)
}

// underUploads are the files of uploads on a drive.
func (r *cabinet) underUploads(place int) (files []string) {
	for path := range r.contents(place) {
		if strings.HasPrefix(path, uploadsDir+"/") || strings.HasPrefix(path, tmpDir+"/") {
			files = append(files, path)
		}
	}
	return files
}

func big(seed byte) []byte { return bytes.Repeat([]byte{seed, seed + 1, 7}, MinPart/3+1) }

func TestPartsBecomeAnObject(t *testing.T) {
	r := newUploads(t, 4, 2)
	first, second, last := big(1), big(2), []byte("the end")
	u, err := r.NewUpload(t.Context(), "a/b", &PutOptions{Metadata: map[string]string{"k": "v"}})
	require.NoError(t, err)
	// In any order, with one that is replaced and one that is not used.
	p3 := r.putPart(u, 3, last)
	r.putPart(u, 1, big(9))
	r.putPart(u, 10000, []byte("unused"))
	p2 := r.putPart(u, 2, second)
	p1 := r.putPart(u, 1, first)
	require.Equal(t, fmt.Sprintf("%x", md5.Sum(first)), p1.ETag)
	_, err = r.read("a/b", "")
	require.ErrorIs(t, err, ErrNotFound)

	got, parts, err := r.ListParts(t.Context(), "a/b", u.ID, 0, 0)
	require.NoError(t, err)
	require.Equal(t, u, got)
	require.Len(t, parts, 4)
	require.Equal(t, []Part{p1, p2, p3}, parts[:3])
	_, parts, err = r.ListParts(t.Context(), "a/b", u.ID, 1, 1)
	require.NoError(t, err)
	require.Equal(t, []Part{p2}, parts)

	info, err := r.complete(u, []Part{{Number: 1, ETag: `"` + p1.ETag + `"`}, {Number: 2, ETag: p2.ETag}, {Number: 3, ETag: p3.ETag}})
	require.NoError(t, err)
	sums := md5.New()
	for _, b := range [][]byte{first, second, last} {
		sum := md5.Sum(b)
		sums.Write(sum[:])
	}
	require.Equal(t, fmt.Sprintf("%x-3", sums.Sum(nil)), info.ETag, "RULE multipart: the ETag of ETags")
	require.Equal(t, map[string]string{"k": "v"}, info.Metadata)
	require.Equal(t, []Part{p1, p2, p3}, info.Parts)
	whole := append(append(bytes.Clone(first), second...), last...)
	body, err := r.read("a/b", "")
	require.NoError(t, err, "RULE E1: the parts")
	require.True(t, bytes.Equal(whole, body), "RULE E1: the parts, in order")
	stat, err := r.Stat(t.Context(), "a/b", nil)
	require.NoError(t, err)
	require.Equal(t, info, stat)
	for i := range 4 {
		require.Empty(t, r.underUploads(i), "RULE multipart: nothing is left of the upload")
	}

	// It is read over part edges, and healed, like any other.
	obj, err := r.Get(t.Context(), "a/b", nil)
	require.NoError(t, err)
	edge := make([]byte, 17)
	_, err = obj.ReadAt(edge, int64(len(first)+len(second)-10))
	require.NoError(t, err)
	require.Equal(t, whole[len(first)+len(second)-10:][:17], edge)
	require.NoError(t, obj.Close())
	before := r.allContents()
	for _, f := range r.files(1, "a/b") {
		r.lose(1, "a/b", f)
	}
	for _, f := range r.files(2, "a/b") {
		if strings.HasSuffix(f, ".2") {
			r.flip(2, "a/b", f, 1000)
		}
	}
	require.Equal(t, 2, r.heal(&HealOptions{Deep: true}).Healed)
	require.Equal(t, before, r.allContents(), "RULE E13: parts are healed")
}

func TestAnUploadThatIsNotRightGoesOn(t *testing.T) {
	r := newUploads(t, 4, 2)
	u, p := r.upload("a", big(1), []byte("small"), big(3))
	other, _ := r.upload("b", []byte("x"))
	for what, parts := range map[string][]Part{
		"none": {}, "order": {p[2], p[0]}, "twice": {p[0], p[0]}, "zero": {{Number: 0, ETag: p[0].ETag}},
		"unknown": {p[0], {Number: 7, ETag: p[0].ETag}}, "etag": {{Number: 1, ETag: p[2].ETag}}, "small": {p[0], p[1], p[2]},
	} {
		_, err := r.complete(u, parts)
		require.ErrorIs(t, err, ErrUpload, "RULE multipart: %s", what)
	}
	for _, n := range []int{0, -1, 10001} {
		_, err := r.PutPart(t.Context(), "a", u.ID, n, strings.NewReader(""), 0)
		require.ErrorIs(t, err, ErrUpload)
	}
	_, err := r.PutPart(t.Context(), "a", u.ID, 2, strings.NewReader("short"), 6)
	require.ErrorIs(t, err, ErrSize)
	for _, id := range []string{other.ID, "", "../x", strings.Repeat("0", 32), strings.ToUpper(u.ID)} {
		_, err = r.PutPart(t.Context(), "a", id, 1, strings.NewReader(""), 0)
		require.ErrorIs(t, err, ErrNotFound, "RULE multipart: upload %q is not one of a", id)
		_, err = r.CompleteUpload(t.Context(), "a", id, p[:1], Condition{}, false)
		require.ErrorIs(t, err, ErrNotFound, "RULE multipart: upload %q", id)
		_, _, err = r.ListParts(t.Context(), "a", id, 0, 0)
		require.ErrorIs(t, err, ErrNotFound)
		require.ErrorIs(t, r.AbortUpload(t.Context(), "a", id), ErrNotFound)
	}
	_, err = r.CompleteUpload(t.Context(), "a", u.ID, p[2:], Condition{IfMatch: "*"}, false)
	require.ErrorIs(t, err, ErrPrecondition, "RULE E11: what must be kept is not")
	info, err := r.CompleteUpload(t.Context(), "a", u.ID, []Part{p[0], p[2]}, Condition{IfNoneMatch: "*"}, true)
	require.NoError(t, err)
	require.NotEmpty(t, info.VersionID)
	_, err = r.complete(u, p[2:])
	require.ErrorIs(t, err, ErrNotFound, "it has ended")
}

func TestUploadsAreListedAndAborted(t *testing.T) {
	r := newUploads(t, 4, 2)
	u1, _ := r.upload("p/a", []byte("x"))
	u2, _ := r.upload("p/b")
	u3, _ := r.upload("p/a")
	u4, _ := r.upload("q", nil)
	r.reopen(2)
	for prefix, want := range map[string][]Upload{"": {u1, u3, u2, u4}, "p/": {u1, u3, u2}, "q": {u4}, "x": nil} {
		got, err := r.ListUploads(t.Context(), prefix)
		require.NoError(t, err)
		require.Equal(t, want, got)
	}
	require.Empty(t, r.names(ListOptions{}), "RULE multipart: an upload is no object")
	require.NoError(t, r.AbortUpload(t.Context(), "p/a", u1.ID))
	require.ErrorIs(t, r.AbortUpload(t.Context(), "p/a", u1.ID), ErrNotFound)
	_, err := r.PutPart(t.Context(), "p/a", u1.ID, 1, strings.NewReader(""), 0)
	require.ErrorIs(t, err, ErrNotFound)

	// The drive that was away brings back nothing, and gets what it lacks.
	r.putPart(u3, 7, []byte("y"))
	r.reopen()
	r.healQueued()
	got, err := r.ListUploads(t.Context(), "")
	require.NoError(t, err)
	require.Equal(t, []Upload{u3, u2, u4}, got, "RULE E5: an aborted upload is back")
	want := len(r.contents(0))
	for i := range 4 {
		require.Len(t, r.contents(i), want, "RULE E13: drive %d", i)
	}
	info, err := r.complete(u4, []Part{{Number: 1, ETag: "d41d8cd98f00b204e9800998ecf8427e"}})
	require.NoError(t, err, "one empty part")
	require.Zero(t, info.Size)
}

// TestAPartThatIsReplacedIsNotMixed: a drive was away when a part was replaced.
func TestAPartThatIsReplacedIsNotMixed(t *testing.T) {
	r := newUploads(t, 4, 2)
	u, _ := r.upload("a", big(1))
	r.reopen(1)
	p := r.putPart(u, 1, big(2))
	r.reopen()
	_, err := r.complete(u, []Part{p})
	require.NoError(t, err)
	body, err := r.read("a", "")
	require.NoError(t, err)
	require.True(t, bytes.Equal(big(2), body), "RULE E2: parts of two uploads are mixed")
	r.healQueued()
	for _, away := range [][]int{{0, 2}, {2, 3}, {0, 3}} {
		r.reopen(away...)
		body, err := r.read("a", "")
		require.NoError(t, err, "RULE E1: without drives %v", away)
		require.True(t, bytes.Equal(big(2), body), "RULE E2: what must be kept is not")
	}
	r.reopen()
}

// TestAPartOnTooFewDrivesIsHealedForTheObject: each part has missed another drive.
func TestAPartOnTooFewDrivesIsHealedForTheObject(t *testing.T) {
	r := newUploads(t, 4, 2)
	bodies := [][]byte{big(1), big(2), big(3), []byte("x")}
	u, _ := r.upload("a")
	var parts []Part
	for i, body := range bodies {
		r.reopen(i)
		parts = append(parts, r.putPart(u, i+1, body))
	}
	r.reopen()
	info, err := r.complete(u, parts)
	require.NoError(t, err, "RULE multipart: no drive has all parts, and all can be healed")
	require.LessOrEqual(t, info.Missing, 1)
	body, err := r.read("a", "")
	require.NoError(t, err)
	require.True(t, bytes.Equal(bytes.Join(bodies, nil), body))
}

// TestAbortAndCompleteDoNotBothHappen, nor does a part slip in.
func TestAbortAndCompleteDoNotBothHappen(t *testing.T) {
	for range 20 {
		r := newUploads(t, 4, 2)
		r.o.Serial = false
		r.reopen()
		u, parts := r.upload("a", []byte("x"))
		var completed, aborted, put error
		var wg sync.WaitGroup
		wg.Go(func() { _, completed = r.complete(u, parts) })
		wg.Go(func() { aborted = r.AbortUpload(context.Background(), "a", u.ID) })
		wg.Go(func() {
			_, put = r.PutPart(context.Background(), "a", u.ID, 1, strings.NewReader("y"), 1)
		})
		wg.Wait()
		ended := 0
		for _, err := range []error{completed, aborted} {
			if err == nil {
				ended++
			} else if !errors.Is(err, ErrUpload) { // another part, by then
				require.ErrorIs(t, err, ErrNotFound, "RULE multipart: it has ended")
			}
		}
		require.Equal(t, 1, ended, "RULE multipart: completed %v, aborted %v", completed, aborted)
		if put != nil {
			require.ErrorIs(t, put, ErrNotFound, "RULE multipart: it has ended")
		}
		body, err := r.read("a", "")
		if completed == nil {
			require.NoError(t, err, "RULE multipart: completed, and not there")
			require.Equal(t, "x", string(body))
		} else {
			require.ErrorIs(t, err, ErrNotFound, "RULE multipart: aborted, and there")
		}
		uploads, err := r.ListUploads(t.Context(), "")
		require.NoError(t, err)
		require.Empty(t, uploads, "RULE multipart: it has ended")
		r.Store.Close()
		for i := range 4 {
			require.Empty(t, r.underUploads(i), "RULE multipart: a part is left on drive %d", i)
		}
		r.open()
	}
}

// TestCompletingCanBeCutOffAnywhere cuts the power of all drives at each operation
// of a completion: then the object is there, whole, or the upload is.
func TestCompletingCanBeCutOffAnywhere(t *testing.T) {
	for n, done := int64(0), false; !done; n++ {
		r := newUploads(t, 4, 2)
		u, parts := r.upload("a", []byte("one part of a hundred bytes or so, so that it has shards of its own"))
		var ops int64
		for _, m := range r.disks {
			m.Inject(vfs.Fault{Err: vfs.ErrPowerCut, Sticky: true, Match: func(vfs.Op) bool { ops++; return ops > n }})
		}
		info, err := r.complete(u, parts)
		done = err == nil && ops <= n
		r.Store.Close()
		for i, m := range r.disks {
			r.disks[i] = m.CrashClone(rand.New(rand.NewPCG(uint64(n), uint64(i))))
			r.disks[i].ClearFaults()
		}
		r.open()
		obj, found := r.Get(t.Context(), "a", nil)
		if found == nil {
			b, err := io.ReadAll(obj)
			require.NoError(t, err, "RULE E4: cut off at %d", n)
			require.Len(t, b, int(parts[0].Size))
			require.NoError(t, obj.Close())
		} else {
			require.ErrorIs(t, found, ErrNotFound)
			require.Error(t, err, "RULE E1: cut off at %d after %+v", n, info)
			_, err := r.complete(u, parts)
			require.NoError(t, err, "RULE E4: cut off at %d: neither the object nor the upload is there", n)
		}
		r.heal(nil)
		uploads, err := r.ListUploads(t.Context(), "")
		require.NoError(t, err)
		require.Empty(t, uploads, "cut off at %d", n)
		for i := range 4 {
			require.Empty(t, r.underUploads(i), "RULE E13: remains of the upload, cut off at %d", n)
			require.Len(t, r.files(i, "a"), 2, "RULE E13: cut off at %d", n)
		}
		require.NoError(t, r.Store.Close())
		r.open()
	}
}

// TestACompletionCutOffOnAllDrivesLosesNoPart: the power of all drives goes when
// they have renamed the shards, and none the version file.
func TestACompletionCutOffOnAllDrivesLosesNoPart(t *testing.T) {
	for _, healed := range []bool{false, true} {
		r := newUploads(t, 4, 2)
		u, parts := r.upload("a", []byte(strings.Repeat("shards of its own ", 10)))
		for _, m := range r.disks {
			m.Inject(vfs.Fault{Kind: vfs.OpRename, Err: vfs.ErrPowerCut, Sticky: true, Match: func(op vfs.Op) bool {
				return strings.Contains(op.To, "/@") || strings.Contains(op.To, "/uploads/")
			}})
		}
		_, err := r.complete(u, parts)
		require.Error(t, err)
		r.Store.Close()
		for i, m := range r.disks {
			m.ClearFaults()
			r.disks[i] = m.KillClone()
			require.Len(t, r.files(i, "a"), 1, "the shard")
		}
		r.open()
		if healed {
			r.heal(nil)
		}
		_, err = r.complete(u, parts)
		require.NoError(t, err, "RULE multipart: a completion was cut off, and the upload has lost its parts")
		_, err = r.read("a", "")
		require.NoError(t, err)
	}
}

// uploaded makes an upload of "a" with one part, and returns what is in it and how to complete it.
func (r *shelf) uploaded(t *testing.T, versioned bool) (body []byte, complete func() error) {
	ctx := t.Context()
	body = []byte(strings.Repeat("shards of its own ", 10))
	u, err := r.NewUpload(ctx, "a", nil)
	require.NoError(t, err)
	p, err := r.PutPart(ctx, "a", u.ID, 1, bytes.NewReader(body), int64(len(body)))
	require.NoError(t, err)
	return body, func() error {
		_, err := r.CompleteUpload(ctx, "a", u.ID, []Part{p}, Condition{}, versioned)
		return err
	}
}

// TestAnUploadIsNotCompletedTwice: the answer to a completion got lost before the
// upload was removed, and when the client asks again too few drives answer to know
// that there is the object already. Its shards are the upload's: to complete it again
// would take them away.
func TestAnUploadIsNotCompletedTwice(t *testing.T) {
	r := newShelf(t, 8, &Options{Parity: 4, BlockSize: 1 << 10, InlineLimit: 16, Serial: true, ScanEvery: -1})
	body, complete := r.uploaded(t, false)
	for i, d := range r.drives {
		d.set(func(op, path string) error {
			missed := i >= 5 && op == "commit" && strings.HasPrefix(path, objectsDir)
			if missed || op == "remove" && strings.HasPrefix(path, uploadsDir) {
				return errBroken
			}
			return nil
		})
	}
	require.NoError(t, complete())
	for i, d := range r.drives {
		if d.set(nil); i < 2 {
			d.set(broken)
		}
	}
	require.ErrorIs(t, complete(), ErrReadQuorum, "RULE multipart: nobody can know whether it is complete")
	for _, d := range r.drives[:2] {
		d.set(nil)
	}
	obj, err := r.Get(t.Context(), "a", nil)
	require.NoError(t, err)
	got, err := io.ReadAll(obj)
	require.NoError(t, err, "RULE E1: the object has lost its shards to the upload")
	require.True(t, bytes.Equal(body, got))
	require.NoError(t, obj.Close())
	require.ErrorIs(t, complete(), ErrNotFound)
	require.NoError(t, r.Close())
}

// TestAnUploadThatNobodyCanJudgeLosesNoPart: its completion was cut off, and a heal
// finds the shards in the object's directory while too few drives answer to know that
// the upload goes on.
func TestAnUploadThatNobodyCanJudgeLosesNoPart(t *testing.T) {
	r := newUploads(t, 8, 4)
	r.reopen(5, 6, 7)
	u, parts := r.upload("a", []byte(strings.Repeat("shards of its own ", 10)))
	for _, m := range r.disks {
		m.Inject(vfs.Fault{Kind: vfs.OpRename, Err: vfs.ErrPowerCut, Sticky: true, Match: func(op vfs.Op) bool {
			return strings.Contains(op.To, "/@") || strings.Contains(op.To, "/uploads/")
		}})
	}
	_, err := r.complete(u, parts)
	require.Error(t, err)
	r.Store.Close()
	for i, m := range r.disks {
		m.ClearFaults()
		r.disks[i] = m.KillClone()
	}
	r.open(2, 3, 4)
	r.heal(nil)
	r.reopen()
	_, err = r.complete(u, parts)
	require.NoError(t, err, "RULE multipart: no more drives than there is parity have missed the part, and it is lost")
	_, err = r.read("a", "")
	require.NoError(t, err)
}

// TestACompletionThatFailedTakesNothingFromTheNext: it left its version on one drive,
// where it could not be taken back. The version of the next completion has the same ID,
// and so the same shards, which are not the old one's to take along when it goes.
func TestACompletionThatFailedTakesNothingFromTheNext(t *testing.T) {
	for _, versioned := range []bool{false, true} {
		for _, away := range []bool{false, true} {
			r := newShelf(t, 4, &Options{Parity: 2, BlockSize: 1 << 10, InlineLimit: 16, Serial: true, ScanEvery: -1})
			body, complete := r.uploaded(t, versioned)
			for i, d := range r.drives {
				d.set(func(op, path string) error {
					if strings.HasPrefix(path, objectsDir) && (i == 0 && op == "remove" || i > 0 && op == "commit") {
						return errBroken
					}
					return nil
				})
			}
			require.ErrorIs(t, complete(), ErrWriteQuorum)
			for i, d := range r.drives {
				if d.set(nil); i == 0 && away {
					d.set(broken)
				}
			}
			require.NoError(t, complete())
			r.drives[0].set(nil)
			whole := func(when string) {
				obj, err := r.Get(t.Context(), "a", nil)
				require.NoError(t, err, "RULE E1: %s (versioned %v, away %v)", when, versioned, away)
				got, err := io.ReadAll(obj)
				require.NoError(t, obj.Close())
				require.NoError(t, err, "RULE E1: %s the shards are gone (versioned %v, away %v)", when, versioned, away)
				require.True(t, bytes.Equal(body, got))
			}
			whole("when it is complete")
			for range 2 {
				_, err := r.Heal(t.Context(), nil, nil)
				require.NoError(t, err)
			}
			for _, d := range r.drives[2:] {
				d.set(broken)
			}
			whole("when it is healed and two drives are lost")
			require.NoError(t, r.Close())
		}
	}
}
