package bfttest_test

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"fmt"
	"maps"
	mrand "math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/flagship-go/flagship/bft/abci"
	"github.com/flagship-go/flagship/bft/abci/kvstore"
	"github.com/flagship-go/flagship/bft/app"
	"github.com/flagship-go/flagship/bft/app/apptest"
	"github.com/flagship-go/flagship/bft/app/bank"
	"github.com/flagship-go/flagship/bft/app/staking"
	"github.com/flagship-go/flagship/bft/app/store"
	"github.com/flagship-go/flagship/bft/bfttest"
	"github.com/flagship-go/flagship/internal/vfs"
)

// keyOf is the public key of validator n.
func keyOf(n int) []byte {
	key := make([]byte, 32)
	key[0], key[1] = byte(n), 7
	return key
}

func kvOptions() bfttest.ApplicationOptions {
	genesis := &abci.InitChainRequest{ChainID: "kv"}
	for n := range 4 {
		genesis.Validators = append(genesis.Validators, abci.ValidatorUpdate{PubKey: keyOf(n), Power: 10})
	}
	o := bfttest.ApplicationOptions{
		New:     func() (abci.Application, error) { return kvstore.New(), nil },
		Genesis: genesis,
		Tx: func(rng *mrand.Rand) func() []byte {
			return func() []byte {
				if rng.IntN(4) == 0 {
					return fmt.Appendf(nil, "val:%s!%d", base64.StdEncoding.EncodeToString(keyOf(rng.IntN(6))), rng.IntN(4))
				}
				return fmt.Appendf(nil, "k%d=%d", rng.IntN(5), rng.IntN(100))
			}
		},
		Bad: func(rng *mrand.Rand) []byte {
			return [][]byte{nil, []byte("x"), []byte("=x"), []byte("val:x"), []byte("val:!1"), []byte("val:" + strings.Repeat("A", 44) + "!x")}[rng.IntN(6)]
		},
	}
	for n := range 5 {
		o.Queries = append(o.Queries, &abci.QueryRequest{Data: fmt.Appendf(nil, "k%d", n)})
	}
	return o
}

func TestKVStoreKeepsTheRulesOfApplications(t *testing.T) { bfttest.Application(t, kvOptions()) }

// bankApp is package app with a bank and staking, on a disk of its own.
type bankApp struct {
	*app.App
	disk *vfs.Mem
}

func openBank(disk *vfs.Mem) (abci.Application, error) {
	b := bank.New()
	a, err := app.New(app.Options{Modules: []app.Module{b, staking.New(b)}, Fees: b, Store: store.Options{Dir: "state", FS: disk, SegmentSize: 64 << 10}})
	if err != nil {
		return nil, err
	}
	return &bankApp{a, disk}, nil
}

func bankOptions(t *testing.T) bfttest.ApplicationOptions {
	var names []string
	var accounts []*apptest.Account
	for n := range 6 {
		names = append(names, fmt.Sprint("person ", n))
		accounts = append(accounts, apptest.NewAccount(names[n]))
	}
	genesis := &abci.InitChainRequest{ChainID: apptest.ChainID, AppStateBytes: apptest.NewNet(t, app.Options{}).Genesis(t, 1<<40, 4, nil, accounts...)}
	for n := range 4 {
		key := apptest.ConsensusKey(names[n])
		genesis.Validators = append(genesis.Validators, abci.ValidatorUpdate{PubKey: key[:], Power: 10})
	}
	o := bfttest.ApplicationOptions{
		New: func() (abci.Application, error) { return openBank(vfs.NewMem()) },
		Reopen: func(crashed abci.Application) (abci.Application, error) {
			return openBank(crashed.(*bankApp).disk.CrashClone(mrand.New(mrand.NewPCG(1, 2))))
		},
		Genesis: genesis,
		Tx: func(rng *mrand.Rand) func() []byte {
			people := make([]*apptest.Account, len(names))
			for n, name := range names {
				people[n] = apptest.NewAccount(name)
			}
			return func() []byte {
				from, to := people[rng.IntN(len(people))], people[rng.IntN(len(people))]
				coin := app.Coin{Denom: "stake", Amount: 1 + rng.Uint64N(1<<36)}
				switch rng.IntN(4) {
				case 0:
					return from.Tx(staking.MsgDelegate{Delegator: from.Address, Validator: people[rng.IntN(4)].Address, Coin: coin})
				case 1:
					return from.Tx(staking.MsgUndelegate{Delegator: from.Address, Validator: people[rng.IntN(4)].Address, Coin: coin})
				}
				return from.TxWith(apptest.Gas, app.Coin{Denom: "stake", Amount: 5}, bank.MsgSend{From: from.Address, To: to.Address, Coin: coin})
			}
		},
		Bad: func(rng *mrand.Rand) []byte {
			stranger := apptest.NewAccount("stranger")
			return stranger.Tx(bank.MsgSend{From: stranger.Address, To: accounts[0].Address, Coin: app.Coin{Denom: "gold", Amount: 1 + rng.Uint64N(100)}})
		},
	}
	for _, a := range accounts {
		o.Queries = append(o.Queries, &abci.QueryRequest{Path: "/bank/balances", Data: a.Address[:]}, &abci.QueryRequest{Path: "/app/account", Data: a.Address[:]})
	}
	return o
}

