package memstore

import (
	"cmp"
	"context"
	"crypto/md5"
	"encoding/hex"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"github.com/flagship-go/flagship/examples/objectstore/s3api"
)

func (s *Store) NewUpload(_ context.Context, bucket, key string, o s3api.PutOptions) (string, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	b, err := s.bucket(bucket)
	if err != nil {
		return "", err
	}
	u := &upload{s3api.Upload{Key: key, ID: s.id(), Started: s.now(), Class: o.Class}, o, map[int]*part{}}
	b.uploads[u.ID] = u
	return u.ID, nil
}

func (s *Store) upload(name, key, id string) (*bucket, *upload, error) {
	b, err := s.bucket(name)
	if err != nil {
		return nil, nil, err
	}
	if u := b.uploads[id]; u != nil && u.Key == key {
		return b, u, nil
	}
	return nil, nil, s3api.NoSuchUpload
}

func (s *Store) PutPart(_ context.Context, bucket, key, id string, number int, body io.Reader, size int64) (s3api.Part, error) {
	s.mu.Lock()
	_, _, err := s.upload(bucket, key, id)
	s.mu.Unlock()
	if err != nil {
		return s3api.Part{}, err
	}
	data, err := readAll(body, size)
	if err != nil {
		return s3api.Part{}, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	_, u, err := s.upload(bucket, key, id)
	if err != nil {
		return s3api.Part{}, err
	}
	p := &part{s3api.Part{Number: number, Size: size, ETag: etag(data), Modified: s.now()}, data}
	u.parts[number] = p
	return p.Part, nil
}

func (s *Store) CompleteUpload(_ context.Context, bucket, key, id string, parts []s3api.Part, c s3api.Condition) (s3api.Object, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	b, u, err := s.upload(bucket, key, id)
	if err != nil {
		return s3api.Object{}, err
	}
	var v version
	sums := md5.New()
	for i, want := range parts {
		p := u.parts[want.Number]
		switch {
		case p == nil || p.ETag != want.ETag:
			return s3api.Object{}, s3api.InvalidPart
		case i < len(parts)-1 && p.Size < s.MinPart:
			return s3api.Object{}, s3api.EntityTooSmall
		}
		sum := md5.Sum(p.body)
		sums.Write(sum[:])
		v.body = append(v.body, p.body...)
		v.Parts = append(v.Parts, p.Size)
	}
	v.ETag = fmt.Sprintf("%s-%d", hex.EncodeToString(sums.Sum(nil)), len(parts))
	o := u.options
	o.Condition = c
	done, err := s.put(bucket, key, v, o)
	if err == nil {
		delete(b.uploads, id)
	}
	return done, err
}

func (s *Store) AbortUpload(_ context.Context, bucket, key, id string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	b, _, err := s.upload(bucket, key, id)
	if err == nil {
		delete(b.uploads, id)
	}
	return err
}

func (s *Store) Parts(_ context.Context, bucket, key, id string, after, limit int) (s3api.Upload, []s3api.Part, bool, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	_, u, err := s.upload(bucket, key, id)
	if err != nil {
		return s3api.Upload{}, nil, false, err
	}
	var parts []s3api.Part
	for _, n := range slices.Sorted(maps.Keys(u.parts)) {
		if n <= after {
			continue
		}
		if len(parts) == limit {
			return u.Upload, parts, true, nil
		}
		parts = append(parts, u.parts[n].Part)
	}
	return u.Upload, parts, false, nil
}

func (s *Store) Uploads(_ context.Context, bucket, prefix string) (list []s3api.Upload, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	b, err := s.bucket(bucket)
	if err != nil {
		return nil, err
	}
	for _, u := range b.uploads {
		if strings.HasPrefix(u.Key, prefix) {
			list = append(list, u.Upload)
		}
	}
	slices.SortFunc(list, func(a, b s3api.Upload) int { return cmp.Or(cmp.Compare(a.Key, b.Key), cmp.Compare(a.ID, b.ID)) })
	return list, nil
}
