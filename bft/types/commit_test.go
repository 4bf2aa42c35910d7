package types

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// all is a commit by all four, of height 4, round 1.
func (c *golden) all() *Commit {
	var votes []*Vote
	for i := range c.set.Len() {
		votes = append(votes, c.vote(i, Precommit, 4, 1, valueA))
	}
	return MakeCommit(4, 1, valueA, votes)
}

// verifiers are the three that look at commits, when they should be for what c.all is for.
func (c *golden) verifiers() map[string]func(*Commit) error {
	return map[string]func(*Commit) error{
		"VerifyCommit":         func(m *Commit) error { return VerifyCommit(chainID, c.set, valueA, 4, m) },
		"VerifyCommitLight":    func(m *Commit) error { return VerifyCommitLight(chainID, c.set, valueA, 4, m) },
		"VerifyCommitTrusting": func(m *Commit) error { return VerifyCommitTrusting(chainID, c.set, m, Fraction{99, 100}) },
	}
}

func TestACommitOfAllIsRight(t *testing.T) {
	c := newGolden(t)
	for name, verify := range c.verifiers() {
		require.NoError(t, verify(c.all()), name)
	}
}

// Whatever one field is changed to, the commit is wrong, and the error says what.
func TestACommitWrongInOneFieldIsRefused(t *testing.T) {
	c := newGolden(t)
	for _, test := range []struct {
		want   string
		change func(m *Commit)
	}{
		{"should be of height 4", func(m *Commit) { m.Height = 5 }},
		{"signature 0", func(m *Commit) { m.Round = 2 }},
		{"round -1", func(m *Commit) { m.Round = -1 }},
		{"its value is", func(m *Commit) { m.Value = valueB }},
		{"its value is", func(m *Commit) { m.Value.Parts.Total++ }},
		{"its value is", func(m *Commit) { m.Value.Parts.Hash[31]++ }},
		{"nil", func(m *Commit) { m.Value = NilValue }},
		{"3 signatures", func(m *Commit) { m.Signatures = m.Signatures[:3] }},
		{"5 signatures", func(m *Commit) { m.Signatures = append(m.Signatures, CommitSig{Flag: CommitAbsent}) }},
		{"no signatures", func(m *Commit) { m.Signatures = nil }},
		{"signature 1: flag 0", func(m *Commit) { m.Signatures[1].Flag = 0 }},
		{"signature 1: flag 4", func(m *Commit) { m.Signatures[1].Flag = 4 }},
		{"signature 1: absent", func(m *Commit) { m.Signatures[1].Flag = CommitAbsent }},
		{"signature 0", func(m *Commit) { m.Signatures[0].Time = m.Signatures[0].Time.Add(1) }},
		{"signature 0", func(m *Commit) { m.Signatures[0].Signature[5] ^= 1 }},
		{"signature 0", func(m *Commit) { m.Signatures[0].Signature = m.Signatures[1].Signature }},
		{"signature 1: it is nobody's", func(m *Commit) { m.Signatures[1].Validator = Address{} }},
		{"signature 2: 63 bytes", func(m *Commit) { m.Signatures[2].Signature = m.Signatures[2].Signature[:63] }},
		{"should be of", func(m *Commit) { m.Signatures[1].Validator = m.Signatures[0].Validator }},
		{"should be of", func(m *Commit) { m.Signatures[0], m.Signatures[1] = m.Signatures[1], m.Signatures[0] }},
	} {
		m := c.all()
		test.change(m)
		for name, verify := range c.verifiers() {
			if name == "VerifyCommitTrusting" {
				continue
			}
			err := verify(m)
			require.Error(t, err, "RULE COMMIT: %s: %s", name, test.want)
			if test.want != "nil" && test.want != "no signatures" && test.want != "round -1" { // another thing is found first
				require.ErrorIs(t, err, ErrCommit)
				require.ErrorContains(t, err, test.want, "RULE COMMIT: %s", name)
			}
		}
	}
	// Also if all have signed what is wrong.
	for _, h := range []Height{3, 5} {
		var votes []*Vote
		for i := range c.set.Len() {
			votes = append(votes, c.vote(i, Precommit, h, 1, valueA))
		}
		require.ErrorIs(t, VerifyCommit(chainID, c.set, valueA, 4, MakeCommit(h, 1, valueA, votes)), ErrCommit, "RULE COMMIT: of height %d", h)
	}
	other := valueA
	other.Parts.Total++
	require.ErrorIs(t, VerifyCommit(chainID, c.set, other, 4, c.all()), ErrCommit, "RULE COMMIT: other parts")
	for _, verify := range c.verifiers() {
		require.ErrorIs(t, verify(nil), ErrCommit)
	}
	require.ErrorContains(t, VerifyCommit("chain-2", c.set, valueA, 4, c.all()), "chain-2", "RULE S1: the chain's id")
	require.ErrorContains(t, VerifyCommitLight("chain-2", c.set, valueA, 4, c.all()), "chain-2", "RULE S1: the chain's id")
	require.ErrorContains(t, VerifyCommitTrusting("chain-2", c.set, c.all(), Fraction{1, 3}), "chain-2", "RULE S1: the chain's id")
}

