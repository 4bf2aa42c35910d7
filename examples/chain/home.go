package main

import (
	"context"
	"crypto/ed25519"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/flagship-go/flagship/bft/fullnode"
	"github.com/flagship-go/flagship/bft/p2p"
	"github.com/flagship-go/flagship/bft/privval"
	"github.com/flagship-go/flagship/bft/types"
	"github.com/flagship-go/flagship/internal/vfs"
)

// A home is a folder of package fullnode with three files more:
//
//	config/app      which application the chain is of (P5)
//	config/peers    persistent peers, one a line; empty: the others are in this process
//	keys/           of accounts (keys.go); a net's are beside its homes
func appFile(home string) string   { return filepath.Join(home, "config", "app") }
func peersFile(home string) string { return filepath.Join(home, "config", "peers") }

func isHome(dir string) bool {
	_, err := os.Stat(fullnode.GenesisFile(dir))
	return err == nil
}

// appOf is the application of a home. asked is what the user wants; "": whatever it is.
func appOf(home, asked string) (string, error) {
	text, err := os.ReadFile(appFile(home))
	if err != nil {
		return "", fmt.Errorf("the application of a home: %w", err)
	}
	name := strings.TrimSpace(string(text))
	if asked != "" && asked != name { // P5
		return "", wrong("--app %s: the chain in %s is of %s; take another --home", asked, home, name)
	}
	return name, nil
}

func readPeers(home string) ([]string, error) {
	text, err := os.ReadFile(peersFile(home))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	return strings.Fields(string(text)), err
}

// testnetOptions say what homes to make.
type testnetOptions struct {
	dir, chainID, app string
	validators        int
	firstPort         int // of the peers' addresses; 0: they are in one process, and find each other
}

// nodeHome is a validator's below a net's directory.
func nodeHome(dir string, i int) string { return filepath.Join(dir, fmt.Sprint("node", i)) }

// makeNet makes the homes of a net, with one genesis. A home is one by its genesis file, which comes last, and that of node0 last of
// all: a net that was made by half is none, and not one whose validators are too few to decide anything.
func makeNet(o testnetOptions) error {
	g := &types.Genesis{ChainID: o.chainID, Time: time.Now()}
	var peers []string
	for i := range o.validators {
		home := nodeHome(o.dir, i)
		if isHome(home) {
			return fmt.Errorf("%s is a home already; remove it, or take another directory", home)
		}
		pub, id, err := makeKeys(home)
		if err != nil {
			return err
		}
		g.Validators = append(g.Validators, types.Validator{Address: types.AddressOf(pub), PubKey: pub, Power: 10})
		peers = append(peers, fmt.Sprintf("%s@%s", id, net.JoinHostPort("127.0.0.1", fmt.Sprint(o.firstPort+2*i))))
	}
	if o.app == "bank" {
		if err := bankGenesis(g, o.dir); err != nil {
			return err
		}
	}
	for i := o.validators - 1; i >= 0; i-- {
		var others []string
		if o.firstPort > 0 {
			others = append(append(others, peers[:i]...), peers[i+1:]...)
		}
		if err := finishHome(nodeHome(o.dir, i), o.app, others, g); err != nil {
			return err
		}
	}
	return nil
}

// makeKeys makes a home's keys, or finds them.
func makeKeys(home string) (pub []byte, id p2p.ID, err error) {
	signer, err := privval.OpenFileSigner(nil, fullnode.SignerDir(home))
	if err != nil {
		return nil, "", err
	}
	defer signer.Close()
	key, err := p2p.OpenKey(fullnode.NodeKeyFile(home))
	if err != nil {
		return nil, "", err
	}
	return signer.PubKey(), p2p.IDOf(key.Public().(ed25519.PublicKey)), nil
}

func finishHome(home, app string, peers []string, g *types.Genesis) error {
	text, err := json.MarshalIndent(g, "", "  ")
	if err != nil {
		return err
	}
	for _, f := range []struct {
		name string
		text []byte
	}{
		{appFile(home), []byte(app + "\n")}, {peersFile(home), []byte(strings.Join(peers, "\n") + "\n")}, {fullnode.GenesisFile(home), append(text, '\n')},
	} {
		dir, base := filepath.Dir(f.name), filepath.Base(f.name)
		if err := vfs.Replace(vfs.OS(), dir, base+".new", base, f.text); err != nil {
			return err
		}
	}
	return nil
}

