package main

import (
	"encoding/hex"
	"strings"
	"testing"

	cmted "github.com/cometbft/cometbft/crypto/ed25519"
	"github.com/flagship-go/flagship/bft/types"
	"github.com/stretchr/testify/require"
)

// smallOrder has the encodings of the eight points of small order: the canonical ones, and those with a y that is not reduced or
// with a sign that zero has not. Keys and signatures made of them are what libraries differ about.
func smallOrder(t *testing.T) (points [][]byte) {
	t.Helper()
	f, z := strings.Repeat("ff", 30), strings.Repeat("00", 30)
	for _, text := range []string{
		"01" + z + "00", "ec" + f + "7f", "00" + z + "00", "00" + z + "80",
		"26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05", "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc85",
		"c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a", "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac03fa",
		"01" + z + "80", "ec" + f + "ff", "ee" + f + "7f", "ee" + f + "ff", "ed" + f + "7f", "ed" + f + "ff",
	} {
		point, err := hex.DecodeString(text)
		require.NoError(t, err)
		points = append(points, point)
	}
	return points
}

// sameVerdict asks both, one by one and in batches that have a good signature beside.
func sameVerdict(t *testing.T, key, message, signature []byte) bool {
	t.Helper()
	good := keyOf(0)
	goodSignature, err := cmted.PrivKey(good).Sign(message)
	require.NoError(t, err)

	our := types.VerifySignature(key, message, signature)
	batch := types.NewBatch(2)
	batch.Add(good[types.KeySize:], message, goodSignature)
	batch.Add(key, message, signature)
	require.Equal(t, our, batch.Verify() < 0, "ours, in a batch")

	require.Equal(t, cmted.PubKey(key).VerifySignature(message, signature), our, "CometBFT's")
	theirs := cmted.NewBatchVerifier()
	require.NoError(t, theirs.Add(cmted.PubKey(good[types.KeySize:]), message, goodSignature))
	if err := theirs.Add(cmted.PubKey(key), message, signature); err != nil {
		require.False(t, our, "CometBFT does not take it: %v", err)
		return our
	}
	ok, _ := theirs.Verify()
	require.Equal(t, ok, our, "CometBFT's, in a batch")
	return our
}

func TestSignaturesOfSmallOrderHaveTheSameVerdict(t *testing.T) { // S3
	points := smallOrder(t)
	for _, key := range points {
		for _, r := range points {
			signature := append(append([]byte{}, r...), make([]byte, 32)...)
			require.True(t, sameVerdict(t, key, []byte("Zcash"), signature), "%x %x", key, r) // by ZIP-215
			signature[32] = 1
			require.False(t, sameVerdict(t, key, []byte("Zcash"), signature), "%x %x", key, r)
		}
	}
}

func TestSignaturesHaveTheSameVerdict(t *testing.T) { // S3
	right := 0
	worlds(t, 500, func(t *testing.T, w *world) {
		key := keyOf(w.IntN(50))
		message := w.bytes(w.IntN(300))
		signature, err := cmted.PrivKey(key).Sign(message)
		require.NoError(t, err)
		public := append([]byte{}, key[types.KeySize:]...)
		switch w.IntN(8) {
		case 0:
			signature[w.IntN(64)] ^= 1 << w.IntN(8)
		case 1:
			public[w.IntN(32)] ^= 1 << w.IntN(8)
		case 2:
			message = append(message, 0)
		case 3:
			addOrder(signature[32:])
		case 4:
			signature = w.bytes(64)
		case 5:
			signature = signature[:w.IntN(64)]
		}
		if sameVerdict(t, public, message, signature) {
			right++
		}
	})
	require.Greater(t, right, 50)
}

// addOrder adds the order of the group to a scalar: the same one, but not reduced, which nobody is to take.
func addOrder(s []byte) {
	order, _ := hex.DecodeString("edd3f55c1a631258d69cf7a2def9de1400000000000000000000000000000010")
	carry := 0
	for i := range s {
		sum := int(s[i]) + int(order[i]) + carry
		s[i], carry = byte(sum), sum>>8
	}
}
