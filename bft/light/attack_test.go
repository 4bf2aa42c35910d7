package light_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/flagship-go/flagship/bft/bfttest"
	"github.com/flagship-go/flagship/bft/light"
	"github.com/flagship-go/flagship/bft/types"
	"github.com/stretchr/testify/require"
)

// names are those of validators.
func names(c *bfttest.LightChain, vs []types.Validator) string {
	var text []string
	for i := 1; i <= 40; i++ {
		for _, v := range vs {
			if v.Address == c.Address(fmt.Sprint("n", i)) {
				text = append(text, fmt.Sprint("n", i))
			}
		}
	}
	return strings.Join(text, " ")
}

// attacked runs a client whose primary has a fork, and is the report.
func attacked(t *testing.T, w *world, h types.Height) *light.AttackError {
	c := w.client(t)
	_, err := c.VerifyAtHeight(context.Background(), h)
	require.ErrorIs(t, err, light.ErrAttack, "RULE C2: an attack is seen, and ends the client")
	var attack *light.AttackError
	require.ErrorAs(t, err, &attack)
	// The client is over, and nothing of it is trusted.
	_, again := c.Update(context.Background())
	require.Equal(t, err, again, "RULE C2: it goes on")
	_, trusted := c.Trusted(h)
	require.ErrorIs(t, trusted, light.ErrNotFound, "RULE C2: it trusts")
	// Each side has been told, and can verify it.
	require.Len(t, w.primary.reports, 1)
	require.Len(t, w.w1.reports, 1)
	require.Same(t, attack.AgainstPrimary, w.w1.reports[0])
	require.Same(t, attack.AgainstWitness, w.primary.reports[0])
	for _, a := range []*light.Attack{attack.AgainstPrimary, attack.AgainstWitness} {
		require.NoError(t, a.Verify(w.opts.Params, "demo", w.now))
		require.Error(t, a.Verify(w.opts.Params, "other", w.now))
		for _, change := range []func(*light.Attack){
			func(a *light.Attack) { a.Kind++ },
			func(a *light.Attack) { a.Conflicting = a.Trusted },
			func(a *light.Attack) { a.Common = nil },
			func(a *light.Attack) { a.Byzantine = append(a.Byzantine, w.chain.At(1).At(0), w.chain.At(200).At(0)) },
			func(a *light.Attack) { a.Suspects = append(a.Suspects, w.chain.At(1).At(0)) },
			func(a *light.Attack) { a.DoubleVotes = append(a.DoubleVotes, &types.DuplicateVoteEvidence{}) },
		} {
			changed := *a
			change(&changed)
			require.Error(t, changed.Verify(w.opts.Params, "demo", w.now), "RULE C2-report: a false one is taken")
		}
	}
	return attack
}

// A header that no execution gave: who of the common height's validators has signed it is faulty.
func TestALunaticAttackIsReported(t *testing.T) {
	w := newWorld()
	w.primary.chain = w.chain.Fork(105, bfttest.Forgery{AppHash: "lie", Signers: "n12 n13 n14"})
	e := attacked(t, w, 109)
	a := e.AgainstPrimary
	require.Equal(t, light.Lunatic, a.Kind, "RULE C2-kind: the kind is right")
	require.Less(t, a.Common.Height(), types.Height(105), "RULE C2-common: the common height is that of both")
	require.Equal(t, w.chain.Block(a.Common.Height()).Header.Hash(), a.Common.Header.Hash(), "RULE C2-common: the common height is that of both")
	require.Equal(t, types.Height(109), a.Conflicting.Height())
	require.Equal(t, w.chain.Block(109).Header.Hash(), a.Trusted.Header.Hash())
	for _, v := range a.Byzantine {
		require.Contains(t, "n12 n13 n14", names(w.chain, []types.Validator{v}), "RULE C2-proved: by two signatures")
	}
	var power int64
	for _, v := range a.Byzantine {
		power += v.Power
	}
	require.Greater(t, 3*power, a.Common.Next.TotalPower(), "RULE C2-proved: more than a third")
	require.ErrorContains(t, e, "lunatic")
}