// A prevote's signature, or one for nil, does not pass for a precommit of the block.
func TestOtherSignaturesAreNoPrecommits(t *testing.T) {
	c := newGolden(t)
	for what, v := range map[string]*Vote{
		"a prevote": c.vote(0, Prevote, 4, 1, valueA), "for nil": c.vote(0, Precommit, 4, 1, NilValue), "of another height": c.vote(0, Precommit, 5, 1, valueA),
	} {
		m := c.all()
		m.Signatures[0].Signature = v.Signature
		for name, verify := range c.verifiers() {
			require.ErrorIs(t, verify(m), ErrCommit, "RULE S1: %s: %s", name, what)
		}
	}
}

// Powers are 40, 30, 20, 10, in the set's order: more than two thirds of 100 is 67.
func TestPowerIsCountedForTheBlockOnly(t *testing.T) {
	c := newGolden(t)
	for _, test := range []struct {
		flags string // of each: b, n(il), a(bsent)
		ok    bool
	}{
		{"bbbb", true}, {"bbaa", true}, {"bbnn", true}, {"baba", false}, {"babb", true}, {"abbb", false}, {"bnbn", false}, {"nbbb", false}, {"naaa", false},
	} {
		var votes []*Vote
		for i, f := range test.flags {
			switch f {
			case 'b':
				votes = append(votes, c.vote(i, Precommit, 4, 1, valueA))
			case 'n':
				votes = append(votes, c.vote(i, Precommit, 4, 1, NilValue))
			default:
				votes = append(votes, nil)
			}
		}
		m := MakeCommit(4, 1, valueA, votes)
		for name, verify := range c.verifiers() {
			if name == "VerifyCommitTrusting" {
				verify = func(m *Commit) error { return VerifyCommitTrusting(chainID, c.set, m, Fraction{2, 3}) }
			}
			if test.ok {
				require.NoError(t, verify(m), "RULE K1: %s: %s", name, test.flags)
			} else {
				require.ErrorIs(t, verify(m), ErrNotEnoughPower, "RULE K1: %s: %s", name, test.flags)
			}
		}
		for i, f := range test.flags {
			v := m.Vote(i)
			require.Equal(t, f == 'a', v == nil)
			if v != nil {
				require.Equal(t, votes[i], v)
				require.True(t, v.Verify(chainID, c.set.At(i).PubKey))
			}
		}
	}
}

