package ordmap

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
)

// TestSearchFindsTheFirstSlotAtOrAfterAKey: in blocks of keys of all shapes, which come
// in any order, with the prefixes that follow from it.
func TestSearchFindsTheFirstSlotAtOrAfterAKey(t *testing.T) {
	for _, shape := range shapes {
		rng := rand.New(rand.NewPCG(7, 7))
		for range 300 {
			span := 10 + rng.IntN(1000)
			key := func() string { return shape.key(rng.IntN(span)) }
			b := newBlock(0)
			b.bound(nil, nil)
			var keys []string
			for range 1 + rng.IntN(fan) {
				k := key()
				i, found := slices.BinarySearch(keys, k)
				if found {
					continue
				}
				keys = slices.Insert(keys, i, k)
				b.insert(i, newRecord(0, []byte(k), nil))
				begins(t, b, keys)
			}
			for range 50 {
				sought(t, b, keys, key())
			}
		}
	}
}

// begins checks what all keys begin with.
func begins(t *testing.T, b *block, keys []string) {
	for i, k := range keys {
		if b.prefix > len(k) || k[:b.prefix] != keys[0][:b.prefix] {
			t.Fatalf("RULE O7: %d bytes that all keys begin with: not %q", b.prefix, k)
		}
		if h := headOf([]byte(k), b.prefix); b.slots[i].head != h {
			t.Fatalf("RULE O7: the head of %q is %x, not %x", k, b.slots[i].head, h)
		}
	}
}

func sought(t *testing.T, b *block, keys []string, k string) {
	t.Helper()
	want, found := slices.BinarySearch(keys, k)
	if i, ok := b.search([]byte(k)); i != want || ok != found {
		t.Fatalf("RULE O7: search(%q) in %q = %d, %v", k, keys, i, ok)
	}
}

// TestWhatARangeBeginsWithIsNotLookedAt: a block with two ends takes what they have in
// common for what its keys begin with, and its own end may be sought in it.
func TestWhatARangeBeginsWithIsNotLookedAt(t *testing.T) {
	low, high := "account/00012", "account/00015"
	b := newBlock(0)
	b.bound(newRecord(0, []byte(low), nil), newRecord(0, []byte(high), nil))
	var keys []string
	for i := range 20 {
		k := fmt.Sprintf("account/0001%d", 20+i)
		keys = append(keys, k)
		b.insert(i, newRecord(0, []byte(k), nil))
		begins(t, b, keys)
	}
	if !b.sure || b.prefix != len("account/0001") {
		t.Fatalf("RULE O7: sure is %v, of %d bytes", b.sure, b.prefix)
	}
	for _, k := range append(keys, low, high, "account/00013999", "account/00012\x00", "account/00014"+strings.Repeat("x", 50)) {
		sought(t, b, keys, k)
	}
}
