package app

import (
	"fmt"
	"math"
	"time"

	"github.com/flagship-go/flagship/bft/abci"
	"github.com/flagship-go/flagship/bft/app/store"
)

// A mode says who wants to know what a transaction does.
//
//	           ante    messages   state it runs on               what remains
//	check      yes     no         the mempool's own              ante's writes, there
//	recheck    yes     no         the same, fresh after a block  likewise
//	propose    yes     no         a branch for one proposal      nothing
//	simulate   yes (1) yes        a branch for this call         nothing
//	deliver    yes     yes        the block's                    ante's writes; the messages' if all succeed
//
// (1) without the signature, and with as much gas as a transaction may have.
type mode int

const (
	modeCheck mode = iota
	modeRecheck
	modePropose
	modeSimulate
	modeDeliver
)

// A state is where transactions run: a branch, and what they know of the block.
type state struct {
	branch  *store.Branch
	chainID string
	height  int64
	time    time.Time
	params  Params
	maxGas  uint64 // of a block
}

// context is s without a meter.
func (s *state) context() *Context {
	return &Context{ChainID: s.chainID, Height: s.height, Time: s.time, branch: s.branch, params: &s.params}
}

// A txResult is what a transaction did.
type txResult struct {
	err          error
	wanted, used uint64
	data         []byte
	events       []abci.Event
	tx           *Tx // nil: it could not be decoded
}

// runTx takes a transaction all the way. What goes wrong is in the result, whatever it is.
func (a *App) runTx(s *state, m mode, raw []byte) (res txResult) {
	tx, msgs, err := a.decode(s, raw)
	if err != nil {
		return txResult{err: err}
	}
	res.tx, res.wanted = tx, tx.Gas
	limit := tx.Gas
	if m == modeSimulate {
		limit = s.params.MaxTxGas
	}
	ctx := s.context()
	ctx.meter, ctx.tx = NewMeter(limit), &txInfo{raw, m, a}

	res.err = safely(ctx, func(ctx *Context) error {
		for _, step := range a.ante {
			if err := step(ctx, tx); err != nil {
				return err
			}
		}
		return nil
	})
	if res.err == nil && (m == modeDeliver || m == modeSimulate) {
		res.err = safely(ctx, func(ctx *Context) (err error) {
			res.data, err = a.runMsgs(ctx, msgs)
			return err
		})
		if res.err != nil {
			res.data = nil
		}
	}
	res.used, res.events = ctx.meter.Used(), ctx.events
	return res
}

// decode is what can be refused without any state but the parameters.
func (a *App) decode(s *state, raw []byte) (*Tx, []Msg, error) {
	if uint64(len(raw)) > s.params.MaxTxBytes {
		return nil, nil, failf(ErrTooLarge, "it has %d bytes; %d are the most", len(raw), s.params.MaxTxBytes)
	}
	tx, err := DecodeTx(raw)
	if err != nil {
		return nil, nil, err
	}
	if len(tx.Msgs) == 0 {
		return nil, nil, failf(ErrInvalidMsg, "there is none")
	}
	signer := tx.Signer()
	msgs := make([]Msg, len(tx.Msgs))
	for i, raw := range tx.Msgs {
		route, ok := a.routes[raw.Type]
		if !ok {
			return nil, nil, failf(ErrUnknownMsg, "message %d, %.100q", i, raw.Type)
		}
		m, err := route.decodeMsg(raw.Body)
		if err != nil {
			return nil, nil, fmt.Errorf("message %d, %s: %w", i, raw.Type, err)
		}
		if err := m.ValidateBasic(); err != nil {
			return nil, nil, fmt.Errorf("message %d, %s: %w: %w", i, raw.Type, err, ErrInvalidMsg)
		}
		if m.Signer() != signer {
			return nil, nil, failf(ErrSigner, "message %d, %s: by %v, not %v", i, raw.Type, m.Signer(), signer)
		}
		msgs[i] = m
	}
	return tx, msgs, nil
}

// decodeMsg reads a message, which must have this encoding and no other.
func (r Route) decodeMsg(body []byte) (Msg, error) {
	reader := NewReader(body)
	m := r.decode(reader)
	if err := reader.Done(); err != nil {
		return nil, failf(ErrTxDecode, "%v", err)
	}
	if string(m.Append(nil)) != string(body) {
		return nil, failf(ErrTxDecode, "there is another encoding of it, and that one counts")
	}
	return m, nil
}

// runMsgs executes all messages, or stops at the first that fails.
func (a *App) runMsgs(ctx *Context, msgs []Msg) (data []byte, err error) {
	some := false
	for i, m := range msgs {
		out, err := a.routes[m.Type()].handle(ctx, m)
		if err != nil {
			return nil, fmt.Errorf("message %d, %s: %w", i, m.Type(), err)
		}
		some = some || len(out) > 0
		data = AppendString(data, out)
	}
	if !some {
		return nil, nil
	}
	return data, nil
}

// safely is [Context.Try] for code that may panic, or overlook that gas has run out: both fail.
func safely(ctx *Context, fn func(*Context) error) (err error) {
	defer func() {
		if r := recover(); r != nil {
			err = failf(ErrPanic, "%v", r)
		}
	}()
	return ctx.Try(func(ctx *Context) error {
		if err := fn(ctx); err != nil && !ctx.meter.Out() {
			return err
		} else if ctx.meter.Out() {
			return fmt.Errorf("%w: %v", ErrOutOfGas, err)
		}
		return nil
	})
}

// gas is v as ABCI has it.
func gas(v uint64) int64 { return int64(min(v, math.MaxInt64)) }
