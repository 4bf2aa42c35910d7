// Package apptest is a chain of one for the tests of modules: accounts with keys that follow from their names, and blocks
// that follow each other by the second, without consensus.
package apptest

import (
	"context"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/flagship-go/flagship/bft/abci"
	"github.com/flagship-go/flagship/bft/app"
	"github.com/flagship-go/flagship/bft/app/bank"
	"github.com/flagship-go/flagship/bft/app/staking"
)

// ChainID is the id of all chains here.
const ChainID = "test-chain"

// Gas is what transactions ask for if they do not say.
const Gas = 500_000

// An Account has a key that follows from its name, and the sequence of its next transaction.
type Account struct {
	Name     string
	Key      ed25519.PrivateKey
	Address  app.Address
	Sequence uint64
}

// NewAccount is the account of a name.
func NewAccount(name string) *Account {
	seed := sha256.Sum256([]byte("account " + name))
	key := ed25519.NewKeyFromSeed(seed[:])
	return &Account{Name: name, Key: key, Address: app.AddressOf(key.Public().(ed25519.PublicKey))}
}

// Tx is a signed transaction of a's next sequence, without a fee.
func (a *Account) Tx(msgs ...app.Msg) []byte { return a.TxWith(Gas, app.Coin{}, msgs...) }

// TxWith is one with gas and a fee.
func (a *Account) TxWith(gas uint64, fee app.Coin, msgs ...app.Msg) []byte {
	raw := app.NewTx(a.Sequence, gas, fee, msgs...).Sign(ChainID, a.Key)
	a.Sequence++
	return raw
}

// A Net is an application with a bank and staking, and what it is made of.
type Net struct {
	App     *app.App
	Bank    *bank.Keeper
	Staking *staking.Keeper
}

// NewNet makes one. Options' modules come after the two; fees go to the bank.
func NewNet(t testing.TB, opts app.Options) *Net {
	t.Helper()
	n := &Net{Bank: bank.New()}
	n.Staking = staking.New(n.Bank)
	opts.Modules = append([]app.Module{n.Bank, n.Staking}, opts.Modules...)
	opts.Fees = n.Bank
	var err error
	n.App, err = app.New(opts)
	require.NoError(t, err)
	t.Cleanup(func() { n.App.Close() })
	return n
}

// ConsensusKey is the public key by which consensus knows the validator of a name. Nobody signs by it here, so any bytes pass for one.
func ConsensusKey(name string) [32]byte { return sha256.Sum256([]byte("validator " + name)) }

// Genesis gives each account as many units of "stake" and "gold". Validators, if any, are as many of the accounts, which have
// staked half of their stake on themselves.
func (n *Net) Genesis(t testing.TB, amount uint64, validators int, p *staking.Params, accounts ...*Account) []byte {
	t.Helper()
	var balances bank.Genesis
	stakes := staking.Genesis{Params: p}
	for i, a := range accounts {
		stake := amount
		if i < validators {
			stake -= amount / 2
			key := ConsensusKey(a.Name)
			stakes.Validators = append(stakes.Validators, staking.ValidatorGenesis{
				Operator: a.Address, PubKey: hex.EncodeToString(key[:]), Delegations: []staking.Delegation{{Delegator: a.Address, Amount: amount / 2}},
			})
		}
		balances.Balances = append(balances.Balances, bank.Balance{Address: a.Address, Coin: app.Coin{Denom: "stake", Amount: stake}},
			bank.Balance{Address: a.Address, Coin: app.Coin{Denom: "gold", Amount: amount}})
	}
	balances.Balances = append(balances.Balances, n.Staking.Pools(stakes)...)
	out, err := json.Marshal(map[string]any{"bank": balances, "staking": stakes})
	require.NoError(t, err)
	return out
}

// A Chain is a Net and its blocks.
type Chain struct {
	*Net
	T      testing.TB
	Height int64 // of the last block
	Time   time.Time
	Blocks []*abci.FinalizeBlockRequest
	Roots  [][]byte // app hashes, of the genesis and of each block
	Powers map[[32]byte]int64
}

// Start begins a chain.
func (n *Net) Start(t testing.TB, genesis []byte) *Chain {
	t.Helper()
	c := &Chain{Net: n, T: t, Time: time.Unix(1_700_000_000, 0).UTC(), Powers: map[[32]byte]int64{}}
	res, err := n.App.InitChain(context.Background(), &abci.InitChainRequest{ChainID: ChainID, Time: c.Time, InitialHeight: 1, AppStateBytes: genesis})
	require.NoError(t, err)
	c.Roots = append(c.Roots, res.AppHash)
	c.update(res.Validators)
	return c
}

func (c *Chain) update(updates []abci.ValidatorUpdate) {
	for _, u := range updates {
		if u.Power == 0 {
			delete(c.Powers, [32]byte(u.PubKey))
		} else {
			c.Powers[[32]byte(u.PubKey)] = u.Power
		}
	}
}

// Next is the request for a block of these transactions, a second after the last one.
func (c *Chain) Next(txs ...[]byte) *abci.FinalizeBlockRequest {
	return &abci.FinalizeBlockRequest{Txs: txs, Height: c.Height + 1, Time: c.Time.Add(time.Second)}
}

// Block finalises and commits one of these transactions.
func (c *Chain) Block(txs ...[]byte) *abci.FinalizeBlockResponse {
	c.T.Helper()
	return c.Run(c.Next(txs...))
}

// Run finalises and commits a block.
func (c *Chain) Run(r *abci.FinalizeBlockRequest) *abci.FinalizeBlockResponse {
	c.T.Helper()
	res, err := c.App.FinalizeBlock(context.Background(), r)
	require.NoError(c.T, err)
	require.Len(c.T, res.TxResults, len(r.Txs))
	_, err = c.App.Commit(context.Background(), &abci.CommitRequest{})
	require.NoError(c.T, err)
	c.Height, c.Time = r.Height, r.Time
	c.Blocks, c.Roots = append(c.Blocks, r), append(c.Roots, res.AppHash)
	c.update(res.ValidatorUpdates)
	return res
}

// DoubleVote is a proven fault of the validator of a name at a height.
func DoubleVote(name string, height int64) abci.Misbehavior {
	key := ConsensusKey(name)
	a := app.AddressOf(key[:])
	return abci.Misbehavior{Type: abci.DuplicateVote, Validator: abci.Validator{Address: a[:]}, Height: height}
}

// Balance is what an account has in the last committed state.
func (c *Chain) Balance(a app.Address, denom string) (amount uint64) {
	c.T.Helper()
	require.NoError(c.T, c.App.View(func(ctx *app.Context) (err error) {
		amount, err = c.Bank.Balance(ctx, a, denom)
		return err
	}))
	return amount
}

// Sequence is that of an account in the last committed state.
func (c *Chain) Sequence(a app.Address) (sequence uint64) {
	c.T.Helper()
	require.NoError(c.T, c.App.View(func(ctx *app.Context) (err error) {
		sequence, _, err = app.Sequence(ctx, a)
		return err
	}))
	return sequence
}

// Check is what CheckTx says.
func (c *Chain) Check(raw []byte) *abci.CheckTxResponse {
	c.T.Helper()
	res, err := c.App.CheckTx(context.Background(), &abci.CheckTxRequest{Tx: raw})
	require.NoError(c.T, err)
	return res
}
