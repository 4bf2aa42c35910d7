package erasuretest_test

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/klauspost/reedsolomon"
	"github.com/stretchr/testify/require"

	"github.com/flagship-go/flagship/erasure/erasuretest"
	"github.com/flagship-go/flagship/erasure/rs"
)

var exhaustive = flag.Bool("exhaustive", false, "try every pattern of loss and of corruption, about a minute a codec")

func TestCodec(t *testing.T) {
	if *exhaustive {
		erasuretest.CodecExhaustive(t, rs.New)
		return
	}
	erasuretest.Codec(t, rs.New)
}

// The kernels that may be chosen, each as if it had been; all are compared with
// the definition in package rs.
func TestKernels(t *testing.T) {
	erasuretest.OneGoroutine(t)
	for _, k := range rs.Kernels() {
		if k.String() == "table" {
			break // what follows is for reading
		}
		t.Run(k.String(), func(t *testing.T) {
			erasuretest.Codec(t, func(data, parity int) (*rs.Code, error) {
				return rs.NewWith(data, parity, rs.Options{Kernel: k})
			})
		})
	}
}

// The library that parity is compared with keeps the other rules too.
func TestKlauspost(t *testing.T) {
	erasuretest.OneGoroutine(t)
	erasuretest.Codec(t, func(data, parity int) (reedsolomon.Encoder, error) { return reedsolomon.New(data, parity) })
}

func TestField(t *testing.T) {
	erasuretest.OneGoroutine(t)
	erasuretest.Field(t, erasuretest.FieldOps{Add: rs.Add, Mul: rs.Mul, Div: rs.Div, Inv: rs.Inv})
}

// broken are codecs that each do one thing wrong, and the rules that see it.
// They are klauspost's, so that what fails is what was broken.
func TestKitFailsBrokenCodecs(t *testing.T) {
	erasuretest.OneGoroutine(t)
	for _, b := range []struct {
		name string
		make func(reedsolomon.Encoder) erasuretest.Coder
		want []string
	}{
		{"nothing is done", func(reedsolomon.Encoder) erasuretest.Coder { return idle{} }, []string{
			"any-loss", "data-only", "geometry-refused", "in-place", "join-refuses", "large-loss", "only-required",
			"parity-bytes", "products", "shape-refused", "split-join", "split-pads", "too-few", "update", "verify", "concurrent", "geometries-apart", "writes-parity-only",
		}},
		{"verify agrees", func(e reedsolomon.Encoder) erasuretest.Coder { return agrees{e} }, []string{"shape-refused", "verify"}},
		{"parity is made with data", func(e reedsolomon.Encoder) erasuretest.Coder { return eager{e} }, []string{"data-only"}},
		{"required is ignored", func(e reedsolomon.Encoder) erasuretest.Coder { return generous{e} }, []string{"only-required"}},
		{"update is done twice", func(e reedsolomon.Encoder) erasuretest.Coder { return twice{e} }, []string{"update"}},
	} {
		t.Run(b.name, func(t *testing.T) {
			var failed []string
			for _, r := range erasuretest.Grade(func(data, parity int) (erasuretest.Coder, error) {
				if b.name == "nothing is done" {
					return idle{}, nil
				}
				e, err := reedsolomon.New(data, parity)
				if err != nil {
					return nil, err
				}
				return b.make(e), nil
			}) {
				if r.Err != nil {
					require.True(t, strings.HasPrefix(r.Err.Error(), "RULE "+r.Rule.ID+": "), "%v", r.Err)
					failed = append(failed, r.Rule.ID)
				}
			}
			require.ElementsMatch(t, b.want, failed)
		})
	}
}

// A rule that no planted bug breaks is a rule of which nobody has seen that it
// can fail for the right reason.
func TestEveryRuleHasAPlantedBug(t *testing.T) {
	files, err := filepath.Glob("../rs/testdata/bugs/*.bug")
	require.NoError(t, err)
	planted := map[string]bool{}
	for _, file := range files {
		text, err := os.ReadFile(file)
		require.NoError(t, err)
		for line := range strings.Lines(string(text)) {
			if rule, ok := strings.CutPrefix(line, "rule: "); ok {
				planted[strings.TrimSpace(rule)] = true
			}
		}
	}
	for _, r := range erasuretest.Rules() {
		if !planted[r.ID] {
			t.Errorf("no bug of rs/testdata/bugs breaks rule %s", r.ID)
		}
	}
}
