// Copy: a version becomes another object's.

package erasure

import (
	"context"
	"fmt"
)

// Copy stores src again as dst. A body that was put in one piece keeps its ETag.
func (s *Store) Copy(ctx context.Context, dst, src string, o *CopyOptions) (Info, error) {
	if o == nil {
		o = new(CopyOptions)
	}
	from, err := s.Get(ctx, src, &GetOptions{VersionID: o.SourceVersionID, Condition: o.SourceCondition})
	if err != nil {
		return Info{}, fmt.Errorf("erasure: copy to %q: %w", dst, err)
	}
	defer from.Close()
	put := o.Put
	if !o.ReplaceMetadata {
		put.Metadata = from.Info.Metadata
	}
	if put.ETag == "" && from.Info.Parts == nil {
		put.ETag = from.Info.ETag
	}
	return s.Put(ctx, dst, from, from.Info.Size, &put)
}
