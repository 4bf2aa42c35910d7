package p2p

import (
	"crypto/ed25519"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strconv"
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

// FuzzAddress reads anything as an address: what is taken is put together again as it was.
func FuzzAddress(f *testing.F) {
	f.Add("0123456789abcdef0123456789abcdef01234567@[::1]:26656")
	f.Add("0123456789abcdef0123456789abcdef01234567@host@other:1")
	f.Fuzz(func(t *testing.T, s string) {
		id, hostport, err := ParseAddress(s)
		if err != nil {
			require.ErrorIs(t, err, ErrOptions)
			require.ErrorContains(t, err, strconv.Quote(s))
			return
		}
		require.Equal(t, s, string(id)+"@"+hostport)
		require.Regexp(t, "^[0-9a-f]{40}$", string(id))
		_, port, err := net.SplitHostPort(hostport)
		require.NoError(t, err)
		require.NotContains(t, port, "@")
	})
}

// FuzzKey reads anything as a node key: an error names the file, and a key is one whose owner can prove it, with one file.
func FuzzKey(f *testing.F) {
	good := ed25519.NewKeyFromSeed(make([]byte, ed25519.SeedSize))
	halves := slices.Clone(good)
	halves[40] ^= 1
	for _, key := range []ed25519.PrivateKey{good, halves, good[:32]} {
		text, err := encodeKey(key)
		require.NoError(f, err)
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		key, err := decodeKey("name", text)
		if err != nil {
			require.ErrorIs(t, err, ErrOptions)
			require.ErrorContains(t, err, "name")
			return
		}
		require.True(t, ed25519.Verify(key.Public().(ed25519.PublicKey), []byte("m"), ed25519.Sign(key, []byte("m"))), "RULE P1: nobody believes this key")
		again, err := encodeKey(key)
		require.NoError(t, err)
		back, err := decodeKey("name", again)
		require.NoError(t, err)
		require.Equal(t, key, back)
	})
}