func TestAnEquivocationAttackIsProvedByTwoSignatures(t *testing.T) {
	w := newWorld()
	w.chain.Sign(109, "n11 n12 n13")
	w.primary.chain = w.chain.Fork(109, bfttest.Forgery{Data: "paid twice", Signers: "n12 n13 n14"})
	a := attacked(t, w, 109).AgainstPrimary
	require.Equal(t, light.Equivocation, a.Kind, "RULE C2-kind: the kind is right")
	require.Equal(t, "n12 n13", names(w.chain, a.Byzantine), "RULE C2-proved: by two signatures")
	require.Len(t, a.DoubleVotes, 2)
	for _, e := range a.DoubleVotes {
		require.NoError(t, e.Verify("demo", w.chain.At(109)), "RULE C2-proved: it is evidence")
	}
}

func TestAmnesiaIsSuspected(t *testing.T) {
	w := newWorld()
	w.chain.Sign(109, "n11 n12 n13")
	w.primary.chain = w.chain.Fork(109, bfttest.Forgery{Data: "paid twice", Round: 1, Signers: "n12 n13 n14"})
	a := attacked(t, w, 109).AgainstPrimary
	require.Equal(t, light.Amnesia, a.Kind, "RULE C2-kind: the kind is right")
	require.Empty(t, a.Byzantine, "RULE C2-proved: two rounds prove nothing")
	require.Empty(t, a.DoubleVotes, "RULE C2-proved: two rounds prove nothing")
	require.Equal(t, "n12 n13", names(w.chain, a.Suspects))
}

// Verification stops at two thirds. What stands behind may be forged, and accuses nobody.
func TestAForgedSignatureAccusesNobody(t *testing.T) {
	for kind, f := range map[light.Kind]bfttest.Forgery{light.Lunatic: {AppHash: "lie"}, light.Equivocation: {Data: "lie"}, light.Amnesia: {Data: "lie", Round: 1}} {
		w := newWorld()
		w.primary.chain = w.chain.Fork(109, f)
		last := w.chain.At(109).At(3)
		w.primary.spoils = func(b *light.Block) {
			if b.Height() == 109 {
				s := &b.Commit.Signatures[3]
				s.Signature = append([]byte(nil), s.Signature...)
				s.Signature[7] ^= 1
			}
		}
		w.opts.Root = light.Root{Height: 108, Hash: w.chain.Block(108).Header.Hash()}
		a := attacked(t, w, 109).AgainstPrimary
		require.Equal(t, kind, a.Kind)
		accused := append(a.Byzantine, a.Suspects...)
		for _, v := range accused {
			require.NotEqual(t, last.Address, v.Address, "RULE C2-framed: %v", kind)
		}
		require.Len(t, accused, 3)
	}
}

// The witness may be the one who lies: the report against it says so to whoever has the primary's chain.
func TestTheReportAgainstTheWitness(t *testing.T) {
	w := newWorld()
	w.w1.chain = w.chain.Fork(105, bfttest.Forgery{AppHash: "lie", Signers: "n12 n13 n14"})
	a := attacked(t, w, 109).AgainstWitness
	require.Equal(t, light.Lunatic, a.Kind)
	require.Equal(t, w.chain.Block(a.Trusted.Height()).Header.Hash(), a.Trusted.Header.Hash())
	require.Subset(t, strings.Fields("n12 n13 n14"), strings.Fields(names(w.chain, a.Byzantine)))
	require.NotEmpty(t, a.Byzantine)
}

// The liars' chain is longer, and so the witness does not have that height; but it has a time that is not earlier at a lower one.
func TestALongerChainInLessTimeIsAnAttack(t *testing.T) {
	w := newWorld()
	w.primary.chain = w.chain.Fork(195, bfttest.Forgery{AppHash: "lie", Pace: time.Second})
	w.primary.top = 230
	c := w.client(t)
	_, err := c.Update(context.Background())
	var attack *light.AttackError
	require.ErrorAs(t, err, &attack, "RULE C2-forward: the two conflict")
	require.Equal(t, light.Lunatic, attack.AgainstPrimary.Kind)
	require.NoError(t, attack.AgainstPrimary.Verify(w.opts.Params, "demo", w.now))
	// Without a lie, a witness may be behind.
	w = newWorld()
	w.w1.top, w.w2.top = 199, 200
	_, err = w.client(t).Update(context.Background())
	require.NoError(t, err)
}
