package bloom

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
)

func broken(t testing.TB, rule, format string, args ...any) {
	t.Helper()
	t.Fatalf("RULE %s: %s", rule, fmt.Sprintf(format, args...))
}

// keys are of many lengths, and differ in their last bytes only.
func testKey(i, length int) []byte {
	k := make([]byte, length+4)
	binary.BigEndian.PutUint32(k[length:], uint32(i))
	return k
}

func TestAKeyOfTheSetIsNeverDenied(t *testing.T) {
	for _, bitsPerKey := range []int{1, 5, 10, 20, 100} {
		for _, n := range []int{0, 1, 2, 63, 1000, 20000} {
			live := NewLive(n, bitsPerKey)
			var hashes []uint64
			for i := range n {
				h := Hash(testKey(i, i%40))
				hashes = append(hashes, h)
				live.Add(h)
			}
			f := Build(hashes, bitsPerKey)
			for i, h := range hashes {
				if !f.MayContain(h) || !live.MayContain(h) {
					broken(t, "B1", "key %d of %d denied at %d bits", i, n, bitsPerKey)
				}
			}
		}
	}
}

// An ideal filter lets through 0.8 % at ten bits per key, one of lines 1.2 %.
func TestFewStrangersPass(t *testing.T) {
	const n = 100000
	for _, length := range []int{0, 1, 4, 12, 29} {
		live := NewLive(n, 10)
		var hashes []uint64
		for i := range n {
			hashes = append(hashes, Hash(testKey(i, length)))
			live.Add(hashes[i])
		}
		f := Build(hashes, 10)
		passed, passedLive := 0, 0
		for i := range n {
			h := Hash(testKey(n+i, length))
			if f.MayContain(h) {
				passed++
			}
			if live.MayContain(h) {
				passedLive++
			}
		}
		if passed > n*15/1000 || passedLive > n*15/1000 {
			broken(t, "B2", "%d and %d of %d strangers pass, keys of %d bytes", passed, passedLive, n, length+4)
		}
	}
}

func TestHashesOfDifferentKeysDiffer(t *testing.T) {
	seen := make(map[uint64]string)
	add := func(k []byte) {
		h := Hash(k)
		if old, ok := seen[h]; ok && old != string(k) {
			broken(t, "B2", "%x and %x have the hash %x", old, k, h)
		}
		seen[h] = string(k)
	}
	for length := range 70 {
		for pos := range length {
			for bit := range 8 {
				k := make([]byte, length)
				k[pos] = 1 << bit
				add(k)
			}
		}
		add(make([]byte, length))
	}
}

// The hash is on disk: a filter written by an older build must be readable.
func TestHashNeverChanges(t *testing.T) {
	for k, want := range map[string]uint64{
		"":                  0xc66a33cb9dd7cb3a,
		"a":                 0x15f73b4cda34fc1d,
		"abcd":              0x1bd14917b5627246,
		"abcdefgh":          0x9a75f828e07e8529,
		"0123456789abcdef":  0x6d88e9b1eef382c2,
		"0123456789abcdefg": 0x40dce01403dba80d,
	} {
		require.Equal(t, fmt.Sprintf("%#x", want), fmt.Sprintf("%#x", Hash([]byte(k))), "%q", k)
	}
}

func TestALiveFilterTakesKeysFromManyGoroutines(t *testing.T) {
	f := NewLive(4000, 10)
	var wg sync.WaitGroup
	for g := range 4 {
		wg.Go(func() {
			for i := range 1000 {
				f.Add(Hash(testKey(g*1000+i, 4)))
			}
		})
	}
	wg.Wait()
	for i := range 4000 {
		if !f.MayContain(Hash(testKey(i, 4))) {
			broken(t, "B1", "key %d denied", i)
		}
	}
}

// FuzzFilter asks filters of arbitrary bytes.
func FuzzFilter(f *testing.F) {
	f.Add([]byte(Build([]uint64{1, 2, 3}, 10)), uint64(2))
	f.Add([]byte{}, uint64(1))
	f.Add(make([]byte, lineBytes+1), ^uint64(0))
	f.Add(bytes.Repeat([]byte{1}, lineBytes+2), uint64(12345))
	f.Add(bytes.Repeat([]byte{1}, 2*lineBytes), uint64(12345))
	f.Fuzz(func(t *testing.T, data []byte, h uint64) {
		got := Filter(data).MayContain(h)
		if len(data)%lineBytes != 1 && !got {
			broken(t, "B3", "a filter of %d bytes, which none has, denies a key", len(data))
		}
	})
}

func BenchmarkFilter(b *testing.B) {
	hashes := make([]uint64, 1<<16)
	for i := range hashes {
		hashes[i] = Hash(testKey(i, 12))
	}
	f, live := Build(hashes, 10), NewLive(len(hashes), 10)
	k := testKey(1, 12)
	b.Run("op=hash", func(b *testing.B) {
		for b.Loop() {
			Hash(k)
		}
	})
	b.Run("op=ask", func(b *testing.B) {
		for i := 0; b.Loop(); i++ {
			f.MayContain(hashes[i%len(hashes)] + 1)
		}
	})
	b.Run("op=add", func(b *testing.B) {
		for i := 0; b.Loop(); i++ {
			live.Add(hashes[i%len(hashes)])
		}
	})
}
