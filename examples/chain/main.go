// Command chain is CometBFT and a Cosmos SDK application in small: validators that agree on blocks, in one process or one a
// process, with a key-value store or a bank with staking on top, CometBFT's RPC in front, and a command line for keys,
// transactions and queries.
//
//	rpc        CometBFT's RPC over a node
//	.          flags, homes, nodes that are started and stopped, the operator's page, keys and transactions
//
// # Rules
//
//	P1  Flags that cannot work are refused, and say why.                        config.go
//	P2  A home belongs to one process at a time; what was committed is there after kill -9, and the node
//	    catches up with the others.                                             nodes.go
//	P3  After SIGINT or SIGTERM calls under way are done, and the exit code is 0.     nodes.go
//	P4  What operators do is not on the clients' address.                       admin.go
//	P5  A home says which application its chain is of, and another one is refused.    home.go
//
// Tests print the rule that was broken; testdata/bugs breaks each on purpose. Package rpc has rules of its own.
//
// Reading order: main.go, config.go, home.go, application.go, nodes.go, admin.go, metrics.go; keys.go, tx.go, query.go. See README.md.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"strings"
	"syscall"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code := cli(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}

const usage = `usage: chain [flags]                     four validators in one process
       chain start --home DIR [flags]    one validator a process
       chain testnet | init              homes for them
       chain keys add|list|show          accounts
       chain tx send|delegate|raw        transactions
       chain query balance|account|validators|key|tx|block|status
       chain show-node-id | show-validator
       chain COMMAND -h                  the flags of a command

Tendermint consensus, CometBFT's RPC, and on top of it a bank with staking (the Cosmos SDK's in small), or a key-value store.

  chain
        everything below ./chain-data, which stays when it ends; RPC on http://127.0.0.1:26657, and the
        operators' address, with /metrics and /debug/pprof, is http://127.0.0.1:26660
  chain tx send alice bob 10gold
        alice and bob have their keys below ./chain-data/keys, and gold from the genesis
  curl '127.0.0.1:26657/broadcast_tx_commit?tx="name=satoshi"'
        with --app kvstore
  chain testnet --v 4 --o net && chain start --home net/node0 --rpc.laddr tcp://127.0.0.1:26657
        homes that know each other, for a process each

Anybody who reaches the addresses may call them: keep them on loopback. Keys are files that only the mode protects. It exits
with 0 after SIGINT or SIGTERM, when the calls under way are done; with 1 when it cannot go on, 2 on wrong usage.

`

// A command has flags of its own.
type command func(ctx context.Context, args []string, stdout, stderr io.Writer) error

var commands = map[string]command{
	"start": start, "testnet": testnet, "init": initHome, "keys": keys, "tx": tx, "query": queryCommand,
	"show-node-id": showNodeID, "show-validator": showValidator,
}

// cli is the command: 0 when it is done, or after a signal, 1 when it could not go on, 2 when it was used wrongly.
func cli(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	run := start
	if len(args) > 0 && !strings.HasPrefix(args[0], "-") {
		var ok bool
		if run, ok = commands[args[0]]; !ok {
			fmt.Fprintf(stderr, "chain: there is no command %q (-h shows how it is used)\n", args[0])
			return 2
		}
		args = args[1:]
	} else if len(args) > 0 && (args[0] == "-h" || args[0] == "-help" || args[0] == "--help") {
		fmt.Fprint(stderr, usage)
	}
	err := run(ctx, args, stdout, stderr)
	var wrong usageError
	switch {
	case err == nil, errors.Is(err, flag.ErrHelp):
		return 0
	case errors.As(err, &wrong):
		fmt.Fprintln(stderr, "chain:", err, "(-h shows how it is used)")
		return 2
	}
	fmt.Fprintln(stderr, "chain:", err)
	return 1
}

// usageError is what the user has to put right.
type usageError struct{ error }

// wrong is a usageError.
func wrong(format string, args ...any) error { return usageError{fmt.Errorf(format, args...)} }

// parse reads flags, and refuses what is left over beyond as many words as the command has.
func parse(f *flag.FlagSet, args []string, stderr io.Writer, words int, form string) ([]string, error) {
	f.SetOutput(stderr)
	f.Usage = func() {
		fmt.Fprintf(stderr, "usage: %s\n", form)
		f.PrintDefaults()
	}
	var rest []string
	for {
		if err := f.Parse(args); err != nil {
			if !errors.Is(err, flag.ErrHelp) {
				err = usageError{err}
			}
			return nil, err
		}
		if f.NArg() == 0 {
			break
		}
		rest, args = append(rest, f.Arg(0)), f.Args()[1:] // flags may come after words
	}
	if len(rest) != words {
		return nil, wrong("%s: it is %s", strings.Join(rest, " "), form)
	}
	return rest, nil
}

func logger(level string, w io.Writer) (*slog.Logger, error) {
	var l slog.Level
	if err := l.UnmarshalText([]byte(level)); err != nil {
		return nil, wrong("--log_level %s: must be debug, info, warn or error", level)
	}
	return slog.New(slog.NewTextHandler(w, &slog.HandlerOptions{Level: l})), nil
}
