package kvstore

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/flagship-go/flagship/bft/abci"
	"github.com/flagship-go/flagship/bft/types"
	"github.com/stretchr/testify/require"
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

// FuzzTransactions puts anything into blocks: what is refused is refused everywhere by one code, the same blocks have the same answers, and
// there is always a validator, and never more power than consensus takes.
func FuzzTransactions(f *testing.F) {
	val := "val:" + base64.StdEncoding.EncodeToString(key2)
	f.Add("a=1", val+"!7", val+"!0")
	f.Add("val:"+base64.StdEncoding.EncodeToString(key1)+"!0", fmt.Sprint(val, "!", maxPower), "=")
	f.Fuzz(func(t *testing.T, a, b, c string) {
		s, other := begun(t), begun(t)
		for height, txs := range [][]string{{a, b}, {c, a, b}, {b, c}} {
			answer := block(t, s, int64(height+1), txs...)
			require.Equal(t, answer, block(t, other, int64(height+1), txs...), "RULE A1: the same blocks")
			commit(t, s)
			commit(t, other)
			for i, tx := range txs {
				check, err := s.CheckTx(t.Context(), &abci.CheckTxRequest{Tx: []byte(tx)})
				require.NoError(t, err, "RULE A5")
				p, err := s.ProcessProposal(t.Context(), &abci.ProcessProposalRequest{Txs: [][]byte{[]byte(tx)}})
				require.NoError(t, err, "RULE A5")
				require.Equal(t, check.Code == 0, p.Accept, "RULE A2: %q", tx)
				if code := answer.TxResults[i].Code; check.Code != 0 || code == CodeFormat {
					require.Equal(t, check.Code, code, "%q", tx)
				}
				if name, want, _ := strings.Cut(tx, "="); check.Code == 0 && !strings.HasPrefix(tx, "val:") && !slices.ContainsFunc(txs[i+1:], func(later string) bool {
					return strings.HasPrefix(later, name+"=")
				}) {
					require.Equal(t, want, value(t, s, name), "RULE A4: %q", tx)
				}
			}
			var total int64
			for key, power := range s.committed.validators {
				require.Len(t, key, 32)
				require.Positive(t, power)
				total += power
			}
			require.True(t, 0 < total && total <= maxTotal, "the power of all is %d", total)
		}
	})
}

// A block of validators that consensus would not take halts the chain.
func TestThePowerOfAllIsBounded(t *testing.T) {
	s := begun(t)
	var txs []string
	for i := range maxTotal/maxPower + 1 {
		key := binary.BigEndian.AppendUint64(make([]byte, 24), uint64(i+2))
		txs = append(txs, fmt.Sprint("val:", base64.StdEncoding.EncodeToString(key), "!", maxPower))
	}
	r := block(t, s, 1, txs...)
	require.Zero(t, r.TxResults[0].Code)
	require.Equal(t, CodeValidator, r.TxResults[len(txs)-1].Code, "RULE A1: more power than consensus takes halts the chain")
	require.Contains(t, r.TxResults[len(txs)-1].Log, "power")
	set := []types.Validator{{PubKey: key1, Address: types.AddressOf(key1), Power: 2}}
	for _, u := range r.ValidatorUpdates {
		set = append(set, types.Validator{PubKey: u.PubKey, Address: types.AddressOf(u.PubKey), Power: u.Power})
	}
	_, err := types.NewValidatorSet(set)
	require.NoError(t, err, "RULE A1: consensus refuses these validators, and the chain halts")
}

// Anybody may send these. An update that removes who was never told to consensus halts the chain.
func TestWhoComesAndGoesInOneBlockIsNotToldToConsensus(t *testing.T) {
	s := begun(t)
	one, two := "val:"+base64.StdEncoding.EncodeToString(key1), "val:"+base64.StdEncoding.EncodeToString(key2)
	set, err := types.NewValidatorSet([]types.Validator{{PubKey: key1, Address: types.AddressOf(key1), Power: 2}})
	require.NoError(t, err)
	for height, txs := range [][]string{{two + "!5", two + "!0"}, {two + "!5", two + "!0", two + "!7"}, {one + "!0", one + "!3"}, {two + "!0", two + "!1", two + "!0"}} {
		r := block(t, s, int64(height+1), txs...)
		var changes []types.Validator
		for _, u := range r.ValidatorUpdates {
			changes = append(changes, types.Validator{PubKey: u.PubKey, Address: types.AddressOf(u.PubKey), Power: u.Power})
		}
		if len(changes) > 0 {
			set, err = set.Update(changes)
			require.NoError(t, err, "RULE A1: consensus refuses the updates of block %d, and the chain halts", height+1)
		}
		commit(t, s)
		require.Equal(t, len(s.committed.validators), set.Len())
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
