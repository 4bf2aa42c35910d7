// The codec of each geometry, made once.

package erasure

import (
	"fmt"

	"github.com/klauspost/reedsolomon"

	"github.com/flagship-go/flagship/erasure/rs"
)

// FromScratch as [Options.Codec] is package rs.
func FromScratch(data, parity int) (Codec, error) { return rs.New(data, parity) }

// klauspost is the default codec. Blocks of several objects are encoded at a
// time, so each is encoded by one goroutine.
func klauspost(data, parity int) (Codec, error) {
	return reedsolomon.New(data, parity, reedsolomon.WithMaxGoroutines(1))
}

// codec returns the codec of a geometry, which has parity.
func (s *Store) codec(g geometry) (Codec, error) {
	if g.parity == 0 {
		return nil, nil
	}
	if c, ok := s.codecs.Load(g); ok {
		return c.(Codec), nil
	}
	c, err := s.o.Codec(g.data, g.parity)
	if err != nil {
		return nil, fmt.Errorf("codec of %d data and %d parity shards: %w", g.data, g.parity, err)
	}
	kept, _ := s.codecs.LoadOrStore(g, c)
	return kept.(Codec), nil
}
