package rs

import (
	"bytes"
	"testing"

	"github.com/klauspost/reedsolomon"
)

// Whatever is split comes back, after the loss of any shards, as many as there
// are parity shards, and its parity is klauspost's.
func FuzzRoundTrip(f *testing.F) {
	f.Add([]byte("flagship"), uint8(4), uint8(2), uint64(5))
	f.Add(bytes.Repeat([]byte{1, 2, 3}, 500), uint8(10), uint8(4), uint64(1<<63|7))
	f.Fuzz(func(t *testing.T, data []byte, d, p uint8, losses uint64) {
		g, h := 1+int(d%40), 1+int(p%20)
		if len(data) == 0 {
			return
		}
		c, err := New(g, h)
		if err != nil {
			t.Fatal(err)
		}
		shards, err := c.Split(data)
		if err != nil {
			t.Fatal(err)
		}
		if err := c.Encode(shards); err != nil {
			t.Fatal(err)
		}
		oracle, err := reedsolomon.New(g, h, reedsolomon.WithMaxGoroutines(1))
		if err != nil {
			t.Fatal(err)
		}
		if ok, err := oracle.Verify(shards); !ok || err != nil {
			t.Fatalf("klauspost says %v, %v of %d+%d, %d bytes", ok, err, g, h, len(data))
		}
		for i, lost := 0, 0; i < g+h && lost < h; i++ {
			if losses>>(i%64)&1 == 1 {
				shards[i] = nil
				lost++
			}
		}
		if err := c.Reconstruct(shards); err != nil {
			t.Fatal(err)
		}
		var out bytes.Buffer
		if err := c.Join(&out, shards, len(data)); err != nil || !bytes.Equal(out.Bytes(), data) {
			t.Fatalf("%d+%d: %v, and %d bytes are not the same", g, h, err, len(data))
		}
	})
}

// However shards are changed: what Locate names, once it is taken away and
// reconstructed, leaves shards that agree.
func FuzzLocate(f *testing.F) {
	f.Add([]byte{1, 2, 3}, []byte{0, 0, 9})
	f.Add([]byte{1, 2, 3, 4, 5, 6, 7, 8}, []byte{3, 1, 255, 5, 0, 1})
	f.Fuzz(func(t *testing.T, data, changes []byte) {
		c, err := New(5, 4)
		if err != nil {
			t.Fatal(err)
		}
		shards, err := c.Split(bytes.Clone(data)) // what follows writes to them
		if err != nil {
			return
		}
		if err := c.Encode(shards); err != nil {
			t.Fatal(err)
		}
		changed := map[int]bool{}
		for ; len(changes) >= 3; changes = changes[3:] {
			s := shards[changes[0]%9]
			s[int(changes[1])%len(s)] ^= changes[2]
			changed[int(changes[0]%9)] = true
		}
		corrupt, err := c.Locate(shards)
		if err != nil {
			if len(changed) <= 2 {
				t.Fatalf("%v are changed: %v", changed, err)
			}
			return
		}
		for _, i := range corrupt {
			if len(changed) <= 2 && !changed[i] {
				t.Fatalf("%v are changed, %v are named", changed, corrupt)
			}
			shards[i] = shards[i][:0]
		}
		if err := c.Reconstruct(shards); err != nil {
			t.Fatal(err)
		}
		if ok, err := c.Verify(shards); !ok || err != nil {
			t.Fatalf("%v are changed, %v are named, and then Verify says %v, %v", changed, corrupt, ok, err)
		}
	})
}
