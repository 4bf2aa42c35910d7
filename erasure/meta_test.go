package erasure

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// someVersions are version files of all kinds.
func someVersions() []*holding {
	key := versionKey{Time: 42, ID: [16]byte{1, 2, 3}}
	null := versionKey{Time: 43, ID: [16]byte{nullBit, 2, 3}}
	small := version{versionKey: null, geometry: geometry{2, 2}, inline: true, size: 5, blockSize: 1 << 20,
		etag: "e", class: "STANDARD", metadata: map[string]string{"a": "b", "": "c"}}
	large := version{versionKey: key, geometry: geometry{6, 2}, size: 5 << 20, blockSize: 1 << 20, etag: "e-2", class: "X",
		parts: []Part{{Number: 1, Size: 3 << 20, ETag: "f", Modified: time.Unix(7, 8).UTC()}, {Number: 10000, Size: 2 << 20, Modified: time.Unix(0, 0).UTC()}}}
	marker := version{versionKey: key, geometry: geometry{1, 0}, marker: true, blockSize: 1}
	empty := version{versionKey: null, geometry: geometry{128, 128}, blockSize: 1 << 20}
	return []*holding{{version: small, shard: 3, body: []byte("abc")}, {version: large, shard: 7}, {version: marker}, {version: empty, shard: 255}}
}

func encodeHolding(h *holding) []byte { return withShard(h.common(), h.shard, h.body) }

func TestVersionFilesComeBack(t *testing.T) {
	for _, h := range someVersions() {
		got, err := decodeVersion(h.versionKey, encodeHolding(h))
		require.NoError(t, err)
		got.sum, h.body = 0, append([]byte{}, h.body...)
		require.Equal(t, h, got)
	}
}

func TestEveryFlippedBitOfAVersionFileIsFound(t *testing.T) {
	for _, h := range someVersions() {
		b := encodeHolding(h)
		for bit := range 8 * len(b) {
			b[bit/8] ^= 1 << (bit % 8)
			_, err := decodeVersion(h.versionKey, b)
			require.Error(t, err, "RULE E7: bit %d is flipped", bit)
			b[bit/8] ^= 1 << (bit % 8)
		}
		for n := range len(b) {
			_, err := decodeVersion(h.versionKey, b[:n])
			require.Error(t, err, "RULE E7: cut to %d bytes", n)
		}
		_, err := decodeVersion(h.versionKey, append(b, 0))
		require.Error(t, err, "RULE E7: a byte too many")
	}
}

func TestVersionFilesOfOthersAreRefused(t *testing.T) {
	h, other := someVersions()[0], someVersions()[0]
	other.size, other.body = 6, []byte("abd")
	_, err := decodeVersion(versionKey{Time: 1, ID: [16]byte{9}}, encodeHolding(h))
	require.ErrorContains(t, err, "another version", "RULE E2: under another version's name")
	_, err = decodeVersion(h.versionKey, append(h.common(), encodeHolding(other)[len(other.common()):]...))
	require.Error(t, err, "RULE E2: a shard with another version in front")

	newer := encodeHolding(h)
	newer[len(metaMagic)]++
	seal(newer[metaHead:len(h.common())], headSum(newer))
	_, err = decodeVersion(h.versionKey, newer)
	require.ErrorIs(t, err, ErrNewer, "RULE E15: a newer format")
	require.ErrorContains(t, err, "format 2", "RULE E15: it says which")
	_, err = decodeVersion(h.versionKey, []byte(strings.Repeat("<html>", 20)))
	require.ErrorContains(t, err, "not a version file")
}

func TestVersionIDs(t *testing.T) {
	null, key := versionKey{ID: [16]byte{0xff}}, versionKey{ID: [16]byte{0x7f}}
	require.True(t, null.null())
	require.False(t, key.null())
	require.Equal(t, "", null.versionID())
	require.True(t, null.matches("null"))
	require.False(t, null.matches(""))
	require.True(t, key.matches(key.versionID()))
	require.False(t, key.matches("null"))
	require.False(t, key.matches("7F000000000000000000000000000000"))
}

// FuzzVersionFile feeds decodeVersion anything. What it takes is what it would
// write.
func FuzzVersionFile(f *testing.F) {
	for _, h := range someVersions() {
		f.Add(encodeHolding(h))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		// The sums are made to fit, or nothing would get past them.
		var key versionKey
		if len(b) > metaHead+8+16 {
			key.ID = [16]byte(b[metaHead+8:])
			if n := int(uint32(b[metaHead])<<24 | uint32(b[metaHead+1])<<16 | uint32(b[metaHead+2])<<8 | uint32(b[metaHead+3])); n >= 16 && n <= len(b)-metaHead-8 {
				seal(b[metaHead:metaHead+8+n], headSum(b))
				if rest := b[metaHead+8+n:]; len(rest) >= 8 {
					_, _, sum, err := unseal(b[metaHead:metaHead+8+n], headSum(b))
					require.NoError(t, err)
					seal(rest, sum)
				}
			}
		}
		h, err := decodeVersion(key, b)
		if err != nil {
			return
		}
		again, err := decodeVersion(key, encodeHolding(h))
		require.NoError(t, err)
		h.sum, again.sum = 0, 0
		require.Equal(t, h, again)
		require.LessOrEqual(t, h.shards(), maxShards)
	})
}
