package erasure

import (
	"context"
	"io"
)

// A Store is a deployment: drives in sets. It is safe for concurrent use.
type Store struct{}

// Open opens the store that is on the drives, or makes one when all are empty.
// Their order does not matter once it is made. Drives that are missing are nil
// or left out, as long as every set has a read quorum; an empty one takes the
// place of a missing one and is rebuilt. The store closes the drives.
func Open(drives []Drive, o *Options) (*Store, error) { panic("to come") }

// Put stores the body under name; size is its length, or -1 if it is not known.
// When it returns without error the version is on a write quorum of drives,
// durably. Info.Missing is how many drives it is not on.
//
// Memory: two blocks of the object with their parity, for objects of any size.
func (s *Store) Put(ctx context.Context, name string, body io.Reader, size int64, o *PutOptions) (Info, error) {
	panic("to come")
}

// Get opens a version for reading. What is replaced or deleted meanwhile stays
// readable until Close.
func (s *Store) Get(ctx context.Context, name string, o *GetOptions) (*Object, error) {
	panic("to come")
}

// An Object reads a version: io.ReadSeeker, io.ReaderAt, io.WriterTo. ReadAt is
// safe for concurrent use. Only the blocks and shards that are needed are read;
// each shard that is missing or wrong costs one more, and is queued for healing.
type Object struct{ Info Info }

func (o *Object) Read(p []byte) (int, error)                { panic("to come") }
func (o *Object) ReadAt(p []byte, off int64) (int, error)   { panic("to come") }
func (o *Object) Seek(off int64, whence int) (int64, error) { panic("to come") }
func (o *Object) WriteTo(w io.Writer) (int64, error)        { panic("to come") }
func (o *Object) Close() error                              { panic("to come") }

// Stat returns what is known of a version.
func (s *Store) Stat(ctx context.Context, name string, o *GetOptions) (Info, error) {
	panic("to come")
}

// Delete removes an object, or a version, or puts a delete marker. Deleting what
// is not there is no error: S3's rule. The Info is that of the marker or of the
// version that is gone.
func (s *Store) Delete(ctx context.Context, name string, o *DeleteOptions) (Info, error) {
	panic("to come")
}

// Copy stores src again as dst.
func (s *Store) Copy(ctx context.Context, dst, src string, o *CopyOptions) (Info, error) {
	panic("to come")
}

// List returns a page of current versions, delete markers left out.
func (s *Store) List(ctx context.Context, o ListOptions) (Page, error) { panic("to come") }

// ListVersions returns a page of all versions and delete markers, of each name
// the newest first.
func (s *Store) ListVersions(ctx context.Context, o ListOptions) (Page, error) { panic("to come") }

// NewUpload begins a multipart upload of name. Conditions are for
// CompleteUpload.
func (s *Store) NewUpload(ctx context.Context, name string, o *PutOptions) (Upload, error) {
	panic("to come")
}

// PutPart stores a part, replacing one of the same number.
func (s *Store) PutPart(ctx context.Context, name, upload string, number int, body io.Reader, size int64) (Part, error) {
	panic("to come")
}

// ListParts returns the parts of an upload behind number after, at most max.
func (s *Store) ListParts(ctx context.Context, name, upload string, after, max int) (Upload, []Part, error) {
	panic("to come")
}

// ListUploads returns uploads of names with the prefix, by name and start.
func (s *Store) ListUploads(ctx context.Context, prefix string) ([]Upload, error) { panic("to come") }

// CompleteUpload makes the parts, by number and ETag, in ascending order, the
// current version of the object. All but the last have at least MinPart bytes.
func (s *Store) CompleteUpload(ctx context.Context, name, upload string, parts []Part, c Condition, versioned bool) (Info, error) {
	panic("to come")
}

// AbortUpload removes an upload and its parts.
func (s *Store) AbortUpload(ctx context.Context, name, upload string) error { panic("to come") }

// MinPart is the smallest size of a part that is not the last: 5 MiB.
const MinPart = 5 << 20

// Heal brings every shard of what is selected back to its drive, and purges what
// was never acknowledged. progress, if not nil, is called after every object.
func (s *Store) Heal(ctx context.Context, o *HealOptions, progress func(HealReport)) (HealReport, error) {
	panic("to come")
}

// HealQueued heals the objects that reads and writes have queued, until none is
// left. Without [Options.Serial] the store does so by itself.
func (s *Store) HealQueued(ctx context.Context) (HealReport, error) { panic("to come") }

// Attach takes a drive that returned, or a new one for a place that has none,
// and heals it.
func (s *Store) Attach(ctx context.Context, d Drive) error { panic("to come") }

// Info describes the store and its drives.
func (s *Store) Info(ctx context.Context) StoreInfo { panic("to come") }

// Explain says where the shards of an object are and in what state: a line a
// drive, for people.
func (s *Store) Explain(ctx context.Context, name string) (string, error) { panic("to come") }

// Close waits for what is going on, stops the scanner, closes the drives. It is
// idempotent.
func (s *Store) Close() error { panic("to come") }
