package light_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/flagship-go/flagship/bft/bfttest"
	"github.com/flagship-go/flagship/bft/light"
	"github.com/flagship-go/flagship/bft/types"
	"github.com/stretchr/testify/require"
)

func TestRulesOfVerification(t *testing.T) {
	bfttest.Light(t, func(chainID string, p light.Params) bfttest.LightVerifier {
		return func(trusted light.Trusted, b *light.Block, now time.Time) error {
			return light.Verify(p, chainID, trusted, b, now)
		}
	})
}

func TestDefaultsOfParams(t *testing.T) {
	c := bfttest.NewLightChain("demo").Validators(5, "n1=1 n2=1 n5=1 n6=1")
	now := bfttest.LightStart.Add(time.Hour)
	require.NoError(t, light.Verify(light.Params{Period: time.Hour}, "demo", c.Block(1).Trusted(), c.Block(9), now), "a level of 1/3")
	require.NoError(t, light.Verify(light.Params{Period: time.Hour}, "demo", c.Block(58).Trusted(), c.Block(60), now.Add(-9*time.Second)), "a drift of 10 s")
	require.ErrorIs(t, light.Verify(light.Params{}, "demo", c.Block(1).Trusted(), c.Block(9), now), light.ErrParams)
	require.ErrorIs(t, light.Verify(light.Params{Period: time.Hour, Drift: -1}, "demo", c.Block(1).Trusted(), c.Block(9), now), light.ErrParams)
	trusted := c.Block(1).Trusted()
	trusted.Next = nil // the next height needs no set
	require.NoError(t, light.Verify(light.Params{Period: time.Hour}, "demo", trusted, c.Block(2), now))
	require.ErrorIs(t, light.Verify(light.Params{Period: time.Hour}, "demo", trusted, c.Block(3), now), light.ErrNotEnoughTrust)
}

func TestBackwardsByOneHash(t *testing.T) {
	c := bfttest.NewLightChain("demo")
	fork := c.Fork(3, bfttest.Forgery{AppHash: "lie"})
	require.NoError(t, light.VerifyBackwards(c.Block(5).Header, c.Block(4).Header))
	for what, older := range map[string]*types.Header{
		"another hash": fork.Block(4).Header, "not the one before": c.Block(3).Header, "later": c.Block(6).Header, "itself": c.Block(5).Header,
		"another chain": bfttest.NewLightChain("other").Block(4).Header,
	} {
		require.ErrorIs(t, light.VerifyBackwards(c.Block(5).Header, older), light.ErrInvalid, "RULE C1-backwards: %s", what)
	}
	// A hash that fits, and times that do not.
	older, newer := *c.Block(4).Header, *c.Block(5).Header
	older.Time = newer.Time
	newer.LastBlockID.Hash = older.Hash()
	require.ErrorIs(t, light.VerifyBackwards(&newer, &older), light.ErrInvalid, "RULE C1-backwards: the same time")
}

// BenchmarkVerify verifies a header with a commit of so many validators of one power: the next height, and a later one of the same set.
func BenchmarkVerify(b *testing.B) {
	for _, n := range []int{4, 100} {
		spec := ""
		for i := range n {
			spec += fmt.Sprintf(" n%d=1", i+1)
		}
		c := bfttest.NewLightChain("demo").Validators(1, spec)
		now := bfttest.LightStart.Add(time.Hour)
		trusted := c.Block(1).Trusted()
		for _, test := range []struct {
			name string
			h    types.Height
		}{{"next", 2}, {"skipping", 9}} {
			block := c.Block(test.h)
			b.Run(fmt.Sprintf("step=%s/validators=%d", test.name, n), func(b *testing.B) {
				b.ReportAllocs()
				for b.Loop() {
					if err := light.Verify(light.Params{Period: 24 * time.Hour}, "demo", trusted, block, now); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
	}
}
