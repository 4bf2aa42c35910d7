// Package memstore is an s3api.Store of a few maps: what a test wants, and the
// shortest text on what a Store does. It forgets everything with the process.
package memstore

import (
	"bytes"
	"cmp"
	"context"
	"crypto/md5"
	"encoding/hex"
	"fmt"
	"io"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/flagship-go/flagship/examples/objectstore/s3api"
)

// Store is a Store in memory. The zero value is empty, and ready.
type Store struct {
	// Now dates objects; nil: time.Now.
	Now func() time.Time
	// MinPart is the smallest part that is not the last, in bytes.
	MinPart int64

	mu      sync.Mutex
	buckets map[string]*bucket
	number  int // of versions and uploads
}

type bucket struct {
	info    s3api.Bucket
	objects map[string][]*version // the newest last
	uploads map[string]*upload
}

type version struct {
	s3api.Object
	body []byte
}

type upload struct {
	s3api.Upload
	options s3api.PutOptions
	parts   map[int]*part
}

type part struct {
	s3api.Part
	body []byte
}

// nullVersion is the ID of the one version that is not versioned.
const nullVersion = "null"

func (s *Store) now() time.Time {
	if s.Now != nil {
		return s.Now()
	}
	return time.Now()
}

func (s *Store) id() string {
	s.number++
	return fmt.Sprintf("%08d", s.number)
}

func (s *Store) bucket(name string) (*bucket, error) {
	if b := s.buckets[name]; b != nil {
		return b, nil
	}
	return nil, s3api.NoSuchBucket
}

// Buckets is of s3api.Store, as are all other methods.
func (s *Store) Buckets(context.Context) (list []s3api.Bucket, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, name := range slices.Sorted(maps.Keys(s.buckets)) {
		list = append(list, s.buckets[name].info)
	}
	return list, nil
}

func (s *Store) CreateBucket(_ context.Context, name string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.buckets == nil {
		s.buckets = map[string]*bucket{}
	}
	if s.buckets[name] != nil {
		return s3api.BucketAlreadyOwnedByYou
	}
	s.buckets[name] = &bucket{s3api.Bucket{Name: name, Created: s.now()}, map[string][]*version{}, map[string]*upload{}}
	return nil
}

func (s *Store) Bucket(_ context.Context, name string) (s3api.Bucket, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	b, err := s.bucket(name)
	if err != nil {
		return s3api.Bucket{}, err
	}
	return b.info, nil
}

func (s *Store) DeleteBucket(_ context.Context, name string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	b, err := s.bucket(name)
	if err != nil {
		return err
	}
	if len(b.objects) > 0 {
		return s3api.BucketNotEmpty
	}
	delete(s.buckets, name)
	return nil
}

func (s *Store) SetVersioning(_ context.Context, name string, v s3api.Versioning) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	b, err := s.bucket(name)
	if err != nil {
		return err
	}
	b.info.Versioning = v
	return nil
}