// Two thirds are not more than two thirds, and neither is 2n/3 rounded.
func TestTwoThirdsAreNotEnough(t *testing.T) {
	for n := 1; n <= 10; n++ {
		set, signers := signingSet(t, n, func(int) int64 { return 1 })
		for sign := 0; sign <= n; sign++ {
			votes := make([]*Vote, n)
			for i := range sign {
				votes[i] = &Vote{Type: Precommit, Height: 1, Value: valueA, Validator: set.At(i).Address, ValidRound: NoRound}
				signers[i].sign(votes[i])
			}
			m := MakeCommit(1, 0, valueA, votes)
			for name, err := range map[string]error{
				"all": VerifyCommit(chainID, set, valueA, 1, m), "light": VerifyCommitLight(chainID, set, valueA, 1, m),
				"trusting": VerifyCommitTrusting(chainID, set, m, Fraction{2, 3}),
			} {
				require.Equal(t, 3*sign > 2*n, err == nil, "RULE K1: %s: %d of %d: %v", name, sign, n, err)
			}
			if err := VerifyCommitTrusting(chainID, set, m, Fraction{1, 3}); 3*sign != n { // a third: TestTrustIsCountedInTheTrustedSet
				require.Equal(t, 3*sign > n, err == nil, "RULE C1: %d of %d: %v", sign, n, err)
			}
		}
	}
}

// Of the signatures that VerifyCommit looks at, VerifyCommitLight needs those of more than two thirds, and looks at no others.
func TestLightVerificationStopsAtTwoThirds(t *testing.T) {
	c := newGolden(t)
	m := c.all()
	m.Signatures[3].Signature = make([]byte, SignatureSize)
	require.ErrorContains(t, VerifyCommit(chainID, c.set, valueA, 4, m), "signature 3", "RULE COMMIT: all are verified")
	require.NoError(t, VerifyCommitLight(chainID, c.set, valueA, 4, m))
	nils := c.all()
	nils.Signatures[3] = CommitSig{Flag: CommitNil, Validator: c.set.At(3).Address, Signature: make([]byte, SignatureSize)}
	require.ErrorContains(t, VerifyCommit(chainID, c.set, valueA, 4, nils), "signature 3", "RULE COMMIT: those for nil are verified")
}

// C1: power is counted in the trusted set, once for each of its validators.
func TestTrustIsCountedInTheTrustedSet(t *testing.T) {
	c := newGolden(t)
	m := c.all()
	old := func(powers ...int64) *ValidatorSet {
		var vs []Validator
		for i, p := range powers {
			v := c.set.At(i)
			v.Power = p
			vs = append(vs, v)
		}
		stranger := newSigner("stranger")
		return mustSet(t, append(vs, Validator{Address: AddressOf(stranger.PubKey()), PubKey: stranger.PubKey(), Power: 200})...)
	}
	require.NoError(t, VerifyCommitTrusting(chainID, old(101), m, Fraction{1, 3}), "RULE C1: found by address")
	require.ErrorIs(t, VerifyCommitTrusting(chainID, old(100), m, Fraction{1, 3}), ErrNotEnoughPower, "RULE C1: exactly a third of the trusted set")
	require.NoError(t, VerifyCommitTrusting(chainID, old(50, 51), m, Fraction{1, 3}))

	twice := c.all()
	twice.Signatures[1] = twice.Signatures[0]
	require.ErrorContains(t, VerifyCommitTrusting(chainID, old(60), twice, Fraction{1, 3}), "second of validator", "RULE C1: counted twice")
	for _, level := range []Fraction{{}, {Numerator: 1}, {Numerator: 4, Denominator: 3}} {
		require.ErrorIs(t, VerifyCommitTrusting(chainID, c.set, m, level), ErrCommit)
	}
}

