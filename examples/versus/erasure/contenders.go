package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"math/rand/v2"

	"github.com/klauspost/reedsolomon"

	"github.com/flagship-go/flagship/erasure/rs"
	"github.com/flagship-go/flagship/internal/versus"
)

const (
	rsModule   = "github.com/flagship-go/flagship"
	peerModule = "github.com/klauspost/reedsolomon"
)

// operation makes what one call does to shards, which are encoded already. One
// that finds its result wrong returns an error.
type operation func(data, parity int, shards [][]byte) (func() error, error)

func versusPeer(mine, peers operation) []versus.Contender {
	return []versus.Contender{contender(ours, rsModule, mine), contender(klauspost, peerModule, peers)}
}

func contender(name, module string, op operation) versus.Contender {
	return versus.Contender{Name: name, Module: module, Setup: func(_ context.Context, cell versus.Cell) (versus.Runner, error) {
		data, parity, size := cell.Int("data", 0), cell.Int("parity", 0), cell.Int("size", 0)
		shards := make([][]byte, data+parity)
		r := rand.NewChaCha8([32]byte{})
		for i := range shards {
			shards[i] = make([]byte, size)
			r.Read(shards[i])
		}
		c, err := rs.New(data, parity)
		if err != nil {
			return nil, err
		}
		if err := c.Encode(shards); err != nil {
			return nil, err
		}
		call, err := op(data, parity, shards)
		if err != nil {
			return nil, err
		}
		return &runner{call, max(1, 1<<20/(data*size))}, call()
	}}
}

type runner struct {
	call  func() error
	times int
}

func (r *runner) Run(ctx context.Context, w *versus.Work) error {
	return w.Each(ctx, 1, func(context.Context, *versus.Client) error {
		for range r.times {
			if err := r.call(); err != nil {
				return err
			}
		}
		return nil
	})
}

func (r *runner) Close() error { return nil }

func peer(data, parity int) (reedsolomon.Encoder, error) {
	return reedsolomon.New(data, parity, reedsolomon.WithMaxGoroutines(1))
}

// coder is what both have.
type coder interface {
	Encode(shards [][]byte) error
	Verify(shards [][]byte) (bool, error)
	Reconstruct(shards [][]byte) error
}

func encodes(c coder, shards [][]byte) func() error {
	return func() error { return c.Encode(shards) }
}

func verifies(c coder, shards [][]byte) func() error {
	return func() error {
		if ok, err := c.Verify(shards); !ok || err != nil {
			return fmt.Errorf("Verify says %v, %w", ok, err)
		}
		return nil
	}
}

// reconstructs loses the first shards, as many as there are parity shards.
func reconstructs(c coder, parity int, shards [][]byte) func() error {
	return func() error {
		for i := range min(parity, len(shards)-parity) {
			shards[i] = shards[i][:0]
		}
		return c.Reconstruct(shards)
	}
}

func encodeOurs(data, parity int, shards [][]byte) (func() error, error) {
	c, err := rs.New(data, parity)
	return encodes(c, shards), err
}

func encodePeer(data, parity int, shards [][]byte) (func() error, error) {
	c, err := peer(data, parity)
	return encodes(c, shards), err
}

func verifyOurs(data, parity int, shards [][]byte) (func() error, error) {
	c, err := rs.New(data, parity)
	return verifies(c, shards), err
}

func verifyPeer(data, parity int, shards [][]byte) (func() error, error) {
	c, err := peer(data, parity)
	return verifies(c, shards), err
}

func reconstructOurs(data, parity int, shards [][]byte) (func() error, error) {
	c, err := rs.New(data, parity)
	return reconstructs(c, parity, shards), err
}

func reconstructPeer(data, parity int, shards [][]byte) (func() error, error) {
	c, err := peer(data, parity)
	return reconstructs(c, parity, shards), err
}

// plain hides what a reader can do besides reading.
type plain struct{ io.Reader }

// streams reads the data shards from memory and writes the parity to nowhere.
func streams(encode func([]io.Reader, []io.Writer) error, hide bool, data, parity int, shards [][]byte) func() error {
	sources, in, out := make([]bytes.Reader, data), make([]io.Reader, data), make([]io.Writer, parity)
	for i := range in {
		in[i] = &sources[i]
		if hide {
			in[i] = plain{in[i]}
		}
	}
	for i := range out {
		out[i] = io.Discard
	}
	return func() error {
		for i := range sources {
			sources[i].Reset(shards[i])
		}
		return encode(in, out)
	}
}

func streamOurs(data, parity int, shards [][]byte) (func() error, error) {
	c, err := rs.New(data, parity)
	return streams(c.EncodeStream, false, data, parity, shards), err
}

func streamPeer(data, parity int, shards [][]byte) (func() error, error) {
	c, err := reedsolomon.NewStream(data, parity, reedsolomon.WithMaxGoroutines(1))
	return streams(c.Encode, false, data, parity, shards), err
}

// copyOurs is streamOurs from readers that can only be read from.
func copyOurs(data, parity int, shards [][]byte) (func() error, error) {
	c, err := rs.New(data, parity)
	return streams(c.EncodeStream, true, data, parity, shards), err
}
