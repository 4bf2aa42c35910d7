package fullnode

import (
	"testing"

	"github.com/flagship-go/flagship/bft/types"
	"github.com/stretchr/testify/require"
)

// FuzzRecord reads anything as a record of the index: it is the one record of a height's hashes, or none.
func FuzzRecord(f *testing.F) {
	f.Add(encodeRecord(1, nil))
	f.Add(encodeRecord(300, []types.Hash{{1}, {2}}))
	f.Add([]byte{0x81, 0})
	f.Fuzz(func(t *testing.T, data []byte) {
		if h, hashes, ok := decodeRecord(data); ok {
			require.Positive(t, h)
			require.Equal(t, data, encodeRecord(h, hashes), "RULE ENC: a second record")
		}
	})
}