// testnet is chain testnet.
func testnet(_ context.Context, args []string, stdout, stderr io.Writer) error {
	var o testnetOptions
	f := flag.NewFlagSet("chain testnet", flag.ContinueOnError)
	f.StringVar(&o.dir, "o", "mytestnet", "`directory` to make the homes in: node0, node1, ...")
	f.IntVar(&o.validators, "v", 4, "`number` of validators, 1 to 16")
	f.StringVar(&o.chainID, "chain-id", "chain-local", "the chain's `name`")
	f.StringVar(&o.app, "app", "bank", "`bank` or kvstore")
	f.IntVar(&o.firstPort, "p2p.port", 26656, "`port` of node0 for peers, on 127.0.0.1; the others have every second one after it")
	const form = "chain testnet [flags]"
	if _, err := parse(f, args, stderr, 0, form); err != nil {
		return err
	}
	if o.validators < 1 || o.validators > 16 || o.app != "bank" && o.app != "kvstore" || o.firstPort < 1 || o.firstPort > 65000 {
		return wrong("--v must be 1 to 16, --app bank or kvstore, --p2p.port 1 to 65000")
	}
	if err := makeNet(o); err != nil {
		return err
	}
	fmt.Fprintf(stdout, "%d homes of chain %s (%s) in %s\ntry, in a terminal each:\n", o.validators, o.chainID, o.app, o.dir)
	for i := range o.validators {
		fmt.Fprintf(stdout, "  chain start --home %s --p2p.laddr tcp://127.0.0.1:%d --rpc.laddr tcp://127.0.0.1:%d --admin.laddr 127.0.0.1:%d\n",
			nodeHome(o.dir, i), o.firstPort+2*i, o.firstPort+2*i+1, o.firstPort+1000+i)
	}
	return nil
}

// initHome is chain init: a chain of one validator, which others may follow.
func initHome(_ context.Context, args []string, stdout, stderr io.Writer) error {
	f := flag.NewFlagSet("chain init", flag.ContinueOnError)
	home := f.String("home", "chain-home", "`directory` to make")
	chainID := f.String("chain-id", "chain-local", "the chain's `name`")
	app := f.String("app", "bank", "`bank` or kvstore")
	genesis := f.String("genesis", "", "`file`: join the chain that begins so, in place of a new one")
	if _, err := parse(f, args, stderr, 0, "chain init [flags]"); err != nil {
		return err
	}
	if *app != "bank" && *app != "kvstore" {
		return wrong("--app %s: must be bank or kvstore", *app)
	}
	if isHome(*home) {
		return fmt.Errorf("%s is a home already", *home)
	}
	pub, id, err := makeKeys(*home)
	if err != nil {
		return err
	}
	g := &types.Genesis{ChainID: *chainID, Time: time.Now(), Validators: []types.Validator{{Address: types.AddressOf(pub), PubKey: pub, Power: 10}}}
	if *genesis != "" {
		text, err := os.ReadFile(*genesis)
		if err != nil {
			return err
		}
		if err := json.Unmarshal(text, g); err != nil {
			return fmt.Errorf("%s: %w", *genesis, err)
		}
	} else if *app == "bank" {
		if err := bankGenesis(g, *home); err != nil {
			return err
		}
	}
	if err := finishHome(*home, *app, nil, g); err != nil {
		return err
	}
	fmt.Fprintf(stdout, "node %s in %s, of chain %s (%s)\n", id, *home, g.ChainID, *app)
	return nil
}

func showNodeID(_ context.Context, args []string, stdout, stderr io.Writer) error {
	home, err := homeFlag("chain show-node-id --home DIR", args, stderr)
	if err != nil {
		return err
	}
	key, err := p2p.OpenKey(fullnode.NodeKeyFile(home))
	if err == nil {
		fmt.Fprintln(stdout, p2p.IDOf(key.Public().(ed25519.PublicKey)))
	}
	return err
}

func showValidator(_ context.Context, args []string, stdout, stderr io.Writer) error {
	home, err := homeFlag("chain show-validator --home DIR", args, stderr)
	if err != nil {
		return err
	}
	var key struct {
		PubKey json.RawMessage `json:"pub_key"`
	}
	text, err := os.ReadFile(filepath.Join(fullnode.SignerDir(home), "priv_validator_key.json"))
	if err == nil {
		err = json.Unmarshal(text, &key)
	}
	if err == nil {
		fmt.Fprintf(stdout, "%s\n", key.PubKey)
	}
	return err
}

func homeFlag(form string, args []string, stderr io.Writer) (string, error) {
	f := flag.NewFlagSet(form, flag.ContinueOnError)
	home := f.String("home", nodeHome(defaultHome, 0), "a node's `directory`")
	if _, err := parse(f, args, stderr, 0, form); err != nil {
		return "", err
	}
	if !isHome(*home) {
		return "", wrong("--home %s: it is no node's home", *home)
	}
	return *home, nil
}
