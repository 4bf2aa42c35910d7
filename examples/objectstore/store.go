package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/flagship-go/flagship/erasure"
	"github.com/flagship-go/flagship/examples/objectstore/s3api"
	"github.com/flagship-go/flagship/internal/vfs"
)

// coded gives an error of package erasure S3's code; notFound is the code of what
// was asked for.
func coded(err error, notFound s3api.Code) error {
	for _, x := range []struct {
		err  error
		code s3api.Code
	}{
		{erasure.ErrNotFound, notFound},
		{erasure.ErrPrecondition, s3api.PreconditionFailed},
		{erasure.ErrName, s3api.InvalidObjectName},
		{erasure.ErrSize, s3api.IncompleteBody},
		{erasure.ErrUpload, s3api.InvalidPart},
		{erasure.ErrOptions, s3api.InvalidStorageClass},
		{vfs.ErrNoSpace, s3api.StorageFull}, // before the quorum that it costs
		{erasure.ErrReadQuorum, s3api.ServiceUnavailable},
		{erasure.ErrWriteQuorum, s3api.ServiceUnavailable},
		{erasure.ErrOutcomeUnknown, s3api.ServiceUnavailable},
		{erasure.ErrClosed, s3api.ServiceUnavailable},
	} {
		if errors.Is(err, x.err) {
			return fmt.Errorf("%w: %w", x.code, err)
		}
	}
	return err
}

// notFound is the code of a version, or object, that is not there.
func notFound(version string) s3api.Code {
	if version != "" {
		return s3api.NoSuchVersion
	}
	return s3api.NoSuchKey
}

const nullVersion = "null"

// objectOf is what S3 says of a version in a bucket.
func objectOf(b s3api.Bucket, i erasure.Info) s3api.Object {
	o := s3api.Object{Key: strings.TrimPrefix(i.Name, b.Name+"/"), VersionID: i.VersionID, Latest: i.Latest, DeleteMarker: i.DeleteMarker,
		Size: i.Size, Modified: i.Modified, ETag: i.ETag, Class: i.Class, Metadata: i.Metadata, Missing: i.Missing}
	if o.VersionID == "" && b.Versioning != s3api.Unversioned {
		o.VersionID = nullVersion
	}
	for _, p := range i.Parts {
		o.Parts = append(o.Parts, p.Size)
	}
	return o
}

func putOptions(b s3api.Bucket, o s3api.PutOptions) *erasure.PutOptions {
	return &erasure.PutOptions{Versioned: b.Versioning == s3api.Enabled, Metadata: o.Metadata, Class: o.Class, Condition: condition(o.Condition)}
}

func condition(c s3api.Condition) erasure.Condition {
	return erasure.Condition{IfMatch: c.IfMatch, IfNoneMatch: c.IfNoneMatch}
}

func (o *objects) Put(ctx context.Context, bucket, key string, body io.Reader, size int64, p s3api.PutOptions) (s3api.Object, error) {
	b, done, err := o.write(bucket)
	if err != nil {
		return s3api.Object{}, err
	}
	defer done()
	info, err := o.store.Put(ctx, bucket+"/"+key, body, size, putOptions(b, p))
	if err != nil {
		return s3api.Object{}, o.unmet(ctx, bucket+"/"+key, p.Condition, coded(err, s3api.NoSuchKey))
	}
	return objectOf(b, info), nil
}

// unmet tells a condition that does not hold from an object that is not there.
func (o *objects) unmet(ctx context.Context, name string, c s3api.Condition, err error) error {
	if c.IfMatch != "" && errors.Is(err, erasure.ErrPrecondition) {
		if _, missing := o.store.Stat(ctx, name, nil); errors.Is(missing, erasure.ErrNotFound) {
			return fmt.Errorf("%w: %w", s3api.NoSuchKey, missing)
		}
	}
	return err
}

func (o *objects) Get(ctx context.Context, bucket, key, version string) (s3api.Object, s3api.Content, error) {
	b, err := o.Bucket(ctx, bucket)
	if err != nil {
		return s3api.Object{}, nil, err
	}
	content, err := o.store.Get(ctx, bucket+"/"+key, &erasure.GetOptions{VersionID: version})
	if err != nil {
		x, err := o.absent(ctx, b, key, version, err)
		return x, nil, err
	}
	return objectOf(b, content.Info), content, nil
}

