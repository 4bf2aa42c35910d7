package bank

import (
	"fmt"

	"github.com/flagship-go/flagship/bft/app"
)

// MsgSend moves a coin from its signer to another account.
type MsgSend struct {
	From, To app.Address
	Coin     app.Coin
}

var _ app.Msg = MsgSend{}

// Type implements [app.Msg].
func (m MsgSend) Type() string { return "bank/send" }

// Signer implements [app.Msg].
func (m MsgSend) Signer() app.Address { return m.From }

// ValidateBasic implements [app.Msg].
func (m MsgSend) ValidateBasic() error { return m.Coin.Validate() }

// Append implements [app.Msg].
func (m MsgSend) Append(dst []byte) []byte {
	return m.Coin.Append(append(append(dst, m.From[:]...), m.To[:]...))
}

func decodeSend(r *app.Reader) MsgSend { return MsgSend{r.Address(), r.Address(), r.Coin()} }

// MsgMultiSend moves coins from its signer to several accounts, to all or to none.
type MsgMultiSend struct {
	From    app.Address
	Outputs []Output
}

// An Output is what one account receives.
type Output struct {
	To   app.Address
	Coin app.Coin
}

// MaxOutputs is how many outputs a MsgMultiSend may have.
const MaxOutputs = 256

var _ app.Msg = MsgMultiSend{}

// Type implements [app.Msg].
func (m MsgMultiSend) Type() string { return "bank/multisend" }

// Signer implements [app.Msg].
func (m MsgMultiSend) Signer() app.Address { return m.From }

// ValidateBasic implements [app.Msg].
func (m MsgMultiSend) ValidateBasic() error {
	if len(m.Outputs) == 0 || len(m.Outputs) > MaxOutputs {
		return fmt.Errorf("%w: %d of them, not 1 to %d", ErrOutputs, len(m.Outputs), MaxOutputs)
	}
	for i, o := range m.Outputs {
		if err := o.Coin.Validate(); err != nil {
			return fmt.Errorf("%w: output %d: %w", ErrOutputs, i, err)
		}
	}
	return nil
}

// Append implements [app.Msg].
func (m MsgMultiSend) Append(dst []byte) []byte {
	dst = app.AppendUint(append(dst, m.From[:]...), uint64(len(m.Outputs)))
	for _, o := range m.Outputs {
		dst = o.Coin.Append(append(dst, o.To[:]...))
	}
	return dst
}

func decodeMultiSend(r *app.Reader) MsgMultiSend {
	m := MsgMultiSend{From: r.Address()}
	for range r.Len(22) {
		m.Outputs = append(m.Outputs, Output{r.Address(), r.Coin()})
	}
	return m
}

// Routes implements [app.Module].
func (k *Keeper) Routes() []app.Route {
	return []app.Route{
		app.Handle("bank/send", decodeSend, func(ctx *app.Context, m MsgSend) ([]byte, error) {
			return nil, k.userSend(ctx, m.From, m.To, m.Coin)
		}),
		app.Handle("bank/multisend", decodeMultiSend, func(ctx *app.Context, m MsgMultiSend) ([]byte, error) {
			for i, o := range m.Outputs {
				if err := k.userSend(ctx, m.From, o.To, o.Coin); err != nil {
					return nil, fmt.Errorf("output %d: %w", i, err)
				}
			}
			return nil, nil
		}),
	}
}

// userSend is Send for those who are no module (B4).
func (k *Keeper) userSend(ctx *app.Context, from, to app.Address, c app.Coin) error {
	if module, ok := k.blocked[to]; ok {
		return fmt.Errorf("%w: %s", ErrBlocked, module)
	}
	return k.Send(ctx, from, to, c)
}
