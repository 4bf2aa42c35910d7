package main

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/flagship-go/flagship/erasure"
	"github.com/flagship-go/flagship/erasure/erasuretest"
	"github.com/flagship-go/flagship/examples/objectstore/s3api"
	"github.com/flagship-go/flagship/examples/objectstore/s3api/memstore"
	"github.com/stretchr/testify/require"
)

var runs = flag.Int("runs", 20, "how many seeds TestStoreIsTheModel tries")

// newObjects opens a store of 4 drives in memory.
func newObjects(t *testing.T, fs *erasuretest.MemFS) *objects {
	return newObjectsOn(t, fs, func(d erasure.Drive) erasure.Drive { return d })
}

func newObjectsOn(t *testing.T, fs *erasuretest.MemFS, wrap func(erasure.Drive) erasure.Drive) *objects {
	t.Helper()
	var drives []erasure.Drive
	for i := range 4 {
		d, err := erasure.OpenDirFS(fs, fmt.Sprintf("drive%d", i))
		require.NoError(t, err)
		drives = append(drives, wrap(d))
	}
	store, err := erasure.Open(drives, &erasure.Options{Serial: true})
	require.NoError(t, err)
	t.Cleanup(func() { store.Close() })
	o, err := openObjects(t.Context(), store)
	require.NoError(t, err)
	return o
}

// side is a store and what has been seen of it: version and upload IDs differ
// between two stores, so they are compared by when they were first seen.
type side struct {
	s3api.Store
	ids map[string]int
}

func (s *side) number(id string) string {
	if id == "" || id == nullVersion {
		return cmp.Or(id, "none")
	}
	if _, ok := s.ids[id]; !ok {
		s.ids[id] = len(s.ids)
	}
	return fmt.Sprint(s.ids[id])
}

// id is the way back.
func (s *side) id(number string) string {
	for id, n := range s.ids {
		if fmt.Sprint(n) == number {
			return id
		}
	}
	return number
}

func (s *side) object(o s3api.Object) string {
	if o.DeleteMarker { // what else they say is nobody's business
		return fmt.Sprintf("%s@%s marker latest=%t", o.Key, s.number(o.VersionID), o.Latest)
	}
	return fmt.Sprintf("%s@%s %d bytes %s %v parts=%v", o.Key, s.number(o.VersionID), o.Size, o.ETag, o.Metadata, o.Parts)
}

func (s *side) page(p s3api.Page) string {
	var b strings.Builder
	for _, o := range p.Objects {
		fmt.Fprintf(&b, "%s latest=%t; ", s.object(o), o.Latest)
	}
	return fmt.Sprintf("%s%q more=%t", &b, p.Prefixes, p.More)
}

func code(err error) string {
	var c s3api.Code
	switch {
	case err == nil:
		return "ok"
	case errors.As(err, &c):
		return string(c)
	}
	return "no code: " + err.Error()
}

// step is an operation: what it is called, and what it does to a store.
type step struct {
	name string
	do   func(ctx context.Context, s *side) string
}

func pick[T any](r *rand.Rand, of ...T) T { return of[r.IntN(len(of))] }

