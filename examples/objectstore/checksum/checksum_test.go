package checksum_test

import (
	"encoding/base64"
	"encoding/hex"
	"testing"

	"github.com/flagship-go/flagship/examples/objectstore/checksum"
	"github.com/stretchr/testify/require"
)

// The check values of the catalogue of CRC algorithms, and of FIPS 180: sums of
// the nine digits.
func TestSumsAreTheCataloguesCheckValues(t *testing.T) {
	want := map[checksum.Algorithm]string{
		checksum.CRC32:     "cbf43926",
		checksum.CRC32C:    "e3069283",
		checksum.CRC64NVME: "ae8b14860a799888",
		checksum.SHA1:      "f7c3bc1d808e04732adf679965ccc34ca7ae3441",
		checksum.SHA256:    "15e2b0d3c33891ebb0f1ef609ec419420c20e320ce94c65fbc8c3312448eb225",
	}
	for _, a := range checksum.All() {
		h := a.New()
		h.Write([]byte("123456789"))
		require.Equal(t, want[a], hex.EncodeToString(h.Sum(nil)), "RULE S8: %s", a)
		text := checksum.Encode(h)
		require.True(t, a.Valid(text), a)
		require.False(t, a.Valid(text[1:]), a)
		require.False(t, a.Valid(base64.StdEncoding.EncodeToString([]byte("12345"))), a)
	}
}

func TestHeadersNameTheirAlgorithm(t *testing.T) {
	for _, a := range checksum.All() {
		got, ok := checksum.OfHeader(a.Header())
		require.True(t, ok)
		require.Equal(t, a, got)
	}
	a, ok := checksum.OfHeader("X-Amz-Checksum-Crc64nvme")
	require.True(t, ok)
	require.Equal(t, checksum.CRC64NVME, a)
	_, ok = checksum.OfHeader("x-amz-checksum-mode")
	require.False(t, ok)
	require.Nil(t, checksum.Algorithm("MD4").New())
}
