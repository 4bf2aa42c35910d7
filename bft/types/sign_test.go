package types

import (
	stded25519 "crypto/ed25519"
	"crypto/sha512"
	"encoding/hex"
	"math/big"
	"slices"
	"testing"

	"github.com/oasisprotocol/curve25519-voi/curve"
	"github.com/oasisprotocol/curve25519-voi/curve/scalar"
	"github.com/stretchr/testify/require"
)

// littleEndian is x in 32 bytes; with sign, the highest bit is set.
func littleEndian(x *big.Int, sign byte) []byte {
	b := x.FillBytes(make([]byte, 32))
	slices.Reverse(b)
	b[31] |= sign << 7
	return b
}

// smallOrder are the encodings of points of small order that ZIP-215 takes: of the eight points, and six odd ones, with
// a y that is not reduced, or a sign of x = 0. A signature with R and the key among them, and S = 0, is right
// for any message by [8][S]B = [8]R + [8][k]A; implementations that do not say so differ about nearly all of the 196.
func smallOrder(t testing.TB) [][]byte {
	p := new(big.Int).Sub(new(big.Int).Lsh(big.NewInt(1), 255), big.NewInt(19))
	add := func(n int64) *big.Int { return new(big.Int).Add(p, big.NewInt(n)) }
	var all [][]byte
	for _, y := range []*big.Int{big.NewInt(0), big.NewInt(1), add(-1), add(0), add(1)} {
		all = append(all, littleEndian(y, 0), littleEndian(y, 1))
	}
	for _, y := range []string{
		"26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05", "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
	} {
		b, err := hex.DecodeString(y)
		require.NoError(t, err)
		high := slices.Clone(b)
		high[31] |= 0x80
		all = append(all, b, high)
	}
	return all
}

// verdicts are the answers of each way to verify a signature: alone, with a key that was seen before, in a batch of itself, and
// among right ones.
func verdicts(t testing.TB, pubKey, msg, sig []byte) []bool {
	alone, cached := VerifySignature(pubKey, msg, sig), VerifySignature(pubKey, msg, sig)
	batch := NewBatch(1)
	batch.Add(pubKey, msg, sig)
	mixed := NewBatch(5)
	for i := range 5 {
		if i == 3 {
			mixed.Add(pubKey, msg, sig)
			continue
		}
		s := newSigner("other")
		v := &Vote{Type: Prevote, Height: 1, ValidRound: NoRound}
		s.sign(v)
		mixed.Add(s.PubKey(), v.AppendSignBytes(nil, chainID), v.Signature)
	}
	first := mixed.Verify()
	require.Contains(t, []int{-1, 3}, first, "RULE S3: another one is blamed")
	return []bool{alone, cached, batch.Verify() < 0, first < 0}
}

func requireVerdict(t testing.TB, want bool, what string, pubKey, msg, sig []byte) {
	t.Helper()
	for i, got := range verdicts(t, pubKey, msg, sig) {
		require.Equal(t, want, got, "RULE S3: %s: %s", [...]string{"alone", "cached", "batch", "mixed batch"}[i], what)
	}
}

// S3: the 14 x 14 vectors of ZIP-215.
func TestSignaturesOfSmallOrderAreRightEverywhere(t *testing.T) {
	msg, points, standard := []byte("Zcash"), smallOrder(t), 0
	require.Len(t, points, 14)
	for _, key := range points {
		for _, r := range points {
			sig := append(slices.Clone(r), make([]byte, 32)...)
			requireVerdict(t, true, hex.EncodeToString(key)+" "+hex.EncodeToString(r), key, msg, sig)
			if stded25519.Verify(key, msg, sig) {
				standard++
			}
		}
	}
	require.Less(t, standard, 100, "these are the vectors that implementations differ about")
}

// S3: a key or an R with a part of small order is right, for the equation is multiplied by the cofactor 8; in a batch without
// that, it would be right or not by chance.
func TestPartsOfSmallOrderAreRightEverywhere(t *testing.T) {
	for i, torsion := range curve.EIGHT_TORSION {
		for j, torsionR := range curve.EIGHT_TORSION {
			a, r := scalar.NewFromUint64(uint64(1000+i)), scalar.NewFromUint64(uint64(2000+j))
			point := func(s *scalar.Scalar, t *curve.EdwardsPoint) []byte {
				p := curve.NewEdwardsPoint().MulBasepoint(curve.ED25519_BASEPOINT_TABLE, s)
				return curve.NewCompressedEdwardsY().SetEdwardsPoint(p.Add(p, t))[:]
			}
			key, R, msg := point(a, torsion), point(r, torsionR), []byte("message")
			h := sha512.New()
			for _, b := range [][]byte{R, key, msg} {
				h.Write(b)
			}
			k, err := scalar.NewFromBytesModOrderWide(h.Sum(nil))
			require.NoError(t, err)
			s := scalar.New().Add(r, scalar.New().Mul(k, a))
			sig := append(slices.Clone(R), make([]byte, 32)...)
			require.NoError(t, s.ToBytes(sig[32:]))
			requireVerdict(t, true, "torsion", key, msg, sig)
			sig[40] ^= 1
			requireVerdict(t, false, "torsion, wrong S", key, msg, sig)
		}
	}
}