// A signature that was right by one key is not looked at again, and by another key it is; one that was wrong stays wrong.
func TestASignatureIsRememberedWithItsKey(t *testing.T) {
	c := newGolden(t)
	m := c.all()
	v := NewCommitVerifier(chainID, m)
	require.NoError(t, v.Trusting(c.set, Fraction{2, 3}))
	signed := m.Signatures[0].Signature[0]
	m.Signatures[0].Signature[0]++ // which nobody may do: it shows what is looked at
	require.NoError(t, v.Light(c.set, valueA, 4), "it is verified again")

	var others []Validator
	for i := range c.set.Len() {
		o := c.set.At(i)
		o.PubKey = newSigner(fmt.Sprint("other", i)).PubKey()
		others = append(others, o)
	}
	require.ErrorContains(t, v.Light(mustSet(t, others...), valueA, 4), "signature 0", "RULE COMMIT: by another key")
	v = NewCommitVerifier(chainID, m)
	for range 2 {
		require.ErrorContains(t, v.Trusting(c.set, Fraction{2, 3}), "signature 0", "RULE COMMIT: it was wrong before")
	}
	m.Signatures[0].Signature[0] = signed
	require.NoError(t, v.Light(c.set, valueA, 4))
}

func TestFractionsDoNotOverflow(t *testing.T) {
	most := MaxTotalPower
	require.True(t, Fraction{2, 3}.exceededBy(most, most))
	require.False(t, Fraction{1 << 63, 1 << 63}.exceededBy(most, most))
	require.True(t, Fraction{1<<63 - 1, 1 << 63}.exceededBy(most, most))
	require.False(t, Fraction{1, 3}.exceededBy(most/3, most))
	require.True(t, Fraction{1, 3}.exceededBy(most/3+1, most))
}

func TestACommitIsMadeOfPrecommitsForItsValue(t *testing.T) {
	c := newGolden(t)
	m := MakeCommit(4, 1, valueA, []*Vote{
		c.vote(0, Precommit, 4, 1, valueB), c.vote(1, Prevote, 4, 1, valueA), c.vote(2, Precommit, 4, 0, valueA), c.vote(3, Precommit, 3, 1, valueA),
	})
	for i := range m.Signatures {
		require.Equal(t, CommitSig{Flag: CommitAbsent}, m.Signatures[i], "RULE COMMIT: vote %d", i)
	}
}

func TestEvidence(t *testing.T) {
	c := newGolden(t)
	require.NoError(t, c.evidence(t).Verify(chainID, c.set))
	for want, change := range map[string]func(e *DuplicateVoteEvidence){
		"no validator":    func(e *DuplicateVoteEvidence) { e.First.Validator = Address{1} },
		"somebody else's": func(e *DuplicateVoteEvidence) { e.Second = *c.vote(1, Prevote, 3, 1, valueB) },
		"one height":      func(e *DuplicateVoteEvidence) { e.Second = *c.vote(2, Prevote, 4, 1, valueB) },
		"round":           func(e *DuplicateVoteEvidence) { e.Second = *c.vote(2, Prevote, 3, 2, valueB) },
		"kind":            func(e *DuplicateVoteEvidence) { e.Second = *c.vote(2, Precommit, 3, 1, valueB) },
		"for one value":   func(e *DuplicateVoteEvidence) { e.Second = e.First },
		"wrong order":     func(e *DuplicateVoteEvidence) { e.First, e.Second = e.Second, e.First },
		"number 2":        func(e *DuplicateVoteEvidence) { e.ValidatorIndex = 1 },
		"its power":       func(e *DuplicateVoteEvidence) { e.ValidatorPower++ },
		"total power":     func(e *DuplicateVoteEvidence) { e.TotalVotingPower++ },
		"a signature":     func(e *DuplicateVoteEvidence) { e.Second.Signature[0]++ },
		"signature is":    func(e *DuplicateVoteEvidence) { e.First.Signature[0]++ },
	} {
		e := c.evidence(t)
		change(e)
		err := e.Verify(chainID, c.set)
		require.ErrorIs(t, err, ErrEvidence, "RULE E1: %s", want)
		require.ErrorContains(t, err, want)
	}
	require.ErrorIs(t, c.evidence(t).Verify("chain-2", c.set), ErrEvidence, "RULE S1: of another chain")
	_, err := NewEvidence(DoubleVote{}, c.set, someTime)
	require.ErrorIs(t, err, ErrEvidence)
}

