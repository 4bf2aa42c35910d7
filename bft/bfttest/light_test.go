package bfttest_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/flagship-go/flagship/bft/bfttest"
	"github.com/flagship-go/flagship/bft/light"
)

func ours(chainID string, p light.Params) bfttest.LightVerifier {
	return func(trusted light.Trusted, b *light.Block, now time.Time) error {
		return light.Verify(p, chainID, trusted, b, now)
	}
}

func TestLightKit(t *testing.T) { bfttest.Light(t, ours) }

// A verifier that says the same of everything passes no rule: each asks for a yes and for a no.
func TestLightKitWantsYesAndNo(t *testing.T) {
	for name, answer := range map[string]error{"always yes": nil, "always no": light.ErrInvalid, "always perhaps": light.ErrNotEnoughTrust} {
		for _, r := range bfttest.GradeLight(func(string, light.Params) bfttest.LightVerifier {
			return func(light.Trusted, *light.Block, time.Time) error { return answer }
		}) {
			require.ErrorContains(t, r.Err, "RULE "+r.Rule.ID+": ", "%s passes %s", name, r.Rule.ID)
		}
	}
}

// A verifier that panics is reported, but not as one that breaks the rule.
func TestLightKitSurvivesAPanic(t *testing.T) {
	for _, r := range bfttest.GradeLight(func(string, light.Params) bfttest.LightVerifier {
		return func(light.Trusted, *light.Block, time.Time) error { panic("no") }
	}) {
		require.ErrorContains(t, r.Err, "panicked")
		require.NotContains(t, r.Err.Error(), "RULE")
	}
}
