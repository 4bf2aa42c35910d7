package app

import (
	"encoding/binary"
	"fmt"

	"github.com/flagship-go/flagship/bft/types"
)

// An AnteStep is what every transaction goes through before its messages: it may refuse it, and its writes stay when the messages
// fail. Steps must decide alike on all nodes, but for what [Context.Checking] allows.
type AnteStep func(ctx *Context, tx *Tx) error

// Ante is the chain of steps, the cheap ones first. Whoever adds a step appends it, or puts it in between.
func Ante(fees FeeCollector) []AnteStep {
	return []AnteStep{checkBounds, payForSize, nextSequence, checkSignature, payFee(fees)}
}

// Checking tells whether the mempool asks (CheckTx): only then may a node's own options refuse a transaction.
func (c *Context) Checking() bool {
	return c.tx != nil && (c.tx.mode == modeCheck || c.tx.mode == modeRecheck)
}

// checkBounds refuses what no state would make good.
func checkBounds(ctx *Context, tx *Tx) error {
	if n := uint64(len(tx.Memo)); n > ctx.params.MaxMemo {
		return failf(ErrTooLarge, "the memo has %d bytes; %d are the most", n, ctx.params.MaxMemo)
	}
	if tx.Gas == 0 || tx.Gas > ctx.params.MaxTxGas {
		return failf(ErrGas, "gas %d is not in 1..%d", tx.Gas, ctx.params.MaxTxGas)
	}
	if tx.Fee != (Coin{}) {
		if err := tx.Fee.Validate(); err != nil {
			return fmt.Errorf("%w: %w", ErrFee, err)
		}
	}
	return nil
}

// payForSize takes gas for the bytes that everybody must carry, and for the signature that everybody must verify.
func payForSize(ctx *Context, _ *Tx) error {
	if err := ctx.UseGas(scaled(0, ctx.params.TxByteGas, len(ctx.tx.raw)), "the transaction's size"); err != nil {
		return err
	}
	return ctx.UseGas(ctx.params.SignatureGas, "the signature")
}

// nextSequence refuses what was there already, or is too early: a transaction is executed once.
func nextSequence(ctx *Context, tx *Tx) error {
	signer := tx.Signer()
	sequence, there, err := Sequence(ctx, signer)
	switch {
	case err != nil:
		return err
	case !there:
		return failf(ErrUnknownAcct, "%v", signer)
	case tx.Sequence != sequence:
		return failf(ErrSequence, "account %v is at %d, the transaction has %d", signer, sequence, tx.Sequence)
	}
	return setSequence(ctx, signer, sequence+1)
}

// checkSignature verifies by the one rule of the house (S3 of package bft). A transaction that this process has verified
// before is not verified again; its gas is the same.
func checkSignature(ctx *Context, tx *Tx) error {
	if ctx.tx.mode == modeSimulate {
		return nil
	}
	known := ctx.tx.app.verified
	if known.has(ctx.tx.raw) {
		return nil
	}
	if !types.VerifySignature(tx.PubKey[:], tx.SignBytes(ctx.ChainID), tx.Signature[:]) {
		return failf(ErrSignature, "account %v, sequence %d, chain %q", tx.Signer(), tx.Sequence, ctx.ChainID)
	}
	known.add(ctx.tx.raw)
	return nil
}

// payFee moves the fee out of the account.
func payFee(fees FeeCollector) AnteStep {
	return func(ctx *Context, tx *Tx) error {
		if price := ctx.tx.app.opts.MinFee; ctx.Checking() && price.Amount > 0 {
			least, err := MulDiv(price.Amount, tx.Gas, 1_000_000, true)
			if err != nil || tx.Fee.Denom != price.Denom || tx.Fee.Amount < least {
				return failf(ErrFeeTooLow, "it is %v; for %d gas, %d%s are wanted", tx.Fee, tx.Gas, least, price.Denom)
			}
		}
		if tx.Fee.Amount == 0 {
			return nil
		}
		if fees == nil {
			return failf(ErrFee, "nobody collects fees here")
		}
		if err := fees.CollectFee(ctx, tx.Signer(), tx.Fee); err != nil {
			return fmt.Errorf("%w: %w", ErrFee, err)
		}
		ctx.Emit("tx", "sender", tx.Signer().String(), "fee", tx.Fee.String())
		return nil
	}
}

func accountKey(a Address) []byte { return append([]byte(prefixAcct), a[:]...) }

// Sequence is the sequence that an account's next transaction must have, and whether there is such an account.
func Sequence(ctx *Context, a Address) (sequence uint64, there bool, err error) {
	b, err := ctx.Store(storeOfSelf).Get(accountKey(a))
	if err != nil || b == nil {
		return 0, false, err
	}
	return binary.BigEndian.Uint64(b), true, nil
}

func setSequence(ctx *Context, a Address, sequence uint64) error {
	return ctx.Store(storeOfSelf).Set(accountKey(a), binary.BigEndian.AppendUint64(nil, sequence))
}

// EnsureAccount begins an account if there is none: for whoever gives it its first coins.
func EnsureAccount(ctx *Context, a Address) error {
	_, there, err := Sequence(ctx, a)
	if err != nil || there {
		return err
	}
	return setSequence(ctx, a, 0)
}