func TestModulesKeepTheRulesOfApplications(t *testing.T) { bfttest.Application(t, bankOptions(t)) }

// An application that accepts everything keeps the rules, too, as far as it claims anything.
func TestTheBaseApplicationIsAskedForWhatItDoesNotDo(t *testing.T) {
	o := kvOptions()
	o.New = func() (abci.Application, error) { return abci.BaseApplication{}, nil }
	broken := map[string]bool{}
	for _, r := range bfttest.GradeApplication(t, o) {
		broken[r.Rule.ID] = r.Err != nil
	}
	require.True(t, broken["A3"], "it never tells what was committed")
	require.True(t, broken["A5"], "it likes bad transactions")
	require.False(t, broken["A1"] || broken["A2"] || broken["A4"] || broken["A6"] || broken["A7"], "%v", broken)
}

// broken is a key-value store with one thing wrong.
type broken struct {
	*kvstore.Store
	finalize func(*abci.FinalizeBlockRequest, *abci.FinalizeBlockResponse) error
	check    func(*abci.CheckTxRequest) error
	prepare  func(*abci.PrepareProposalRequest) [][]byte
	process  func() bool
	info     func(*abci.InfoResponse)
	query    func(*abci.QueryRequest) error
	noted    map[string]int
	kept     []byte
}

func (b *broken) FinalizeBlock(ctx context.Context, r *abci.FinalizeBlockRequest) (*abci.FinalizeBlockResponse, error) {
	a, err := b.Store.FinalizeBlock(ctx, r)
	if err == nil && b.finalize != nil {
		err = b.finalize(r, a)
	}
	return a, err
}

func (b *broken) CheckTx(ctx context.Context, r *abci.CheckTxRequest) (*abci.CheckTxResponse, error) {
	if b.check != nil {
		if err := b.check(r); err != nil {
			return nil, err
		}
	}
	return b.Store.CheckTx(ctx, r)
}

func (b *broken) PrepareProposal(ctx context.Context, r *abci.PrepareProposalRequest) (*abci.PrepareProposalResponse, error) {
	if b.prepare != nil {
		return &abci.PrepareProposalResponse{Txs: b.prepare(r)}, nil
	}
	return b.Store.PrepareProposal(ctx, r)
}

func (b *broken) ProcessProposal(ctx context.Context, r *abci.ProcessProposalRequest) (*abci.ProcessProposalResponse, error) {
	if b.process != nil && !b.process() {
		return &abci.ProcessProposalResponse{}, nil
	}
	return b.Store.ProcessProposal(ctx, r)
}

func (b *broken) Info(ctx context.Context, r *abci.InfoRequest) (*abci.InfoResponse, error) {
	a, err := b.Store.Info(ctx, r)
	if b.info != nil {
		b.info(a)
	}
	return a, err
}

func (b *broken) Query(ctx context.Context, r *abci.QueryRequest) (*abci.QueryResponse, error) {
	if b.query != nil {
		if err := b.query(r); err != nil {
			return nil, err
		}
	}
	return b.Store.Query(ctx, r)
}