// randomStep draws an operation on few buckets and keys, so that they meet.
func randomStep(r *rand.Rand) step {
	bucket, key := pick(r, "pets", "pets", "pets", "cats"), pick(r, "a", "a", "a/b", "a-b", "b/c", "ü")
	body := strings.Repeat(pick(r, "x", "y"), r.IntN(3))
	version := pick(r, "", "", "null", "0", "1", "2", "3", "99")
	condition := pick(r, s3api.Condition{}, s3api.Condition{}, s3api.Condition{IfNoneMatch: "*"}, s3api.Condition{IfMatch: "*"}, s3api.Condition{IfMatch: "9dd4e461268c8034f5c8564e155c67a6"})
	list := s3api.ListOptions{Prefix: pick(r, "", "a", "a/", "x"), Delimiter: pick(r, "", "/"), Max: 1 + r.IntN(3), After: pick(r, "", "", "a", "a/", "b")}
	put := s3api.PutOptions{Metadata: map[string]string{"x-amz-meta-a": body}, Condition: condition}
	switch r.IntN(13) {
	case 0:
		return step{"create " + bucket, func(ctx context.Context, s *side) string { return code(s.CreateBucket(ctx, bucket)) }}
	case 1:
		return step{"remove " + bucket, func(ctx context.Context, s *side) string { return code(s.DeleteBucket(ctx, bucket)) }}
	case 2:
		v := pick(r, s3api.Enabled, s3api.Enabled, s3api.Suspended)
		return step{fmt.Sprint("versioning ", bucket, v), func(ctx context.Context, s *side) string { return code(s.SetVersioning(ctx, bucket, v)) }}
	case 3, 4, 5:
		return step{fmt.Sprintf("put %s/%s %q %+v", bucket, key, body, condition), func(ctx context.Context, s *side) string {
			o, err := s.Put(ctx, bucket, key, strings.NewReader(body), int64(len(body)), put)
			return code(err) + " " + s.number(o.VersionID) + " " + o.ETag
		}}
	case 6, 7:
		return step{fmt.Sprintf("delete %s/%s@%s %+v", bucket, key, version, condition), func(ctx context.Context, s *side) string {
			o, err := s.Delete(ctx, bucket, key, s.id(version), condition)
			if !o.DeleteMarker { // what was removed, if anything, is not told
				return code(err)
			}
			return code(err) + " marker " + s.number(o.VersionID)
		}}
	case 8:
		return step{fmt.Sprintf("get %s/%s@%s", bucket, key, version), func(ctx context.Context, s *side) string { return s.get(ctx, bucket, key, s.id(version)) }}
	case 9:
		return step{fmt.Sprintf("list %s %+v", bucket, list), func(ctx context.Context, s *side) string {
			p, err := s.List(ctx, bucket, list)
			return code(err) + " " + s.page(p)
		}}
	case 10:
		return step{fmt.Sprintf("versions %s %+v", bucket, list), func(ctx context.Context, s *side) string { return s.versions(ctx, bucket, list) }}
	default:
		return step{fmt.Sprintf("upload %s/%s %q %+v", bucket, key, body, condition), func(ctx context.Context, s *side) string { return s.upload(ctx, bucket, key, body, put) }}
	}
}

func (s *side) get(ctx context.Context, bucket, key, version string) string {
	o, content, err := s.Get(ctx, bucket, key, version)
	if err != nil || o.DeleteMarker {
		return code(err) + " " + s.number(o.VersionID)
	}
	defer content.Close()
	body, err := io.ReadAll(content)
	return fmt.Sprintf("%s %s %q", code(err), s.object(o), body)
}

// versions walks all pages.
func (s *side) versions(ctx context.Context, bucket string, l s3api.ListOptions) string {
	var b strings.Builder
	for range 50 {
		p, err := s.ListVersions(ctx, bucket, l)
		fmt.Fprintln(&b, code(err), s.page(p))
		if !p.More {
			break
		}
		l.After, l.AfterVersion = p.Next, p.NextVersion
	}
	return b.String()
}

// upload uploads two parts, of which the first is too small if it is not the
// last, and completes one.
func (s *side) upload(ctx context.Context, bucket, key, body string, o s3api.PutOptions) string {
	id, err := s.NewUpload(ctx, bucket, key, s3api.PutOptions{Metadata: o.Metadata})
	if err != nil {
		return code(err)
	}
	var parts []s3api.Part
	for n := 2; n <= 3; n++ {
		p, err := s.PutPart(ctx, bucket, key, id, n, strings.NewReader(body+"+"), int64(len(body))+1)
		if err != nil {
			return code(err)
		}
		parts = append(parts, p)
	}
	uploads, err := s.Uploads(ctx, bucket, key)
	out := fmt.Sprintf("%s %d uploads", code(err), len(uploads))
	_, list, more, err := s.Parts(ctx, bucket, key, id, 1, 1)
	out += fmt.Sprintf("; %s %d %s %t", code(err), list[0].Number, list[0].ETag, more)
	_, err = s.CompleteUpload(ctx, bucket, key, id, parts, s3api.Condition{})
	out += "; " + code(err)
	_, err = s.CompleteUpload(ctx, bucket, key, id, []s3api.Part{{Number: 7, ETag: "x"}}, s3api.Condition{})
	out += "; " + code(err)
	done, err := s.CompleteUpload(ctx, bucket, key, id, parts[:1], o.Condition)
	out += fmt.Sprint("; ", code(err), " ", s.object(done))
	return out + "; " + code(s.AbortUpload(ctx, bucket, key, id))
}

