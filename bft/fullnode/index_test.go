package fullnode

import (
	"crypto/sha256"
	"log/slog"
	"testing"

	"github.com/flagship-go/flagship/bft/abci"
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

// A transaction that has failed may be sent again; and one that went well may come again, and fail for that.
func TestATransactionIsFoundWhereItWentWell(t *testing.T) { // F2
	dir, quiet := t.TempDir(), slog.New(slog.DiscardHandler)
	x, err := openIndex(dir, 1, 0, quiet)
	require.NoError(t, err)
	twice, once := []byte("fails, then not"), []byte("fails when it comes again")
	for h, codes := range [][]uint32{{1, 0, 1}, {0, 1}, {1, 1}} { // each block has both, the first the second twice
		b := &types.Block{Header: types.Header{Height: types.Height(h + 1)}, Txs: [][]byte{twice, once, once}[:len(codes)]}
		var results []abci.ExecTxResult
		for _, code := range codes {
			results = append(results, abci.ExecTxResult{Code: code})
		}
		require.NoError(t, x.add(b, results, 1))
	}
	for range 2 {
		p, ok := x.find(sha256.Sum256(twice))
		require.True(t, ok)
		require.Equal(t, place{2, 0}, p, "RULE F2: what failed first is not what became of it")
		p, ok = x.find(sha256.Sum256(once))
		require.True(t, ok)
		require.Equal(t, place{1, 1}, p, "RULE F2: it went well, and that is hidden by a failure")
		require.NoError(t, x.log.Close())
		x, err = openIndex(dir, 1, 3, quiet) // and after a restart
		require.NoError(t, err)
	}
	require.NoError(t, x.prune(2))
	_, ok := x.find(sha256.Sum256(once))
	require.False(t, ok, "its block is gone")
	_, ok = x.find(types.Hash{})
	require.False(t, ok)
	require.NoError(t, x.log.Close())
}
