package rpc

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
)

// A Client calls a node's RPC, ours or CometBFT's.
type Client struct {
	URL  string // "http://127.0.0.1:26657"; tcp:// is the same
	HTTP *http.Client
}

// maxAnswer bounds what is taken from a node.
const maxAnswer = 128 << 20

// Call makes a call with parameters by name, and reads the result into a pointer. A failed call is an [*Error].
func (c *Client) Call(ctx context.Context, name string, params map[string]any, result any) error {
	body, err := json.Marshal(map[string]any{"jsonrpc": "2.0", "id": 1, "method": name, "params": params})
	if err != nil {
		return err
	}
	url := strings.Replace(c.URL, "tcp://", "http://", 1)
	q, err := http.NewRequestWithContext(ctx, http.MethodPost, url, bytes.NewReader(body))
	if err != nil {
		return err
	}
	q.Header.Set("Content-Type", "application/json")
	client := c.HTTP
	if client == nil {
		client = http.DefaultClient
	}
	r, err := client.Do(q)
	if err != nil {
		return err
	}
	defer r.Body.Close()
	text, err := io.ReadAll(io.LimitReader(r.Body, maxAnswer))
	if err != nil {
		return err
	}
	var a struct {
		Result json.RawMessage `json:"result"`
		Error  *Error          `json:"error"`
	}
	if err := json.Unmarshal(text, &a); err != nil {
		return fmt.Errorf("rpc: %s at %s: %s: %.200q is no answer: %w", name, url, r.Status, text, err)
	}
	if a.Error != nil {
		return a.Error
	}
	return json.Unmarshal(a.Result, result)
}
