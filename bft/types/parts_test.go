package types

import (
	"bytes"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestPartsMakeABlockInAnyOrder(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for _, size := range []int{1, PartSize - 1, PartSize, PartSize + 1, 5*PartSize + 17} {
		encoded := make([]byte, size)
		for i := range encoded {
			encoded[i] = byte(r.Uint32())
		}
		header, parts := MakeParts(encoded)
		set := NewPartSet(header)
		require.Nil(t, set.Bytes())
		for i, at := range r.Perm(len(parts)) {
			require.False(t, set.Complete())
			require.False(t, set.Has(at))
			added, err := set.Add(&parts[at])
			require.NoError(t, err)
			require.True(t, added)
			added, err = set.Add(&parts[at])
			require.NoError(t, err)
			require.False(t, added, "a second time")
			require.Equal(t, i == len(parts)-1, set.Complete())
		}
		require.True(t, bytes.Equal(encoded, set.Bytes()))
		require.Equal(t, header, set.Header())
	}
}

// Every part is proved to be at its place in this block before it is kept.
func TestAWrongPartIsRefused(t *testing.T) {
	encoded := make([]byte, 5*PartSize+17)
	for i := range encoded {
		encoded[i] = byte(i>>8 + i>>16)
	}
	header, parts := MakeParts(encoded)
	other, _ := MakeParts(encoded[1:])
	fresh := func(p Part) Part {
		p.Bytes, p.Proof = bytes.Clone(p.Bytes), append([][32]byte(nil), p.Proof...)
		return p
	}
	for _, test := range []struct {
		name   string
		change func(p *Part)
	}{
		{"another byte", func(p *Part) { p.Bytes[3]++ }},
		{"wrong index", func(p *Part) { p.Index = 3 }},
		{"beyond total", func(p *Part) { p.Index = 6 }},
		{"far beyond total", func(p *Part) { p.Index = 1<<32 - 1 }},
		{"wrong proof", func(p *Part) { p.Proof[1][0]++ }},
		{"no proof", func(p *Part) { p.Proof = nil }},
		{"too much proof", func(p *Part) { p.Proof = append(p.Proof, [32]byte{}) }},
		{"empty", func(p *Part) { p.Bytes = nil }},
		{"short", func(p *Part) { p.Bytes = p.Bytes[:PartSize-1] }},
		{"long", func(p *Part) { p.Bytes = append(p.Bytes, 0) }},
	} {
		set := NewPartSet(header)
		p := fresh(parts[2])
		test.change(&p)
		added, err := set.Add(&p)
		require.ErrorIs(t, err, ErrPart, "RULE PART: %s", test.name)
		require.False(t, added)
		require.Zero(t, set.have)
	}
	_, err := NewPartSet(other).Add(&parts[2])
	require.ErrorIs(t, err, ErrPart, "RULE PART: of another block")
	_, err = NewPartSet(PartsHeader{Total: 3, Hash: header.Hash}).Add(&parts[2])
	require.ErrorIs(t, err, ErrPart, "RULE PART: another number of parts")
}

// A header that promises more than the largest block makes nobody keep room for it.
func TestAHeaderOfTooManyParts(t *testing.T) {
	for _, total := range []uint32{0, MaxParts + 1, 1<<32 - 1} {
		set := NewPartSet(PartsHeader{Total: total, Hash: Hash{1}})
		_, err := set.Add(&Part{Index: 0, Bytes: []byte{1}})
		require.ErrorIs(t, err, ErrPart)
		require.False(t, set.Complete(), "RULE PART: complete without a part")
		require.Zero(t, cap(set.parts))
	}
}

// Second preimage: the node over two parts is no part.
func TestANodeIsNoPart(t *testing.T) {
	header, parts := MakeParts(make([]byte, 2*PartSize))
	node := append(parts[1].Proof[0][:], parts[0].Proof[0][:]...)
	_, err := NewPartSet(PartsHeader{Total: 1, Hash: header.Hash}).Add(&Part{Bytes: node})
	require.ErrorIs(t, err, ErrPart, "RULE PART: a node is taken for a part")
}
