package app

import (
	"time"

	"github.com/flagship-go/flagship/bft/abci"
	"github.com/flagship-go/flagship/bft/app/store"
)

// A Context is the world of a message, or of a block's beginning or end: the state, the block's height and time, and the meter. What
// is not in it (clocks, random numbers, variables of the process) must not decide anything. It is for one goroutine, and for the one call.
type Context struct {
	ChainID string
	Height  int64
	Time    time.Time // the block's, by consensus

	branch *store.Branch
	meter  *Meter // nil: nothing is counted
	params *Params
	tx     *txInfo // nil outside of transactions
	events []abci.Event
}

// txInfo is what ante steps know beside the transaction.
type txInfo struct {
	raw  []byte
	mode mode
	app  *App
}

// Store is the part of the state that a module has under its name.
func (c *Context) Store(module string) store.KV {
	kv := store.Prefix(c.branch, module+"/")
	if c.meter == nil {
		return kv
	}
	return &metered{kv, c.meter, &c.params.Costs}
}

// UseGas takes gas for work that is not reading or writing. Outside of transactions it is free.
func (c *Context) UseGas(gas uint64, what string) error {
	if c.meter == nil {
		return nil
	}
	return c.meter.Use(gas, what)
}

// Emit adds an event: a type, and keys with their values in turn.
func (c *Context) Emit(typ string, pairs ...string) {
	e := abci.Event{Type: typ}
	for i := 0; i+1 < len(pairs); i += 2 {
		e.Attributes = append(e.Attributes, abci.EventAttribute{Key: pairs[i], Value: pairs[i+1], Index: true})
	}
	c.events = append(c.events, e)
}

// Try runs fn in a world of its own. If fn returns an error, all that it wrote and emitted is dropped; the gas it used stays used.
func (c *Context) Try(fn func(*Context) error) error {
	child := *c
	child.branch, child.events = c.branch.Branch(), nil
	if err := fn(&child); err != nil {
		return err
	}
	if err := child.branch.Write(); err != nil {
		return err
	}
	c.events = append(c.events, child.events...)
	return nil
}