// Each of these mistakes has halted a chain somewhere. The kit names the rule.
func TestTheKitFindsWhatIsWrongWithAnApplication(t *testing.T) {
	for _, c := range []struct {
		name, rule string
		spoil      func(*broken)
	}{
		{"the order of a map", "A1", func(b *broken) {
			b.finalize = func(_ *abci.FinalizeBlockRequest, a *abci.FinalizeBlockResponse) error {
				updates := map[string]abci.ValidatorUpdate{}
				for _, u := range a.ValidatorUpdates {
					updates[string(u.PubKey)] = u
				}
				if len(updates) > 0 {
					a.ValidatorUpdates = slices.Collect(maps.Values(updates))
				}
				return nil
			}
		}},
		{"a clock", "A1", func(b *broken) {
			b.finalize = func(_ *abci.FinalizeBlockRequest, a *abci.FinalizeBlockResponse) error {
				a.AppHash = fmt.Append(a.AppHash, time.Now().Weekday())
				return nil
			}
		}},
		{"a random number", "A1", func(b *broken) {
			b.finalize = func(_ *abci.FinalizeBlockRequest, a *abci.FinalizeBlockResponse) error {
				for i := range a.TxResults {
					a.TxResults[i].Data = make([]byte, 4)
					rand.Read(a.TxResults[i].Data)
				}
				return nil
			}
		}},
		{"more than fits", "A2", func(b *broken) { b.prepare = func(r *abci.PrepareProposalRequest) [][]byte { return r.Txs } }},
		{"length without tags", "A2", func(b *broken) {
			b.prepare = func(r *abci.PrepareProposalRequest) (txs [][]byte) {
				room := r.MaxTxBytes
				for _, tx := range r.Txs {
					if ok, _ := b.Store.CheckTx(context.Background(), &abci.CheckTxRequest{Tx: tx}); ok.Code == 0 && int64(len(tx)) <= room {
						room -= int64(len(tx))
						txs = append(txs, tx)
					}
				}
				return txs
			}
		}},
		{"its own proposal rejected", "A2", func(b *broken) { b.process = func() bool { return len(b.noted) > 0 } }},
		{"Info one ahead", "A3", func(b *broken) {
			b.info = func(a *abci.InfoResponse) {
				if a.LastBlockHeight > 0 {
					a.LastBlockHeight++
				}
			}
		}},
		{"gas of CheckTx in the block", "A4", func(b *broken) {
			warm := int64(0)
			b.check = func(*abci.CheckTxRequest) error { warm++; return nil }
			b.finalize = func(_ *abci.FinalizeBlockRequest, a *abci.FinalizeBlockResponse) error {
				for i := range a.TxResults {
					a.TxResults[i].GasUsed += warm
				}
				return nil
			}
		}},
		{"Query counts", "A4", func(b *broken) {
			asked := 0
			b.query = func(*abci.QueryRequest) error { asked++; return nil }
			b.finalize = func(_ *abci.FinalizeBlockRequest, a *abci.FinalizeBlockResponse) error {
				a.AppHash = fmt.Append(a.AppHash, asked)
				return nil
			}
		}},
		{"a bad transaction is an error", "A5", func(b *broken) {
			b.check = func(r *abci.CheckTxRequest) error {
				if !strings.Contains(string(r.Tx), "=") && len(r.Tx) > 150 {
					return fmt.Errorf("what is %.20X", r.Tx)
				}
				return nil
			}
		}},
		{"a bad transaction is fine", "A5", func(b *broken) {
			b.finalize = func(_ *abci.FinalizeBlockRequest, a *abci.FinalizeBlockResponse) error {
				for i := range a.TxResults {
					a.TxResults[i].Code = 0
				}
				return nil
			}
		}},
		{"a foolish query is an error", "A5", func(b *broken) {
			b.query = func(r *abci.QueryRequest) error {
				if r.Path != "" {
					return fmt.Errorf("there is no path %.20q", r.Path)
				}
				return nil
			}
		}},
		{"a result is missing", "A6", func(b *broken) {
			b.finalize = func(_ *abci.FinalizeBlockRequest, a *abci.FinalizeBlockResponse) error {
				a.TxResults = a.TxResults[:max(len(a.TxResults)-1, 0)]
				return nil
			}
		}},
		{"a validator that is not there is removed", "A6", func(b *broken) {
			b.finalize = func(r *abci.FinalizeBlockRequest, a *abci.FinalizeBlockResponse) error {
				if r.Height == 5 {
					a.ValidatorUpdates = append(a.ValidatorUpdates, abci.ValidatorUpdate{PubKey: keyOf(77)})
				}
				return nil
			}
		}},
		{"a transaction is kept without a copy", "A7", func(b *broken) {
			b.finalize = func(r *abci.FinalizeBlockRequest, a *abci.FinalizeBlockResponse) error {
				a.AppHash = append(a.AppHash, b.kept...)
				if len(r.Txs) > 0 {
					b.kept = r.Txs[0]
				}
				return nil
			}
		}},
		{"a transaction is written over", "A7", func(b *broken) {
			b.finalize = func(r *abci.FinalizeBlockRequest, _ *abci.FinalizeBlockResponse) error {
				for _, tx := range r.Txs {
					if len(tx) > 0 {
						tx[0] = 'K'
					}
				}
				return nil
			}
		}},
	} {
		o := kvOptions()
		o.New = func() (abci.Application, error) {
			b := &broken{Store: kvstore.New()}
			c.spoil(b)
			return b, nil
		}
		var found []string
		for _, r := range bfttest.GradeApplication(t, o) {
			if r.Err != nil {
				require.ErrorContains(t, r.Err, "RULE "+r.Rule.ID+": ", c.name)
				found = append(found, r.Rule.ID)
			}
		}
		require.Contains(t, found, c.rule, "%s: the kit names %v", c.name, found)
	}
}

func TestAPanicOfAnApplicationIsNoFinding(t *testing.T) {
	o := kvOptions()
	o.New = func() (abci.Application, error) {
		return &broken{Store: kvstore.New(), check: func(*abci.CheckTxRequest) error { panic("at once") }}, nil
	}
	for _, r := range bfttest.GradeApplication(t, o) {
		if r.Err != nil {
			require.NotContains(t, r.Err.Error(), "RULE "+r.Rule.ID+":")
			require.ErrorContains(t, r.Err, "at once")
		}
	}
}
