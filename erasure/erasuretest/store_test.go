package erasuretest

import (
	"testing"
)

func TestReferenceKeepsEveryRule(t *testing.T) { Store(t, referenceImpl("")) }
