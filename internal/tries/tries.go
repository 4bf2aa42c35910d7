// Package tries says how often tests do what may be done any number of times: draw at random, send requests, begin with
// another seed.
package tries

import "testing"

// Of is full, or short with go test -short. Flags must have been read: it is for tests, not for variables of a package.
func Of(full, short int) int {
	if testing.Short() {
		return short
	}
	return full
}
