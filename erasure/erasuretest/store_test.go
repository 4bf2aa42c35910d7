package erasuretest

import (
	"testing"
)

// The reference shows that the rules are not those of one implementation; that power
// may go anywhere is proved with package erasure.
func TestReferenceKeepsEveryRule(t *testing.T) {
	oneGoroutine(t)
	impl := referenceImpl("")
	impl.CutEvery = 9
	Store(t, impl)
}
