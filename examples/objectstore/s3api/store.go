package s3api

import (
	"context"
	"io"
	"time"
)

// Store is what the handlers are in front of. Keys are any valid UTF-8 of 1 to
// 1024 bytes without NUL. A store refuses with a [Code], alone or wrapped, such
// as NoSuchBucket, which all but the first two methods may return. It is safe for
// concurrent use.
type Store interface {
	Buckets(ctx context.Context) ([]Bucket, error) // by name
	CreateBucket(ctx context.Context, name string) error
	Bucket(ctx context.Context, name string) (Bucket, error)
	// DeleteBucket refuses with BucketNotEmpty as long as there is a version.
	DeleteBucket(ctx context.Context, name string) error
	SetVersioning(ctx context.Context, bucket string, v Versioning) error

	// Put stores a body of size bytes. Nothing is stored if reading it fails, or
	// if it ends early; the error is then the reader's, wrapped or not.
	Put(ctx context.Context, bucket, key string, body io.Reader, size int64, o PutOptions) (Object, error)
	// Get opens a version, the current one if version is "". What is replaced or
	// deleted stays readable until Close. A delete marker is no error and has no
	// Content.
	Get(ctx context.Context, bucket, key, version string) (Object, Content, error)
	// Stat is Get without the content.
	Stat(ctx context.Context, bucket, key, version string) (Object, error)
	// Delete removes a version for good, or without one makes the object appear
	// deleted. The Object is what was removed, or the new delete marker; only a
	// marker need be told of. What is not there is deleted without error, but for the
	// condition, which is about the current version as that of a write.
	Delete(ctx context.Context, bucket, key, version string, c Condition) (Object, error)
	// List returns current versions that are no delete markers.
	List(ctx context.Context, bucket string, o ListOptions) (Page, error)
	// ListVersions returns all, of each key the newest first.
	ListVersions(ctx context.Context, bucket string, o ListOptions) (Page, error)

	NewUpload(ctx context.Context, bucket, key string, o PutOptions) (id string, err error)
	// PutPart stores a part, under the conditions of Put.
	PutPart(ctx context.Context, bucket, key, id string, number int, body io.Reader, size int64) (Part, error)
	// CompleteUpload makes an object of the parts named by number and ETag, which
	// come in ascending order.
	CompleteUpload(ctx context.Context, bucket, key, id string, parts []Part, c Condition) (Object, error)
	AbortUpload(ctx context.Context, bucket, key, id string) error
	// Parts returns up to limit parts whose numbers are greater than after.
	Parts(ctx context.Context, bucket, key, id string, after, limit int) (u Upload, parts []Part, more bool, err error)
	// Uploads returns all uploads of keys with the prefix, by key and start.
	Uploads(ctx context.Context, bucket, prefix string) ([]Upload, error)
}

// Content is an object's content. Its methods need not be safe for concurrent
// use.
type Content interface {
	io.ReadSeeker
	io.Closer
}

// Bucket is a bucket.
type Bucket struct {
	Name       string
	Created    time.Time
	Versioning Versioning
}

// Versioning is the state of a bucket's.
type Versioning string

// A bucket that was once versioned is never unversioned again, only suspended.
const (
	Unversioned Versioning = ""
	Enabled     Versioning = "Enabled"
	Suspended   Versioning = "Suspended"
)

// Object is a version of an object, or a delete marker.
type Object struct {
	Key string
	// VersionID is "" in a bucket that was never versioned, and "null" of what
	// was stored without versioning in one that was.
	VersionID    string
	Latest       bool
	DeleteMarker bool
	Size         int64 // bytes
	Modified     time.Time
	ETag         string // without quotes
	Class        string
	Metadata     map[string]string // of PutOptions; must not be changed
	Parts        []int64           // sizes of a multipart object's parts; nil otherwise
	// Missing is how many of its shards are not where they should be.
	Missing int
}

// PutOptions say how an object is stored.
type PutOptions struct {
	// Metadata are the headers to be given back, by lower-case names.
	Metadata map[string]string
	// Class is a storage class; "": the default.
	Class string
	Condition
}

// Condition is about the current version, and is checked by the store at the
// moment the new one takes its place. With IfMatch a missing object is NoSuchKey;
// otherwise a condition that does not hold is PreconditionFailed.
type Condition struct {
	// IfMatch wants this ETag, without quotes, or any with "*".
	IfMatch string
	// IfNoneMatch wants another, or no object with "*".
	IfNoneMatch string
}

// ListOptions select a page of a listing, which is in byte order of keys.
type ListOptions struct {
	Prefix string
	// Delimiter rolls up keys that have it behind the prefix.
	Delimiter string
	// After starts behind this key; or, when it is a rolled-up prefix, behind all
	// that is rolled up in it. AfterVersion, of ListVersions, starts behind that
	// version of the key.
	After, AfterVersion string
	// Max is how many keys and prefixes the page may have, at least 1.
	Max int
}

// Page is a page of a listing.
type Page struct {
	Objects  []Object
	Prefixes []string
	// More says that there is more, behind Next and NextVersion.
	More              bool
	Next, NextVersion string
}

// Upload is a multipart upload under way.
type Upload struct {
	Key, ID string
	Started time.Time
	Class   string
}

// Part is a part of one.
type Part struct {
	Number   int // 1 to 10000
	Size     int64
	ETag     string // without quotes
	Modified time.Time
}
