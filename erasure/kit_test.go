package erasure_test

import (
	"testing"

	"github.com/flagship-go/flagship/erasure/erasuretest"
)

// TestKit grades the store by erasuretest.
func TestKit(t *testing.T) { erasuretest.Store(t, erasuretest.Erasure()) }