// The store is what its model in memory is, step by step.
func TestStoreIsTheModel(t *testing.T) {
	for seed := range uint64(*runs) {
		r := rand.New(rand.NewPCG(seed, 1))
		now := time.Now()
		model := &side{&memstore.Store{MinPart: erasure.MinPart, Now: func() time.Time { now = now.Add(time.Second); return now }}, map[string]int{}}
		fs := erasuretest.NewMemFS()
		store := &side{newObjects(t, fs), map[string]int{}}
		var story []string
		for i := range 60 {
			x := randomStep(r)
			if i == 0 {
				x = step{"create pets", func(ctx context.Context, s *side) string { return code(s.CreateBucket(ctx, "pets")) }}
			}
			want, got := x.do(t.Context(), model), x.do(t.Context(), store)
			story = append(story, x.name+": "+want)
			rule(t, "F6", got == want, "seed %d:\n%s\nthe store says %s", seed, strings.Join(story, "\n"), got)
		}
		// And so it is when it is opened again.
		require.NoError(t, store.Store.(*objects).store.Close())
		again := &side{newObjects(t, fs), store.ids}
		for _, bucket := range []string{"pets", "cats"} {
			l := s3api.ListOptions{Max: 100}
			want, got := model.versions(t.Context(), bucket, l), again.versions(t.Context(), bucket, l)
			rule(t, "F3", got == want, "seed %d, opened again:\n%s\nthe model says\n%s", seed, got, want)
		}
	}
}

// pausing is a body that waits in its middle.
type pausing struct {
	io.Reader
	reached, goOn chan struct{}
}

func (p *pausing) Read(b []byte) (int, error) {
	if p.reached != nil {
		close(p.reached)
		p.reached = nil
		<-p.goOn
	}
	return p.Reader.Read(b)
}

func TestBucketIsNotRemovedUnderAWriter(t *testing.T) {
	o := newObjects(t, erasuretest.NewMemFS())
	ctx := t.Context()
	require.NoError(t, o.CreateBucket(ctx, "pets"))
	body := &pausing{strings.NewReader("meow"), make(chan struct{}), make(chan struct{})}
	reached, done := body.reached, make(chan error)
	go func() {
		_, err := o.Put(ctx, "pets", "tom", body, 4, s3api.PutOptions{})
		done <- err
	}()
	<-reached
	got := code(o.DeleteBucket(ctx, "pets"))
	close(body.goOn)
	err := <-done
	rule(t, "F5", got == "OperationAborted" && err == nil, "the bucket is removed (%s) while somebody writes into it (%v)", got, err)
	rule(t, "F5", code(o.DeleteBucket(ctx, "pets")) == "BucketNotEmpty", "a bucket with an object is removed")
	_, err = o.Delete(ctx, "pets", "tom", "", s3api.Condition{})
	require.NoError(t, err)
	id, err := o.NewUpload(ctx, "pets", "left", s3api.PutOptions{})
	require.NoError(t, err)
	require.NoError(t, o.DeleteBucket(ctx, "pets"))
	require.NoError(t, o.CreateBucket(ctx, "pets"))
	_, err = o.PutPart(ctx, "pets", "left", id, 1, strings.NewReader(""), 0)
	rule(t, "F5", code(err) == "NoSuchUpload", "an upload outlives its bucket: %v", err)
}

func TestBucketOfDeleteMarkersIsNotEmpty(t *testing.T) {
	o := newObjects(t, erasuretest.NewMemFS())
	ctx := t.Context()
	require.NoError(t, o.CreateBucket(ctx, "pets"))
	require.NoError(t, o.SetVersioning(ctx, "pets", s3api.Enabled))
	marker, err := o.Delete(ctx, "pets", "tom", "", s3api.Condition{})
	require.NoError(t, err)
	rule(t, "F5", code(o.DeleteBucket(ctx, "pets")) == "BucketNotEmpty", "a bucket with a delete marker is removed")
	_, err = o.Delete(ctx, "pets", "tom", marker.VersionID, s3api.Condition{})
	require.NoError(t, err)
	require.NoError(t, o.DeleteBucket(ctx, "pets"))
}

