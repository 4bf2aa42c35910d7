package erasure

import (
	"context"
	"io"
)

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

// Explain says where the shards of an object are and in what state: a line a
// drive, for people.
func (s *Store) Explain(ctx context.Context, name string) (string, error) { panic("to come") }

func (h *healer) uploads(ctx context.Context) error { return nil }
