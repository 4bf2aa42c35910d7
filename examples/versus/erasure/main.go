// Command erasure sets package erasure/rs beside the production library,
// github.com/klauspost/reedsolomon.
//
//	go -C examples/versus/erasure run -tags noasm .            plain Go beside plain Go
//	GOEXPERIMENT=simd go -C examples/versus/erasure run .      SIMD beside SIMD
//	go -C examples/versus/erasure run . -only 'verify/.*size=1048576'
//
// One goroutine each. Processor time per operation is what is compared; an
// operation is as many calls as make a mebibyte of data. The goals are judged by
// the geometric mean over the sizes of shards.
//
// Tables, made in tables.go by the contenders of contenders.go: encode, verify,
// reconstruct, and own, which sets our other operations beside our Encode.
package main

import (
	"context"
	"fmt"
	"time"

	"github.com/flagship-go/flagship/internal/versus"
)

func main() { program.Main() }

var program = &versus.Program{
	Command: buildPrefix + "go -C examples/versus/erasure run " + buildFlags + ".",
	Rounds:  5, Length: 200 * time.Millisecond, QuickLength: 2 * time.Millisecond,
	Measure: func(ctx context.Context, s *versus.Session) error {
		for _, t := range tables() {
			report, err := s.Measure(ctx, &t.Table)
			if err != nil {
				return err
			}
			if report == nil {
				continue
			}
			for _, g := range t.goals {
				g.judge(s.Out, report)
			}
			fmt.Fprintln(s.Out)
		}
		return nil
	},
}