func (s *Store) Put(_ context.Context, bucket, key string, body io.Reader, size int64, o s3api.PutOptions) (s3api.Object, error) {
	s.mu.Lock()
	_, err := s.bucket(bucket)
	s.mu.Unlock()
	if err != nil {
		return s3api.Object{}, err
	}
	data, err := readAll(body, size)
	if err != nil {
		return s3api.Object{}, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.put(bucket, key, version{body: data, Object: s3api.Object{ETag: etag(data)}}, o)
}

// readAll reads a body of just that size.
func readAll(body io.Reader, size int64) ([]byte, error) {
	data, err := io.ReadAll(body)
	if err == nil && int64(len(data)) != size {
		err = s3api.IncompleteBody
	}
	return data, err
}

func etag(data []byte) string {
	sum := md5.Sum(data)
	return hex.EncodeToString(sum[:])
}

// put makes v the current version, if the condition holds.
func (s *Store) put(bucket, key string, v version, o s3api.PutOptions) (s3api.Object, error) {
	b, err := s.bucket(bucket)
	if err != nil {
		return s3api.Object{}, err
	}
	if err := check(b.current(key), o.Condition); err != nil {
		return s3api.Object{}, err
	}
	v.Key, v.Size, v.Modified, v.Metadata, v.Class = key, int64(len(v.body)), s.now(), o.Metadata, o.Class
	s.add(b, &v)
	return b.shown(&v), nil
}

func check(current *version, c s3api.Condition) error {
	exists := current != nil && !current.DeleteMarker
	switch {
	case c.IfMatch != "" && !exists:
		return s3api.NoSuchKey
	case c.IfMatch != "" && c.IfMatch != "*" && c.IfMatch != current.ETag,
		c.IfNoneMatch == "*" && exists,
		c.IfNoneMatch != "" && exists && c.IfNoneMatch == current.ETag:
		return s3api.PreconditionFailed
	}
	return nil
}

// add puts a version, or a delete marker, on top. Without versioning it takes
// the place of the one that was stored without.
func (s *Store) add(b *bucket, v *version) {
	if b.info.Versioning == s3api.Enabled {
		v.VersionID = s.id()
	} else {
		b.remove(v.Key, nullVersion)
	}
	b.objects[v.Key] = append(b.objects[v.Key], v)
}

func (b *bucket) current(key string) *version {
	if versions := b.objects[key]; len(versions) > 0 {
		return versions[len(versions)-1]
	}
	return nil
}

// shown is the version as it is told of: "" is the null version's ID only as long
// as there are no others.
func (b *bucket) shown(v *version) s3api.Object {
	o := v.Object
	if o.VersionID == "" && b.info.Versioning != s3api.Unversioned {
		o.VersionID = nullVersion
	}
	o.Latest = b.current(o.Key) == v
	return o
}

func (b *bucket) find(key, id string) *version {
	if id == "" {
		return b.current(key)
	}
	for _, v := range b.objects[key] {
		if cmp.Or(v.VersionID, nullVersion) == id {
			return v
		}
	}
	return nil
}

func (b *bucket) remove(key, id string) {
	b.objects[key] = slices.DeleteFunc(b.objects[key], func(v *version) bool { return cmp.Or(v.VersionID, nullVersion) == id })
	if len(b.objects[key]) == 0 {
		delete(b.objects, key)
	}
}

type content struct{ *bytes.Reader }

func (content) Close() error { return nil }

func (s *Store) Get(_ context.Context, bucket, key, id string) (s3api.Object, s3api.Content, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	b, err := s.bucket(bucket)
	if err != nil {
		return s3api.Object{}, nil, err
	}
	v := b.find(key, id)
	switch {
	case v == nil && id != "":
		return s3api.Object{}, nil, s3api.NoSuchVersion
	case v == nil:
		return s3api.Object{}, nil, s3api.NoSuchKey
	case v.DeleteMarker:
		return b.shown(v), nil, nil
	}
	return b.shown(v), content{bytes.NewReader(v.body)}, nil
}

func (s *Store) Stat(ctx context.Context, bucket, key, id string) (s3api.Object, error) {
	o, _, err := s.Get(ctx, bucket, key, id)
	return o, err
}

func (s *Store) Delete(_ context.Context, bucket, key, id string, c s3api.Condition) (s3api.Object, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	b, err := s.bucket(bucket)
	if err == nil {
		err = check(b.current(key), c)
	}
	if err != nil {
		return s3api.Object{}, err
	}
	if id == "" && b.info.Versioning != s3api.Unversioned {
		marker := &version{Object: s3api.Object{Key: key, DeleteMarker: true, Modified: s.now()}}
		s.add(b, marker)
		return b.shown(marker), nil
	}
	v := b.find(key, cmp.Or(id, nullVersion))
	if v == nil {
		return s3api.Object{}, nil
	}
	o := b.shown(v)
	b.remove(key, cmp.Or(id, nullVersion))
	return o, nil
}
