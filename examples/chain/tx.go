package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"github.com/flagship-go/flagship/bft/app"
	"github.com/flagship-go/flagship/bft/app/bank"
	"github.com/flagship-go/flagship/bft/app/staking"
	"github.com/flagship-go/flagship/examples/chain/rpc"
)

// clientFlags are those of tx and query.
type clientFlags struct {
	*flag.FlagSet
	home, node string
}

func newClientFlags(name string) *clientFlags {
	f := &clientFlags{FlagSet: flag.NewFlagSet(name, flag.ContinueOnError)}
	f.StringVar(&f.home, "home", defaultHome, "`directory` whose keys are used")
	f.StringVar(&f.node, "node", defaultRPC, "`address` of a node's RPC")
	return f
}

func (f *clientFlags) client() *rpc.Client { return &rpc.Client{URL: f.node} }

const txForm = `chain tx send FROM TO 10gold
       chain tx delegate FROM OPERATOR 1000000stake
       chain tx undelegate FROM OPERATOR 1000000stake
       chain tx raw NAME=VALUE                          for --app kvstore
FROM is a key's name; TO and OPERATOR are names or addresses.`

// tx is chain tx: a transaction, and what became of it.
func tx(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	f := newClientFlags("chain tx")
	gas := f.Uint64("gas", 200_000, "`gas` that it may use")
	fee := f.String("fees", "", "a `coin` paid for it, as 1gold")
	words := 4
	if len(args) > 0 && args[0] == "raw" {
		words = 2
	}
	rest, err := parse(f.FlagSet, args, stderr, words, txForm)
	if err != nil {
		return err
	}
	raw := []byte(rest[1])
	if rest[0] != "raw" {
		if raw, err = f.signed(ctx, rest, *gas, *fee); err != nil {
			return err
		}
	}
	return broadcast(ctx, f.client(), raw, stdout)
}

// signed makes and signs the transaction that is asked for.
func (f *clientFlags) signed(ctx context.Context, words []string, gas uint64, fee string) ([]byte, error) {
	from, err := openKey(f.home, words[1], false)
	if err != nil {
		return nil, err
	}
	to, err := addressOf(f.home, words[2])
	if err != nil {
		return nil, err
	}
	coin, err := parseCoin(words[3])
	if err != nil {
		return nil, err
	}
	var paid app.Coin
	if fee != "" {
		if paid, err = parseCoin(fee); err != nil {
			return nil, err
		}
	}
	var msg app.Msg
	switch words[0] {
	case "send":
		msg = bank.MsgSend{From: from.address(), To: to, Coin: coin}
	case "delegate":
		msg = staking.MsgDelegate{Delegator: from.address(), Validator: to, Coin: coin}
	case "undelegate":
		msg = staking.MsgUndelegate{Delegator: from.address(), Validator: to, Coin: coin}
	default:
		return nil, wrong("%s: it is %s", words[0], txForm)
	}
	var status struct {
		Node struct {
			Network string `json:"network"`
		} `json:"node_info"`
	}
	if err := f.client().Call(ctx, "status", nil, &status); err != nil {
		return nil, err
	}
	sequence, err := sequenceOf(ctx, f.client(), from.address())
	if err != nil {
		return nil, err
	}
	return app.NewTx(sequence, gas, paid, msg).Sign(status.Node.Network, from.private()), nil
}

// sequenceOf is that of an account; of one that nobody has heard of yet it is 0. A chain that has just begun has its first
// block in a moment.
func sequenceOf(ctx context.Context, c *rpc.Client, a app.Address) (uint64, error) {
	var refused *queryError
	answer, err := appQuery(ctx, c, "/app/account", a[:])
	for tries := 0; tries < 50 && errors.As(err, &refused) && refused.code == app.ErrNotReady.Code; tries++ {
		time.Sleep(100 * time.Millisecond)
		answer, err = appQuery(ctx, c, "/app/account", a[:])
	}
	if errors.As(err, &refused) && refused.code == app.ErrUnknownAcct.Code {
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	var account struct {
		Sequence uint64 `json:"sequence"`
	}
	return account.Sequence, json.Unmarshal(answer, &account)
}

// parseCoin reads "10gold".
func parseCoin(s string) (c app.Coin, err error) {
	digits := len(s) - len(strings.TrimLeft(s, "0123456789"))
	if c.Amount, err = strconv.ParseUint(s[:digits], 10, 64); err == nil {
		c.Denom = s[digits:]
		err = c.Validate()
	}
	if err != nil {
		return c, wrong("%q is no coin, as 10gold: %v", s, err)
	}
	return c, nil
}

// broadcast waits until the transaction is in a block, and says what it did.
func broadcast(ctx context.Context, c *rpc.Client, raw []byte, stdout io.Writer) error {
	type result struct {
		Code uint32 `json:"code"`
		Log  string `json:"log"`
		Gas  int64  `json:"gas_used,string"`
	}
	var a struct {
		Check  result  `json:"check_tx"`
		Result result  `json:"tx_result"`
		Hash   rpc.Hex `json:"hash"`
		Height int64   `json:"height,string"`
	}
	if err := c.Call(ctx, "broadcast_tx_commit", map[string]any{"tx": raw}, &a); err != nil {
		return err
	}
	if a.Check.Code != 0 {
		return fmt.Errorf("the transaction was refused, code %d: %s", a.Check.Code, a.Check.Log)
	}
	fmt.Fprintf(stdout, "%X in block %d, gas %d\n", []byte(a.Hash), a.Height, a.Result.Gas)
	if a.Result.Code != 0 {
		return fmt.Errorf("the transaction has failed, code %d: %s", a.Result.Code, a.Result.Log)
	}
	return nil
}
