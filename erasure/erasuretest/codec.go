package erasuretest

import (
	"fmt"
	"io"
	"testing"
)

// Coder is the codec under test: what *rs.Code and klauspost/reedsolomon's
// Encoder are, and means what it means there. Shards are data, then parity, of
// one length; those missing have length zero.
type Coder interface {
	Encode(shards [][]byte) error
	Verify(shards [][]byte) (bool, error)
	Reconstruct(shards [][]byte) error
	ReconstructData(shards [][]byte) error
	ReconstructSome(shards [][]byte, required []bool) error
	Update(shards, newData [][]byte) error
	Split(data []byte) ([][]byte, error)
	Join(dst io.Writer, shards [][]byte, size int) error
}

// Locator is a Coder that tells which shards are corrupt, at most one for two
// parity shards. Whether this is offered decides whether it is graded.
type Locator interface {
	Coder
	Locate(shards [][]byte) (corrupt []int, err error)
}

// Codec grades a codec: a subtest a rule, in part required or Locate, named by
// its ID. A broken rule prints
//
//	RULE <id>: <what happened>
func Codec[C Coder](t *testing.T, new func(data, parity int) (C, error)) {
	t.Helper()
	run(t, coderOf(new), false)
}

// CodecExhaustive is Codec with every pattern of loss, for about a minute.
func CodecExhaustive[C Coder](t *testing.T, new func(data, parity int) (C, error)) {
	t.Helper()
	run(t, coderOf(new), true)
}

// Grade is Codec without a testing.T.
func Grade[C Coder](new func(data, parity int) (C, error)) []Result {
	var results []Result
	create := coderOf(new)
	for _, r := range Rules() {
		if r.Capability == "" || offersLocate(create) {
			results = append(results, Result{r, r.check(create, false)})
		}
	}
	return results
}

func coderOf[C Coder](new func(data, parity int) (C, error)) constructor {
	return func(data, parity int) (Coder, error) { return new(data, parity) }
}

// constructor makes the codec under test.
type constructor func(data, parity int) (Coder, error)

func offersLocate(new constructor) bool {
	c, err := new(2, 2)
	_, ok := c.(Locator)
	return ok && err == nil
}

func run(t *testing.T, new constructor, exhaustive bool) {
	t.Helper()
	locates := offersLocate(new)
	for _, r := range Rules() {
		part := "required"
		if r.Capability != "" {
			part = r.Capability
			if !locates {
				t.Logf("not claimed: %s, rule %s", part, r.ID)
				continue
			}
		}
		t.Run(fmt.Sprintf("%s/%s", part, r.ID), func(t *testing.T) {
			if err := r.check(new, exhaustive); err != nil {
				t.Fatal(err)
			}
		})
	}
}
