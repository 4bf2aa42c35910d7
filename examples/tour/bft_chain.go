package main

import (
	"bufio"
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/flagship-go/flagship/bft"
	"github.com/flagship-go/flagship/bft/app"
	"github.com/flagship-go/flagship/bft/app/bank"
	"github.com/flagship-go/flagship/bft/app/staking"
	appstore "github.com/flagship-go/flagship/bft/app/store"
	"github.com/flagship-go/flagship/bft/fullnode"
	"github.com/flagship-go/flagship/bft/privval"
	"github.com/flagship-go/flagship/bft/store"
	"github.com/flagship-go/flagship/bft/types"
)

const (
	bftValidators = 4
	bftChainID    = "tour"
	// bftStake is what each validator has staked on itself: ten million units, power 10.
	bftStake = 10_000_000
	// bftTrust is what the first account has staked on the liar. It does not divide by 20.
	bftTrust = 3_000_001
)

// bftTimeouts are short for a tour, and still much longer than a round on loopback.
var bftTimeouts = bft.Timeouts{Propose: 300 * time.Millisecond, Prevote: 150 * time.Millisecond, Precommit: 150 * time.Millisecond}

// A bftChain is the homes of the validators, and those that run in this process.
type bftChain struct {
	dir     string
	ledger  *bftLedger
	watch   *bftWatch
	keys    [bftValidators][]byte // public
	initial uint64                // units that there are at first
	nodes   [bftValidators]*bftNode
}

// A bftNode is a validator that runs: bank and staking behind a full node.
type bftNode struct {
	*fullnode.FullNode
	app *app.App
}

// newBFTChain makes a home for each, with a key and the genesis. Nothing runs yet.
func newBFTChain(dir string, l *bftLedger, w *bftWatch) (*bftChain, error) {
	c := &bftChain{dir: dir, ledger: l, watch: w}
	for i := range c.keys {
		signer, err := privval.OpenFileSigner(nil, fullnode.SignerDir(c.home(i)))
		if err != nil {
			return nil, err
		}
		c.keys[i] = signer.PubKey()
		if err := signer.Close(); err != nil {
			return nil, err
		}
	}
	// What a liar needs: its key, with a guard that has seen nothing.
	if err := os.CopyFS(c.backup(), os.DirFS(fullnode.SignerDir(c.home(bftLiar)))); err != nil {
		return nil, fmt.Errorf("copying the signer of v%d: %w", bftLiar+1, err)
	}
	state, err := c.genesis()
	if err != nil {
		return nil, err
	}
	text, err := json.Marshal(&types.Genesis{ChainID: bftChainID, Time: time.Now().Add(-time.Minute).UTC(), AppState: state})
	if err != nil {
		return nil, fmt.Errorf("writing the genesis: %w", err)
	}
	for i := range c.keys {
		if err := os.WriteFile(fullnode.GenesisFile(c.home(i)), text, 0o600); err != nil {
			return nil, err
		}
	}
	return c, nil
}

// genesis is the application's: each account has the same, and each validator has a stake.
func (c *bftChain) genesis() ([]byte, error) {
	var balances bank.Genesis
	var stakes staking.Genesis
	for _, a := range c.ledger.accounts {
		balances.Balances = append(balances.Balances, bank.Balance{Address: a.address, Coin: app.Coin{Denom: bftDenom, Amount: bftOpening}})
	}
	for i, key := range c.keys {
		v := staking.ValidatorGenesis{Operator: app.AddressOf(key), PubKey: hex.EncodeToString(key),
			Delegations: []staking.Delegation{{Delegator: app.AddressOf(key), Amount: bftStake}}}
		if i == bftLiar {
			v.Delegations = append(v.Delegations, staking.Delegation{Delegator: c.ledger.accounts[0].address, Amount: bftTrust})
		}
		stakes.Validators = append(stakes.Validators, v)
	}
	balances.Balances = append(balances.Balances, staking.New(bank.New()).Pools(stakes)...)
	for _, b := range balances.Balances {
		c.initial += b.Amount
	}
	state, err := json.Marshal(map[string]any{"bank": balances, "staking": stakes})
	if err != nil {
		return nil, fmt.Errorf("writing the genesis: %w", err)
	}
	return state, nil
}