// S3: what ZIP-215 refuses is refused everywhere, whatever is wrong.
func TestWrongSignaturesAreWrongEverywhere(t *testing.T) {
	s, v := newSigner("n1"), &Vote{Type: Prevote, Height: 1, ValidRound: NoRound}
	s.sign(v)
	key, msg, sig := s.PubKey(), v.AppendSignBytes(nil, chainID), v.Signature
	requireVerdict(t, true, "as signed", key, msg, sig)
	order, _ := new(big.Int).SetString("7237005577332262213973186563042994240857116359379907606001950938285454250989", 10)
	low := slices.Clone(sig[32:])
	slices.Reverse(low)
	malleable := append(slices.Clone(sig[:32]), littleEndian(new(big.Int).Add(new(big.Int).SetBytes(low), order), 0)...)
	requireVerdict(t, false, "S that is not reduced", key, msg, malleable)
	notOnCurve := littleEndian(big.NewInt(2), 0)
	requireVerdict(t, false, "R that is no point", key, msg, append(slices.Clone(notOnCurve), sig[32:]...))
	requireVerdict(t, false, "a key that is no point", notOnCurve, msg, sig)
	requireVerdict(t, false, "another message", key, []byte("no"), sig)
	requireVerdict(t, false, "another key", newSigner("n2").PubKey(), msg, sig)
	for n := range 64 {
		requireVerdict(t, false, "a short signature", key, msg, sig[:n])
	}
	requireVerdict(t, false, "a long signature", key, msg, append(slices.Clone(sig), 0))
	requireVerdict(t, false, "a short key", key[:31], msg, sig)
	requireVerdict(t, false, "no key", nil, msg, sig)
	for bit := range 512 {
		changed := slices.Clone(sig)
		changed[bit/8] ^= 1 << (bit % 8)
		require.False(t, VerifySignature(key, msg, changed), "RULE S3: bit %d", bit)
	}
	require.Equal(t, -1, NewBatch(0).Verify())
}

// S1: whatever is changed in a vote or a proposal, its signature is not for that.
func TestAllOfAMessageIsSigned(t *testing.T) {
	c := newGolden(t)
	for what, change := range map[string]func(v *Vote){
		"type": func(v *Vote) { v.Type = Precommit }, "height": func(v *Vote) { v.Height++ }, "round": func(v *Vote) { v.Round++ },
		"value": func(v *Vote) { v.Value = valueB }, "nil": func(v *Vote) { v.Value = NilValue }, "parts": func(v *Vote) { v.Value.Parts.Total++ },
		"time": func(v *Vote) { v.Time = v.Time.Add(1) }, "valid round": func(v *Vote) { v.ValidRound = 0 },
	} {
		v := c.vote(0, Prevote, 5, 1, valueA)
		require.True(t, v.Verify(chainID, c.set.At(0).PubKey))
		require.False(t, v.Verify("chain-2", c.set.At(0).PubKey), "RULE S1: the chain's id is not signed")
		change(v)
		require.False(t, v.Verify(chainID, c.set.At(0).PubKey), "RULE S1: %s is not signed", what)
	}
	for what, change := range map[string]func(p *Proposal){
		"height": func(p *Proposal) { p.Height++ }, "round": func(p *Proposal) { p.Round++ }, "valid round": func(p *Proposal) { p.ValidRound-- },
		"value": func(p *Proposal) { p.Value = valueB }, "time": func(p *Proposal) { p.Time = p.Time.Add(1) },
	} {
		p := c.proposal()
		require.True(t, p.Verify(chainID, c.set.At(1).PubKey))
		require.False(t, p.Verify("chain-2", c.set.At(1).PubKey), "RULE S1: the chain's id is not signed")
		change(p)
		require.False(t, p.Verify(chainID, c.set.At(1).PubKey), "RULE S1: %s is not signed", what)
	}
}

// A vote whose chain says so signs its valid round; a precommit never does.
func TestTheValidRoundIsSignedByPrevotesThatHaveOne(t *testing.T) {
	c := newGolden(t)
	v := c.vote(0, Prevote, 5, 2, valueA)
	without := v.AppendSignBytes(nil, chainID)
	v.ValidRound = 0
	with := v.AppendSignBytes(nil, chainID)
	require.Len(t, with, len(without)+10)
	require.Equal(t, without[1:], with[1:len(without)])
	v.Type = Precommit
	require.Len(t, v.AppendSignBytes(nil, chainID), len(without))
}

func BenchmarkVerifySignature(b *testing.B) {
	s, v := newSigner("n1"), &Vote{Type: Prevote, Height: 1, ValidRound: NoRound}
	s.sign(v)
	for b.Loop() {
		if !v.Verify(chainID, s.PubKey()) {
			b.Fatal("wrong")
		}
	}
}
