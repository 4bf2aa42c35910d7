package erasuretest_test

import (
	"io"

	"github.com/klauspost/reedsolomon"
)

// idle does nothing and is content.
type idle struct{}

func (idle) Encode([][]byte) error                  { return nil }
func (idle) Verify([][]byte) (bool, error)          { return true, nil }
func (idle) Reconstruct([][]byte) error             { return nil }
func (idle) ReconstructData([][]byte) error         { return nil }
func (idle) ReconstructSome([][]byte, []bool) error { return nil }
func (idle) Update(_, _ [][]byte) error             { return nil }
func (idle) Split([]byte) ([][]byte, error)         { return nil, nil }
func (idle) Join(io.Writer, [][]byte, int) error    { return nil }

// agrees verifies anything.
type agrees struct{ reedsolomon.Encoder }

func (agrees) Verify([][]byte) (bool, error) { return true, nil }

// eager reconstructs parity when data is asked for.
type eager struct{ reedsolomon.Encoder }

func (e eager) ReconstructData(shards [][]byte) error { return e.Reconstruct(shards) }

// generous reconstructs all when some is asked for.
type generous struct{ reedsolomon.Encoder }

func (e generous) ReconstructSome(shards [][]byte, _ []bool) error { return e.Reconstruct(shards) }

// twice updates twice.
type twice struct{ reedsolomon.Encoder }

func (e twice) Update(shards, newData [][]byte) error {
	old := append([][]byte(nil), shards...)
	for i := range min(len(newData), len(old)) {
		old[i] = append([]byte(nil), shards[i]...)
	}
	if err := e.Encoder.Update(shards, newData); err != nil {
		return err
	}
	copy(old[len(newData):], shards[len(newData):])
	return e.Encoder.Update(old, newData)
}