func (c *bftChain) home(i int) string           { return filepath.Join(c.dir, fmt.Sprintf("v%d", i+1)) }
func (c *bftChain) backup() string              { return filepath.Join(c.dir, "backup") }
func (c *bftChain) address(i int) types.Address { return types.AddressOf(c.keys[i]) }
func (c *bftChain) number(a types.Address) (int, bool) {
	for i := range c.keys {
		if c.address(i) == a {
			return i, true
		}
	}
	return 0, false
}

// openBFTNode opens a validator on what is in its home.
func openBFTNode(home string, peers []string, onEvent func(bft.Event)) (*bftNode, error) {
	coins := bank.New()
	application, err := app.New(app.Options{
		Modules: []app.Module{coins, staking.New(coins)}, Fees: coins,
		Store: appstore.Options{Dir: filepath.Join(home, "data", "app"), Keep: 10_000}, // all heights: they are audited
	})
	if err != nil {
		return nil, err
	}
	node, err := fullnode.Open(fullnode.Options{
		Home: home, App: application, P2PListen: "127.0.0.1:0", PersistentPeers: peers, Moniker: filepath.Base(home),
		Timeouts: bftTimeouts, OnEvent: onEvent,
	})
	if err != nil {
		return nil, errors.Join(err, application.Close())
	}
	return &bftNode{node, application}, nil
}

func (n *bftNode) close() error { return errors.Join(n.FullNode.Close(), n.app.Close()) }

// start opens a validator here. It dials those that run.
func (c *bftChain) start(i int) error {
	n, err := openBFTNode(c.home(i), c.peers(), c.watch.hear(i))
	if err != nil {
		return fmt.Errorf("starting v%d: %w", i+1, err)
	}
	c.nodes[i] = n
	return nil
}

func (c *bftChain) stop(i int) error {
	n := c.nodes[i]
	c.nodes[i] = nil
	if err := n.close(); err != nil {
		return fmt.Errorf("stopping v%d: %w", i+1, err)
	}
	return nil
}

// running are the validators in this process.
func (c *bftChain) running() (live []*bftNode) {
	for _, n := range c.nodes {
		if n != nil {
			live = append(live, n)
		}
	}
	return live
}

// peers are the addresses of those that run here.
func (c *bftChain) peers() (addresses []string) {
	for _, n := range c.running() {
		addresses = append(addresses, n.Address())
	}
	return addresses
}

// Close stops all that run.
func (c *bftChain) Close() error {
	var errs []error
	for i, n := range c.nodes {
		if n != nil {
			errs = append(errs, c.stop(i))
		}
	}
	return errors.Join(errs...)
}

// onDisk is the last block in the home of a validator that does not run.
func (c *bftChain) onDisk(i int) (types.Height, error) {
	s, err := store.Open(filepath.Join(c.home(i), "data", "blocks"), nil)
	if err != nil {
		return 0, err
	}
	return s.Height(), s.Close()
}

// killMidway runs a validator in a process of its own, and kills it when it has told of as many blocks as enough.
func (c *bftChain) killMidway(ctx context.Context, i, enough int, seen func(lines int)) ([]string, error) {
	peers := strings.Join(c.peers(), " ")
	return killMidway(ctx, "bft", c.home(i), func(in io.Writer) error {
		_, err := fmt.Fprintln(in, peers)
		return err
	}, enough, seen)
}

// bftVictim is a validator in the process that will be killed. It tells each height that it has committed.
func bftVictim(home string, in io.Reader, out io.Writer) error {
	lines := bufio.NewReader(in)
	peers, err := lines.ReadString('\n')
	if err != nil {
		return err
	}
	n, err := openBFTNode(home, strings.Fields(peers), nil)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(context.Background())
	go func() {
		_, _ = lines.ReadString('\n') // the other process is gone
		cancel()
	}()
	for h := types.Height(1); ; h++ {
		err := n.Wait(ctx, h)
		if err == nil {
			_, err = fmt.Fprintln(out, h)
		}
		if ctx.Err() != nil {
			return n.close()
		}
		if err != nil {
			return errors.Join(err, n.close())
		}
	}
}
