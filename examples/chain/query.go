package main

import (
	"bytes"
	"context"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"strconv"

	"github.com/flagship-go/flagship/examples/chain/rpc"
)

const queryForm = `chain query balance NAME          account NAME
       chain query validators            key NAME          for --app kvstore
       chain query tx HASH               block HEIGHT      status`

// queryCommand is chain query: JSON, or the value of a key as it is.
func queryCommand(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	f := newClientFlags("chain query")
	words := 2
	if len(args) > 0 && (args[0] == "validators" || args[0] == "status") {
		words = 1
	}
	rest, err := parse(f.FlagSet, args, stderr, words, queryForm)
	if err != nil {
		return err
	}
	answer, err := f.ask(ctx, rest)
	if err != nil {
		return err
	}
	var pretty bytes.Buffer
	if json.Indent(&pretty, answer, "", "  ") == nil {
		answer = pretty.Bytes()
	}
	_, err = fmt.Fprintf(stdout, "%s\n", answer)
	return err
}

func (f *clientFlags) ask(ctx context.Context, words []string) ([]byte, error) {
	c := f.client()
	call := func(method string, params map[string]any) ([]byte, error) {
		var raw json.RawMessage
		err := c.Call(ctx, method, params, &raw)
		return raw, err
	}
	switch words[0] {
	case "balance", "account":
		a, err := addressOf(f.home, words[1])
		if err != nil {
			return nil, err
		}
		path := map[string]string{"balance": "/bank/balances", "account": "/app/account"}[words[0]]
		return appQuery(ctx, c, path, a[:])
	case "validators":
		return call("validators", nil)
	case "key":
		return appQuery(ctx, c, "", []byte(words[1]))
	case "tx":
		hash, err := hex.DecodeString(words[1])
		if err != nil {
			return nil, wrong("%s: a hash is hexadecimal: %v", words[1], err)
		}
		return call("tx", map[string]any{"hash": hash, "prove": true})
	case "block":
		h, err := strconv.ParseInt(words[1], 10, 64)
		if err != nil {
			return nil, wrong("%s: a height is a number", words[1])
		}
		return call("block", map[string]any{"height": strconv.FormatInt(h, 10)})
	case "status":
		return call("status", nil)
	}
	return nil, wrong("%s: it is %s", words[0], queryForm)
}

// queryError is what the application says against a query.
type queryError struct {
	code uint32
	log  string
}

func (e *queryError) Error() string {
	return fmt.Sprintf("the query was refused, code %d: %s", e.code, e.log)
}

// appQuery asks the application.
func appQuery(ctx context.Context, c *rpc.Client, path string, data []byte) ([]byte, error) {
	var a struct {
		Response struct {
			Code  uint32 `json:"code"`
			Log   string `json:"log"`
			Value []byte `json:"value"`
		} `json:"response"`
	}
	if err := c.Call(ctx, "abci_query", map[string]any{"path": path, "data": rpc.Hex(data)}, &a); err != nil {
		return nil, err
	}
	if a.Response.Code != 0 {
		return nil, &queryError{a.Response.Code, a.Response.Log}
	}
	return a.Response.Value, nil
}
