package bfttest_test

import (
	"errors"
	"testing"
	"time"

	"github.com/flagship-go/flagship/bft/bfttest"
	"github.com/flagship-go/flagship/bft/light"
	"github.com/flagship-go/flagship/bft/types"
	"github.com/stretchr/testify/require"
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

// A verifier that adds up power by address, and not by place, counts who is there twice for two.
func TestLightKitCatchesWhoCountsTwice(t *testing.T) {
	for _, r := range bfttest.GradeLight(func(chainID string, p light.Params) bfttest.LightVerifier {
		return func(trusted light.Trusted, b *light.Block, now time.Time) error {
			err := light.Verify(p, chainID, trusted, b, now)
			if !errors.Is(err, types.ErrCommit) || b.Check(chainID) != nil {
				return err
			}
			var power int64
			for i := range b.Commit.Signatures {
				v := b.Commit.Vote(i)
				if v == nil || v.Value.IsNil() || b.Validators.Index(v.Validator) < 0 {
					continue
				}
				if by := b.Validators.At(b.Validators.Index(v.Validator)); v.Verify(chainID, by.PubKey) {
					power += by.Power
				}
			}
			if b.Validators.MoreThanTwoThirds(power) {
				return nil
			}
			return err
		}
	}) {
		if r.Rule.ID == "C1-once" {
			require.ErrorContains(t, r.Err, "RULE C1-once: height 5 is accepted")
		}
	}
}
