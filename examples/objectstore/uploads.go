package main

import (
	"context"
	"io"
	"strings"

	"github.com/flagship-go/flagship/erasure"
	"github.com/flagship-go/flagship/examples/objectstore/s3api"
)

func (o *objects) NewUpload(ctx context.Context, bucket, key string, p s3api.PutOptions) (string, error) {
	b, done, err := o.write(bucket)
	if err != nil {
		return "", err
	}
	defer done()
	u, err := o.store.NewUpload(ctx, bucket+"/"+key, putOptions(b, p))
	return u.ID, coded(err, s3api.NoSuchKey)
}

func (o *objects) PutPart(ctx context.Context, bucket, key, id string, number int, body io.Reader, size int64) (s3api.Part, error) {
	_, done, err := o.write(bucket)
	if err != nil {
		return s3api.Part{}, err
	}
	defer done()
	p, err := o.store.PutPart(ctx, bucket+"/"+key, id, number, body, size)
	return partOf(p), coded(err, s3api.NoSuchUpload)
}

func (o *objects) CompleteUpload(ctx context.Context, bucket, key, id string, parts []s3api.Part, c s3api.Condition) (s3api.Object, error) {
	b, done, err := o.write(bucket)
	if err != nil {
		return s3api.Object{}, err
	}
	defer done()
	name := bucket + "/" + key
	if err := o.checkParts(ctx, name, id, parts); err != nil {
		return s3api.Object{}, err
	}
	var list []erasure.Part
	for _, p := range parts {
		list = append(list, erasure.Part{Number: p.Number, ETag: p.ETag})
	}
	info, err := o.store.CompleteUpload(ctx, name, id, list, condition(c), b.Versioning == s3api.Enabled)
	if err != nil {
		return s3api.Object{}, o.unmet(ctx, name, c, coded(err, s3api.NoSuchUpload))
	}
	return objectOf(b, info), nil
}

// checkParts tells parts that are too small from parts that are not there. The
// store, for which both are ErrUpload, checks again.
func (o *objects) checkParts(ctx context.Context, name, id string, parts []s3api.Part) error {
	_, list, err := o.store.ListParts(ctx, name, id, 0, maxParts)
	if err != nil {
		return coded(err, s3api.NoSuchUpload)
	}
	uploaded := map[int]erasure.Part{}
	for _, p := range list {
		uploaded[p.Number] = p
	}
	for i, p := range parts {
		switch there := uploaded[p.Number]; {
		case there.Number == 0 || there.ETag != p.ETag:
			return s3api.InvalidPart
		case i < len(parts)-1 && there.Size < erasure.MinPart:
			return s3api.EntityTooSmall
		}
	}
	return nil
}

// maxParts is how many parts an upload can have.
const maxParts = 10000

func (o *objects) AbortUpload(ctx context.Context, bucket, key, id string) error {
	if _, err := o.Bucket(ctx, bucket); err != nil {
		return err
	}
	return coded(o.store.AbortUpload(ctx, bucket+"/"+key, id), s3api.NoSuchUpload)
}

func (o *objects) Parts(ctx context.Context, bucket, key, id string, after, limit int) (s3api.Upload, []s3api.Part, bool, error) {
	if _, err := o.Bucket(ctx, bucket); err != nil {
		return s3api.Upload{}, nil, false, err
	}
	u, list, err := o.store.ListParts(ctx, bucket+"/"+key, id, after, limit+1)
	if err != nil {
		return s3api.Upload{}, nil, false, coded(err, s3api.NoSuchUpload)
	}
	var parts []s3api.Part
	for _, p := range list[:min(len(list), limit)] {
		parts = append(parts, partOf(p))
	}
	return uploadOf(bucket, u), parts, len(list) > limit, nil
}

func (o *objects) Uploads(ctx context.Context, bucket, prefix string) (list []s3api.Upload, err error) {
	if _, err := o.Bucket(ctx, bucket); err != nil {
		return nil, err
	}
	uploads, err := o.store.ListUploads(ctx, bucket+"/"+prefix)
	for _, u := range uploads {
		list = append(list, uploadOf(bucket, u))
	}
	return list, coded(err, s3api.NoSuchBucket)
}

func partOf(p erasure.Part) s3api.Part {
	return s3api.Part{Number: p.Number, Size: p.Size, ETag: p.ETag, Modified: p.Modified}
}

func uploadOf(bucket string, u erasure.Upload) s3api.Upload {
	return s3api.Upload{Key: strings.TrimPrefix(u.Name, bucket+"/"), ID: u.ID, Started: u.Started, Class: u.Class}
}
