// Conditions of calls (E11), in the order of RFC 9110, section 13.2.2.

package erasure

import (
	"fmt"
	"time"
)

// isZero reports whether the condition always holds.
func (c *Condition) isZero() bool {
	return c.IfMatch == "" && c.IfNoneMatch == "" && c.IfModifiedSince.IsZero() && c.IfUnmodifiedSince.IsZero()
}

// check says why the condition does not hold for the current version, which is
// nil if there is none, as an ErrPrecondition.
func (c *Condition) check(name string, v *version) error {
	fail := func(format string, args ...any) error {
		return fmt.Errorf("%w: %q: %s", ErrPrecondition, name, fmt.Sprintf(format, args...))
	}
	if v != nil && v.marker {
		v = nil
	}
	if v == nil {
		if c.IfMatch != "" {
			return fmt.Errorf("%w: %q: %w", ErrPrecondition, name, ErrNotFound)
		}
		return nil
	}
	modified := time.Unix(0, v.Time).Truncate(time.Second)
	switch {
	case c.IfMatch != "" && c.IfMatch != "*" && c.IfMatch != v.etag:
		return fail("its ETag is %s, not %s", v.etag, c.IfMatch)
	case c.IfMatch == "" && !c.IfUnmodifiedSince.IsZero() && modified.After(c.IfUnmodifiedSince.Truncate(time.Second)):
		return fail("it was modified at %s", modified.UTC().Format(time.RFC3339))
	case c.IfNoneMatch == "*":
		return fail("it exists")
	case c.IfNoneMatch != "" && c.IfNoneMatch == v.etag:
		return fail("its ETag is %s", v.etag)
	case c.IfNoneMatch == "" && !c.IfModifiedSince.IsZero() && !modified.After(c.IfModifiedSince.Truncate(time.Second)):
		return fail("it was not modified since %s", c.IfModifiedSince.UTC().Format(time.RFC3339))
	}
	return nil
}
