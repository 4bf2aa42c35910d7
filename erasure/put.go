// Put: a body becomes a version.

package erasure

import (
	"context"
	"fmt"
	"io"
	"maps"
)

// Put stores the body under name; size is its length, or -1 if it is not known.
// When it returns without error the version is on a write quorum of drives,
// durably. Info.Missing is how many drives it is not on.
//
// Memory: three blocks of the object, two of them with their parity, for objects
// of any size.
func (s *Store) Put(ctx context.Context, name string, body io.Reader, size int64, o *PutOptions) (Info, error) {
	if o == nil {
		o = new(PutOptions)
	}
	if err := s.enter(name); err != nil {
		return Info{}, err
	}
	defer s.leave()
	d, err := s.newDraft(name, o.Class, !o.Versioned)
	if err != nil {
		return Info{}, err
	}
	defer d.discard()
	info, err := s.put(ctx, d, body, size, o)
	if err != nil {
		return Info{}, fmt.Errorf("erasure: put %q: %w", name, err)
	}
	return info, nil
}

func (s *Store) put(ctx context.Context, d *draft, body io.Reader, size int64, o *PutOptions) (Info, error) {
	to := objectDir(d.name) + "/" + d.shard(1)
	part, err := d.write(ctx, body, size, o.ETag, 1, to, true)
	if err != nil {
		return Info{}, err
	}
	d.size, d.etag, d.metadata = part.Size, part.ETag, maps.Clone(o.Metadata)
	if err := d.writeVersion(ctx); err != nil {
		return Info{}, err
	}
	return s.commit(ctx, d, &o.Condition)
}
