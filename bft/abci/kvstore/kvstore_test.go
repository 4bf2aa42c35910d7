package kvstore

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/flagship-go/flagship/bft/abci"
)

var key1, key2 = make([]byte, 32), append(make([]byte, 31), 1)

func begun(t *testing.T) *Store {
	t.Helper()
	s := New()
	_, err := s.InitChain(t.Context(), &abci.InitChainRequest{Validators: []abci.ValidatorUpdate{{PubKey: key1, Power: 2}}})
	require.NoError(t, err)
	return s
}

func block(t *testing.T, s *Store, height int64, txs ...string) *abci.FinalizeBlockResponse {
	t.Helper()
	r := &abci.FinalizeBlockRequest{Height: height}
	for _, tx := range txs {
		r.Txs = append(r.Txs, []byte(tx))
	}
	answer, err := s.FinalizeBlock(t.Context(), r)
	require.NoError(t, err)
	return answer
}

func commit(t *testing.T, s *Store) {
	t.Helper()
	_, err := s.Commit(t.Context(), &abci.CommitRequest{})
	require.NoError(t, err)
}

func value(t *testing.T, s *Store, name string) string {
	t.Helper()
	r, err := s.Query(t.Context(), &abci.QueryRequest{Data: []byte(name)})
	require.NoError(t, err)
	return string(r.Value)
}

func TestWhatABlockWroteIsSeenAfterItsCommit(t *testing.T) {
	s := begun(t)
	block(t, s, 1, "a=1", "b=2=3", "a=4")
	require.Empty(t, value(t, s, "a"), "RULE A4: not committed")
	commit(t, s)
	require.Equal(t, "4", value(t, s, "a"))
	require.Equal(t, "2=3", value(t, s, "b"))
	require.Equal(t, "", value(t, s, "c"))
	_, err := s.Commit(t.Context(), &abci.CommitRequest{})
	require.ErrorContains(t, err, "without FinalizeBlock")
}

func TestABlockFinalisedTwiceIsAsOnce(t *testing.T) {
	s, other := begun(t), begun(t)
	val := "val:" + base64.StdEncoding.EncodeToString(key2) + "!7"
	block(t, s, 1, "a=1", "gone=1")
	again := block(t, s, 1, "a=2", val)
	commit(t, s)
	once := block(t, other, 1, "a=2", val)
	commit(t, other)
	require.Equal(t, once, again, "RULE A3: a block is finalised again after a crash")
	require.Empty(t, value(t, s, "gone"), "RULE A3")
	require.NotEqual(t, block(t, s, 2, "a=1").AppHash, block(t, other, 2, "a=2").AppHash)
}

func TestValidatorsComeAndGo(t *testing.T) {
	s := begun(t)
	two := "val:" + base64.StdEncoding.EncodeToString(key2)
	r := block(t, s, 1, two+"!5")
	require.Equal(t, []abci.ValidatorUpdate{{PubKey: key2, Power: 5}}, r.ValidatorUpdates)
	commit(t, s)
	address := sha256.Sum256(key1)
	fault := abci.Misbehavior{Type: abci.DuplicateVote, Validator: abci.Validator{Address: address[:20], Power: 2}}
	punished, err := s.FinalizeBlock(t.Context(), &abci.FinalizeBlockRequest{Height: 2, Misbehavior: []abci.Misbehavior{fault, fault}, Txs: [][]byte{[]byte(two + "!0")}})
	require.NoError(t, err)
	require.Equal(t, CodeValidator, punished.TxResults[0].Code, "the last one is not removed")
	require.Equal(t, []abci.ValidatorUpdate{{PubKey: key1, Power: 0}}, punished.ValidatorUpdates)
}

func TestBadTransactionsAreRefusedAndHaveNoEffect(t *testing.T) {
	s := begun(t)
	for tx, code := range map[string]uint32{
		"": CodeFormat, "=x": CodeFormat, "x": CodeFormat, "val:": CodeFormat, "val:x!1": CodeValidator,
		"val:" + base64.StdEncoding.EncodeToString(key2) + "!-1": CodeValidator,
		string(make([]byte, MaxTxBytes+1)):                       CodeFormat,
	} {
		r, err := s.CheckTx(t.Context(), &abci.CheckTxRequest{Tx: []byte(tx)})
		require.NoError(t, err, "RULE A5")
		require.Equal(t, code, r.Code, "%.20q", tx)
		require.NotEmpty(t, r.Log)
		require.Equal(t, code, block(t, s, 1, tx).TxResults[0].Code)
		p, err := s.ProcessProposal(t.Context(), &abci.ProcessProposalRequest{Txs: [][]byte{[]byte(tx)}})
		require.NoError(t, err)
		require.False(t, p.Accept)
		made, err := s.PrepareProposal(t.Context(), &abci.PrepareProposalRequest{MaxTxBytes: 100, Txs: [][]byte{[]byte(tx), []byte("a=b")}})
		require.NoError(t, err)
		require.Equal(t, [][]byte{[]byte("a=b")}, made.Txs, "RULE A2")
	}
}

func Example() {
	ctx := context.Background()
	s := New()
	_, _ = s.InitChain(ctx, &abci.InitChainRequest{})
	r, _ := s.FinalizeBlock(ctx, &abci.FinalizeBlockRequest{Height: 1, Txs: [][]byte{[]byte("name=satoshi")}})
	_, _ = s.Commit(ctx, &abci.CommitRequest{})
	q, _ := s.Query(ctx, &abci.QueryRequest{Data: []byte("name")})
	fmt.Printf("%s at height %d, app hash %x\n", q.Value, q.Height, r.AppHash[:4])
	// Output: satoshi at height 1, app hash c2778be4
}
