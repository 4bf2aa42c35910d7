package p2p

import (
	"crypto/ed25519"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strings"

	"github.com/flagship-go/flagship/internal/vfs"
)

// An ID names a node: the first 20 bytes of the SHA-256 of its public key, in lower-case hex, as in CometBFT.
type ID string

// IDOf is the name of the node with a public key.
func IDOf(key ed25519.PublicKey) ID {
	sum := sha256.Sum256(key)
	return ID(hex.EncodeToString(sum[:20]))
}

// ParseAddress splits "id@host:port".
func ParseAddress(s string) (id ID, hostport string, err error) {
	name, hostport, ok := strings.Cut(s, "@")
	b, err := hex.DecodeString(name)
	if !ok || err != nil || len(b) != 20 || name != strings.ToLower(name) {
		return "", "", fmt.Errorf("%w: peer address %q is not id@host:port with an id of 40 hex digits", ErrOptions, s)
	}
	if _, _, err := net.SplitHostPort(hostport); err != nil {
		return "", "", fmt.Errorf("%w: peer address %q: %w", ErrOptions, s, err)
	}
	return ID(name), hostport, nil
}

// nodeKey is CometBFT's node_key.json.
type nodeKey struct {
	PrivKey struct {
		Type  string `json:"type"`
		Value []byte `json:"value"`
	} `json:"priv_key"`
}

const keyType = "tendermint/PrivKeyEd25519"

// OpenKey reads a node's key from a file like CometBFT's node_key.json, and makes one if there is no
// file. A node key signs handshakes only: it is no validator's key.
func OpenKey(path string) (ed25519.PrivateKey, error) {
	b, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return createKey(path)
	}
	if err != nil {
		return nil, fmt.Errorf("p2p: read the node key: %w", err)
	}
	return decodeKey(path, b)
}

// decodeKey is the key in the file at path.
func decodeKey(path string, b []byte) (ed25519.PrivateKey, error) {
	var k nodeKey
	if err := json.Unmarshal(b, &k); err != nil {
		return nil, fmt.Errorf("%w: node key %s: %w", ErrOptions, path, err)
	}
	if k.PrivKey.Type != keyType || len(k.PrivKey.Value) != ed25519.PrivateKeySize {
		return nil, fmt.Errorf("%w: node key %s has type %q and %d bytes, not %q and %d",
			ErrOptions, path, k.PrivKey.Type, len(k.PrivKey.Value), keyType, ed25519.PrivateKeySize)
	}
	// A public half that is not that of the seed would be a name whose owner cannot be proved, and signing with it gives the seed away.
	if key := ed25519.NewKeyFromSeed(k.PrivKey.Value[:ed25519.SeedSize]); !key.Equal(ed25519.PrivateKey(k.PrivKey.Value)) {
		return nil, fmt.Errorf("%w: node key %s: its halves do not belong together", ErrOptions, path)
	}
	return ed25519.PrivateKey(k.PrivKey.Value), nil
}

func createKey(path string) (ed25519.PrivateKey, error) {
	_, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("p2p: make a node key: %w", err)
	}
	b, err := encodeKey(key)
	if err != nil {
		return nil, fmt.Errorf("p2p: encode the node key: %w", err)
	}
	dir, name := filepath.Dir(path), filepath.Base(path)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("p2p: make the node key's folder: %w", err)
	}
	// Half a key would keep the node from starting, and another one would make it a stranger to its peers.
	if err := vfs.Replace(vfs.OS(), dir, name+".new", name, b); err != nil {
		return nil, fmt.Errorf("p2p: write the node key: %w", err)
	}
	return key, nil
}

func encodeKey(key ed25519.PrivateKey) ([]byte, error) {
	var k nodeKey
	k.PrivKey.Type, k.PrivKey.Value = keyType, key
	return json.MarshalIndent(&k, "", "  ")
}