func (o *objects) Stat(ctx context.Context, bucket, key, version string) (s3api.Object, error) {
	b, err := o.Bucket(ctx, bucket)
	if err != nil {
		return s3api.Object{}, err
	}
	info, err := o.store.Stat(ctx, bucket+"/"+key, &erasure.GetOptions{VersionID: version})
	if err != nil {
		return o.absent(ctx, b, key, version, err)
	}
	return objectOf(b, info), nil
}

// absent finds the delete marker that hides an object. A name that cannot be an
// object's is one of an object that is not there.
func (o *objects) absent(ctx context.Context, b s3api.Bucket, key, version string, err error) (s3api.Object, error) {
	if errors.Is(err, erasure.ErrName) {
		return s3api.Object{}, fmt.Errorf("%w: %w", notFound(version), err)
	}
	if !errors.Is(err, erasure.ErrDeleted) {
		return s3api.Object{}, coded(err, notFound(version))
	}
	marker := s3api.Object{Key: key, VersionID: version, DeleteMarker: true}
	if version == "" {
		name := b.Name + "/" + key
		page, err := o.store.ListVersions(ctx, erasure.ListOptions{Prefix: name, Max: 1})
		if err != nil {
			return s3api.Object{}, coded(err, s3api.NoSuchKey)
		}
		if len(page.Objects) > 0 && page.Objects[0].Name == name {
			marker = objectOf(b, page.Objects[0])
		}
	}
	return marker, nil
}

func (o *objects) Delete(ctx context.Context, bucket, key, version string, c s3api.Condition) (s3api.Object, error) {
	b, done, err := o.write(bucket)
	if err != nil {
		return s3api.Object{}, err
	}
	defer done()
	marks := version == "" // if the bucket is versioned
	name := bucket + "/" + key
	info, err := o.store.Delete(ctx, name, &erasure.DeleteOptions{VersionID: version, Condition: condition(c),
		Versioned: marks && b.Versioning == s3api.Enabled, MarkNull: marks && b.Versioning == s3api.Suspended})
	switch {
	case errors.Is(err, erasure.ErrName) && c.IfMatch != "":
		return s3api.Object{}, fmt.Errorf("%w: %w", s3api.NoSuchKey, err)
	case errors.Is(err, erasure.ErrPrecondition):
		return s3api.Object{}, o.unmet(ctx, name, c, coded(err, s3api.NoSuchKey))
	case errors.Is(err, erasure.ErrName), errors.Is(err, erasure.ErrNotFound):
		return s3api.Object{}, nil
	case err != nil:
		return s3api.Object{}, coded(err, s3api.NoSuchKey)
	case info.Name == "": // there was nothing
		return s3api.Object{}, nil
	}
	return objectOf(b, info), nil
}

func (o *objects) List(ctx context.Context, bucket string, l s3api.ListOptions) (s3api.Page, error) {
	return o.list(ctx, bucket, l, o.store.List)
}

func (o *objects) ListVersions(ctx context.Context, bucket string, l s3api.ListOptions) (s3api.Page, error) {
	return o.list(ctx, bucket, l, o.store.ListVersions)
}

func (o *objects) list(ctx context.Context, bucket string, l s3api.ListOptions,
	list func(context.Context, erasure.ListOptions) (erasure.Page, error)) (page s3api.Page, err error) {
	b, err := o.Bucket(ctx, bucket)
	if err != nil {
		return page, err
	}
	dir := bucket + "/"
	options := erasure.ListOptions{Prefix: dir + l.Prefix, Delimiter: l.Delimiter, AfterVersion: l.AfterVersion, Max: l.Max}
	if l.After != "" {
		options.After = dir + l.After
	}
	p, err := list(ctx, options)
	if err != nil {
		return page, coded(err, s3api.NoSuchBucket)
	}
	for _, info := range p.Objects {
		page.Objects = append(page.Objects, objectOf(b, info))
	}
	for _, prefix := range p.Prefixes {
		page.Prefixes = append(page.Prefixes, strings.TrimPrefix(prefix, dir))
	}
	page.More, page.Next, page.NextVersion = p.More, strings.TrimPrefix(p.Next, dir), p.NextVersion
	return page, nil
}
