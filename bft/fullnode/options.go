package fullnode

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"github.com/flagship-go/flagship/bft"
	"github.com/flagship-go/flagship/bft/abci"
	"github.com/flagship-go/flagship/bft/mempool"
	"github.com/flagship-go/flagship/bft/types"
)

// Options are what a node is made of. Home and App are required.
type Options struct {
	// Home is the node's folder. Keys are made in it if there are none; see GenesisFile for the genesis.
	Home string
	// Genesis is where the chain begins. Default: read from the file in Home.
	Genesis *types.Genesis
	// App is the application. The node does not close it.
	App abci.Application
	// Follower has no vote, whatever key is in Home.
	Follower bool
	// P2PListen is "host:port" to listen on for peers; port 0 takes a free one. Default "": nobody can dial this node.
	P2PListen string
	// PersistentPeers are to be connected to always, each "id@host:port".
	PersistentPeers []string
	// Moniker is a name for people.
	Moniker string
	// Timeouts of rounds. Default: bft.DefaultTimeouts.
	Timeouts bft.Timeouts
	// SignValidRounds is that of bft.Options, the same at all validators of the chain.
	SignValidRounds bool
	// CreateEmptyBlocks begins each height at once. Otherwise a height waits for a transaction, or for EmptyBlocksInterval (0: for ever).
	CreateEmptyBlocks   bool
	EmptyBlocksInterval time.Duration
	// HaltHeight is the last height to be committed (F5): at it the node ends with bft.ErrHaltHeight. 0: none.
	HaltHeight types.Height
	// Mempool bounds it. Its Switch and Logger are the node's.
	Mempool mempool.Options
	// OnEvent is told what consensus does. It must not wait, nor call the node.
	OnEvent func(bft.Event)
	// Logger is told what people should know. Default: silent.
	Logger *slog.Logger
}

// The files of a home, with CometBFT's names.
func (o *Options) config(name string) string { return filepath.Join(o.Home, "config", name) }
func (o *Options) data(name string) string   { return filepath.Join(o.Home, "data", name) }

// GenesisFile is where the genesis of a home is.
func GenesisFile(home string) string { return filepath.Join(home, "config", "genesis.json") }

// NodeKeyFile is where the key of a home's links is: p2p.OpenKey opens and makes it.
func NodeKeyFile(home string) string { return filepath.Join(home, "config", "node_key.json") }

// SignerDir is where the validator's key and its guard are: privval.OpenFileSigner opens and makes them.
func SignerDir(home string) string { return filepath.Join(home, "config") }

func (o Options) withDefaults() (Options, error) {
	if o.Home == "" || o.App == nil {
		return o, fmt.Errorf("%w: a full node needs a Home and an App", bft.ErrOptions)
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.Genesis != nil {
		return o, nil
	}
	text, err := os.ReadFile(GenesisFile(o.Home))
	if err != nil {
		return o, fmt.Errorf("fullnode: reading the genesis: %w", err)
	}
	o.Genesis = &types.Genesis{}
	if err := json.Unmarshal(text, o.Genesis); err != nil {
		return o, fmt.Errorf("fullnode: %s: %w", GenesisFile(o.Home), err)
	}
	return o, nil
}