func TestABlockAgreesWithItself(t *testing.T) {
	c := newGolden(t)
	for want, change := range map[string]func(b *Block){
		"transactions": func(b *Block) { b.Txs[0] = []byte("a=2") },
		"evidence":     func(b *Block) { b.Evidence = nil },
		"last commit":  func(b *Block) { b.LastCommit.Signatures[0].Time = time.Time{} },
		"height 0":     func(b *Block) { b.Height = 0 },
		"chain's id":   func(b *Block) { b.ChainID = fmt.Sprintf("%051d", 0) },
		"validators":   func(b *Block) { b.NextValidatorsHash = Hash{} },
		"no proposer":  func(b *Block) { b.ProposerAddress = Address{} },
	} {
		b := c.block(t)
		require.NoError(t, b.Check())
		change(b)
		require.ErrorIs(t, b.Check(), ErrBlock, want)
		require.ErrorContains(t, b.Check(), want)
	}
}

func benchmarkCommit(b *testing.B, verify func(set *ValidatorSet, m *Commit) error) {
	for _, n := range []int{4, 100} {
		b.Run(fmt.Sprintf("validators=%d", n), func(b *testing.B) {
			set, signers := signingSet(b, n, func(int) int64 { return 10 })
			votes := make([]*Vote, n)
			for i := range votes {
				votes[i] = &Vote{Type: Precommit, Height: 4, Value: valueA, Time: someTime, Validator: set.At(i).Address, ValidRound: NoRound}
				signers[i].sign(votes[i])
			}
			m := MakeCommit(4, 0, valueA, votes)
			b.ReportAllocs()
			for b.Loop() {
				if err := verify(set, m); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkVerifyCommit(b *testing.B) {
	benchmarkCommit(b, func(set *ValidatorSet, m *Commit) error { return VerifyCommit(chainID, set, valueA, 4, m) })
}

func BenchmarkVerifyCommitLight(b *testing.B) {
	benchmarkCommit(b, func(set *ValidatorSet, m *Commit) error { return VerifyCommitLight(chainID, set, valueA, 4, m) })
}

func BenchmarkSignBytes(b *testing.B) {
	v := &Vote{Type: Precommit, Height: 123_456, Round: 2, Value: valueA, Time: someTime, ValidRound: NoRound}
	room := make([]byte, 0, 256)
	b.ReportAllocs()
	for b.Loop() {
		room = v.AppendSignBytes(room[:0], "test-chain-id")
	}
}

func BenchmarkBlock(b *testing.B) {
	block := newGolden(b).block(b)
	block.Txs = nil
	for range 4000 {
		block.Txs = append(block.Txs, make([]byte, 250))
	}
	block.Fill()
	encoded := block.Encode(nil)
	b.Run("op=encode", func(b *testing.B) {
		b.ReportAllocs()
		b.SetBytes(int64(len(encoded)))
		for b.Loop() {
			encoded = block.Encode(encoded[:0])
		}
	})
	b.Run("op=decode", func(b *testing.B) {
		b.ReportAllocs()
		b.SetBytes(int64(len(encoded)))
		for b.Loop() {
			if _, err := DecodeBlock(encoded); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("op=parts", func(b *testing.B) {
		b.ReportAllocs()
		b.SetBytes(int64(len(encoded)))
		for b.Loop() {
			MakeParts(encoded)
		}
	})
}

func TestSignBytesAllocateNothing(t *testing.T) {
	c := newGolden(t)
	v, p, room := c.vote(0, Prevote, 5, 1, valueA), c.proposal(), make([]byte, 0, 256)
	require.Zero(t, testing.AllocsPerRun(10, func() {
		room = v.AppendSignBytes(room[:0], chainID)
		room = p.AppendSignBytes(room[:0], chainID)
	}))
}
