package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/flagship-go/flagship/erasure"
	"github.com/flagship-go/flagship/examples/objectstore/s3api"
)

// A store of package erasure has objects, not buckets. So an object's name is
//
//	pets/cats/tom.jpg       the bucket, a slash, the key
//
// and that there is a bucket is an object as well, whose name no bucket can have:
//
//	.buckets/pets           its metadata: when it was made, its versioning
//
// All of these are in memory too: the store belongs to one process.
const bucketsPrefix = ".buckets/"

// objects is package erasure as an s3api.Store.
type objects struct {
	store *erasure.Store

	mu      sync.Mutex // of what follows; not held while the store is asked
	buckets map[string]*bucket
}

type bucket struct {
	s3api.Bucket
	writers  int  // operations that may add to it
	changing bool // it is being made, changed or removed
}

const (
	createdMeta    = "created"
	versioningMeta = "versioning"
)

// openObjects reads which buckets there are.
func openObjects(ctx context.Context, store *erasure.Store) (*objects, error) {
	o := &objects{store: store, buckets: map[string]*bucket{}}
	list := erasure.ListOptions{Prefix: bucketsPrefix}
	for {
		page, err := store.List(ctx, list)
		if err != nil {
			return nil, fmt.Errorf("reading the list of buckets: %w", err)
		}
		for _, x := range page.Objects {
			info, err := store.Stat(ctx, x.Name, nil)
			if err != nil {
				return nil, fmt.Errorf("reading what is known of a bucket: %w", err)
			}
			name := strings.TrimPrefix(x.Name, bucketsPrefix)
			created, err := time.Parse(time.RFC3339Nano, info.Metadata[createdMeta])
			if err != nil {
				return nil, fmt.Errorf("reading what is known of bucket %s: %w", name, err)
			}
			o.buckets[name] = &bucket{Bucket: s3api.Bucket{Name: name, Created: created, Versioning: s3api.Versioning(info.Metadata[versioningMeta])}}
		}
		if !page.More {
			return o, nil
		}
		list.After = page.Next
	}
}

// errChanging is for two who change one bucket at a time.
var errChanging = &s3api.Failure{Code: s3api.OperationAborted, Message: "A conflicting operation is in progress on this bucket. Try again."}

func (o *objects) Buckets(context.Context) (list []s3api.Bucket, err error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for _, name := range slices.Sorted(maps.Keys(o.buckets)) {
		if b := o.buckets[name]; !b.Created.IsZero() {
			list = append(list, b.Bucket)
		}
	}
	return list, nil
}

func (o *objects) Bucket(_ context.Context, name string) (s3api.Bucket, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if b := o.buckets[name]; b != nil && !b.Created.IsZero() {
		return b.Bucket, nil
	}
	return s3api.Bucket{}, s3api.NoSuchBucket
}

// write returns the bucket for an operation that may add to it, which is over
// when done is called.
func (o *objects) write(name string) (b s3api.Bucket, done func(), err error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	x := o.buckets[name]
	switch {
	case x == nil || x.Created.IsZero():
		return b, nil, s3api.NoSuchBucket
	case x.changing:
		return b, nil, errChanging
	}
	x.writers++
	return x.Bucket, func() {
		o.mu.Lock()
		x.writers--
		o.mu.Unlock()
	}, nil
}

// change makes one bucket the caller's until it calls done with what has become
// of it; nil: it is gone.
func (o *objects) change(name string, isNew bool) (b *bucket, done func(*s3api.Bucket), err error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	x := o.buckets[name]
	switch {
	case x != nil && x.changing:
		return nil, nil, errChanging
	case x == nil && !isNew:
		return nil, nil, s3api.NoSuchBucket
	case x != nil && isNew:
		return nil, nil, s3api.BucketAlreadyOwnedByYou
	case x == nil:
		x = &bucket{Bucket: s3api.Bucket{Name: name}}
		o.buckets[name] = x
	}
	x.changing = true
	return x, func(now *s3api.Bucket) {
		o.mu.Lock()
		defer o.mu.Unlock()
		if x.changing = false; now == nil {
			delete(o.buckets, name)
		} else {
			x.Bucket = *now
		}
	}, nil
}

// record writes what is known of a bucket.
func (o *objects) record(ctx context.Context, b s3api.Bucket) error {
	_, err := o.store.Put(ctx, bucketsPrefix+b.Name, strings.NewReader(""), 0, &erasure.PutOptions{Metadata: map[string]string{
		createdMeta: b.Created.Format(time.RFC3339Nano), versioningMeta: string(b.Versioning)}})
	return err
}

func (o *objects) CreateBucket(ctx context.Context, name string) error {
	_, done, err := o.change(name, true)
	if err != nil {
		return err
	}
	b := s3api.Bucket{Name: name, Created: time.Now().UTC()}
	// A record that is there is of one whose making, or removal, nobody knows the end of.
	if err := o.record(ctx, b); err != nil {
		done(nil)
		return coded(err, s3api.NoSuchBucket)
	}
	done(&b)
	return nil
}

func (o *objects) SetVersioning(ctx context.Context, name string, v s3api.Versioning) error {
	old, done, err := o.change(name, false)
	if err != nil {
		return err
	}
	b := old.Bucket
	b.Versioning = v
	if err := o.record(ctx, b); err != nil {
		done(&old.Bucket)
		return coded(err, s3api.NoSuchBucket)
	}
	done(&b)
	return nil
}

func (o *objects) DeleteBucket(ctx context.Context, name string) error {
	old, done, err := o.change(name, false)
	if err != nil {
		return err
	}
	err = o.removeBucket(ctx, old)
	if err != nil && !errors.Is(err, erasure.ErrOutcomeUnknown) {
		done(&old.Bucket)
		return err
	}
	done(nil) // what may be gone takes no more objects, which would be gone with it
	return err
}

// removeBucket removes a bucket that nobody can add to any more, if it is empty.
func (o *objects) removeBucket(ctx context.Context, b *bucket) error {
	o.mu.Lock()
	writers := b.writers
	o.mu.Unlock()
	if writers > 0 {
		return errChanging
	}
	page, err := o.store.ListVersions(ctx, erasure.ListOptions{Prefix: b.Name + "/", Max: 1})
	if err != nil {
		return coded(err, s3api.NoSuchBucket)
	}
	if len(page.Objects) > 0 {
		return s3api.BucketNotEmpty
	}
	uploads, err := o.store.ListUploads(ctx, b.Name+"/")
	for _, u := range uploads {
		if err == nil {
			err = o.store.AbortUpload(ctx, u.Name, u.ID)
		}
	}
	if err == nil || errors.Is(err, erasure.ErrNotFound) {
		_, err = o.store.Delete(ctx, bucketsPrefix+b.Name, nil)
	}
	return coded(err, s3api.NoSuchBucket)
}