// Names that no drive can have are those of objects that are not there.
func TestNamesThatCannotBe(t *testing.T) {
	o := newObjects(t, erasuretest.NewMemFS())
	ctx := t.Context()
	require.NoError(t, o.CreateBucket(ctx, "pets"))
	for _, key := range []string{"..", "../cats/x", "a/../b", "/", "/a", "a/", "a//b", ".", "x\ny", strings.Repeat("k", 300)} {
		_, err := o.Put(ctx, "pets", key, strings.NewReader(""), 0, s3api.PutOptions{})
		rule(t, "F6", code(err) == "InvalidObjectName", "put of %q: %v", key, err)
		_, err = o.Stat(ctx, "pets", key, "")
		rule(t, "F6", code(err) == "NoSuchKey", "stat of %q: %v", key, err)
		_, err = o.Delete(ctx, "pets", key, "", s3api.Condition{})
		rule(t, "F6", err == nil, "delete of %q: %v", key, err)
	}
	_, err := o.Put(ctx, "pets", "a", strings.NewReader(""), 0, s3api.PutOptions{Class: "GLACIER"})
	rule(t, "F6", code(err) == "InvalidStorageClass", "%v", err)
	_, err = o.Put(ctx, "pets", "a", bytes.NewReader(nil), 1, s3api.PutOptions{})
	rule(t, "F6", code(err) == "IncompleteBody", "%v", err)
	buckets, err := o.Buckets(ctx)
	require.NoError(t, err)
	require.Equal(t, []string{"pets"}, slices.Collect(func(yield func(string) bool) {
		for _, b := range buckets {
			yield(b.Name)
		}
	}))
}

// mute is a drive that does what it is told with records of buckets, and does not say
// so: the store cannot know the outcome. What it is told to undo it does not do.
type mute struct {
	erasure.Drive
	on, undoes *bool
}

var errMute = errors.New("the answer got lost")

func (d mute) Commit(ctx context.Context, moves ...erasure.Move) error {
	err := d.Drive.Commit(ctx, moves...)
	if *d.on && strings.Contains(moves[len(moves)-1].To, bucketsPrefix) {
		err = errMute
	}
	return err
}

func (d mute) Remove(ctx context.Context, paths ...string) error {
	if !*d.on || !strings.Contains(paths[0], bucketsPrefix) {
		return d.Drive.Remove(ctx, paths...)
	}
	if *d.undoes {
		d.Drive.Remove(ctx, paths...)
	}
	return errMute
}

// A bucket that may be gone takes no objects: they would be gone after a restart.
func TestBucketThatMayBeGoneTakesNoObjects(t *testing.T) {
	ctx, fs := t.Context(), erasuretest.NewMemFS()
	on, undoes := false, true
	o := newObjectsOn(t, fs, func(d erasure.Drive) erasure.Drive { return mute{d, &on, &undoes} })
	require.NoError(t, o.CreateBucket(ctx, "pets"))
	on = true
	require.Equal(t, "ServiceUnavailable", code(o.DeleteBucket(ctx, "pets")))
	on = false
	_, put := o.Put(ctx, "pets", "tom", strings.NewReader("cat"), 3, s3api.PutOptions{})
	restarted, err := openObjects(ctx, o.store)
	require.NoError(t, err)
	_, got := restarted.Stat(ctx, "pets", "tom", "")
	rule(t, "F5", code(put) == "NoSuchBucket", "the bucket may be gone, and takes an object, of which is left: %v", got)
	require.NoError(t, o.CreateBucket(ctx, "pets"))
}

// A bucket that may have been made can be made.
func TestBucketThatMayBeThereCanBeMade(t *testing.T) {
	ctx, fs := t.Context(), erasuretest.NewMemFS()
	on, undoes := true, false
	o := newObjectsOn(t, fs, func(d erasure.Drive) erasure.Drive { return mute{d, &on, &undoes} })
	require.Equal(t, "ServiceUnavailable", code(o.CreateBucket(ctx, "pets")))
	on = false
	got := code(o.CreateBucket(ctx, "pets"))
	rule(t, "F6", got == "ok", "a bucket that may be there cannot be made: %s", got)
	_, err := o.Put(ctx, "pets", "tom", strings.NewReader("cat"), 3, s3api.PutOptions{})
	require.NoError(t, err)
	o, err = openObjects(ctx, o.store)
	require.NoError(t, err)
	_, err = o.Stat(ctx, "pets", "tom", "")
	require.NoError(t, err)
}
