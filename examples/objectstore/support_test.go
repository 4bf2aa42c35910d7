package main

import (
	"fmt"
	"testing"
)

// rule reports a broken rule in the form that the kill matrix reads.
func rule(t *testing.T, id string, kept bool, format string, args ...any) {
	t.Helper()
	if !kept {
		t.Fatalf("RULE %s: %s", id, fmt.Sprintf(format, args...))
	}
}
