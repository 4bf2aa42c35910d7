package p2p

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestANodeKeepsItsKey(t *testing.T) {
	path := filepath.Join(t.TempDir(), "config", "node_key.json")
	key, err := OpenKey(path)
	require.NoError(t, err)
	again, err := OpenKey(path)
	require.NoError(t, err)
	require.Equal(t, key, again)
	for _, bad := range []string{"{", `{"priv_key":{"type":"tendermint/PrivKeySecp256k1","value":"AAAA"}}`, `{}`} {
		require.NoError(t, os.WriteFile(path, []byte(bad), 0o600))
		_, err = OpenKey(path)
		require.ErrorIs(t, err, ErrOptions)
		require.ErrorContains(t, err, path)
	}
}

func TestAddresses(t *testing.T) {
	id := "0123456789abcdef0123456789abcdef01234567"
	got, hostport, err := ParseAddress(id + "@[::1]:26656")
	require.NoError(t, err)
	require.Equal(t, ID(id), got)
	require.Equal(t, "[::1]:26656", hostport)
	for _, bad := range []string{"", "host:1", id, id + "@host", id[1:] + "@host:1", "0123456789ABCDEF0123456789abcdef01234567@host:1"} {
		_, _, err := ParseAddress(bad)
		require.ErrorIs(t, err, ErrOptions, bad)
	}
}
