package staking

import "github.com/flagship-go/flagship/bft/app"

// MsgCreateValidator makes its signer the operator of a validator, with a first delegation.
type MsgCreateValidator struct {
	Operator app.Address
	PubKey   [32]byte // Ed25519, by which consensus knows it
	Coin     app.Coin
}

// MsgDelegate stakes coins of its signer on a validator, which may be its own.
type MsgDelegate struct {
	Delegator, Validator app.Address
	Coin                 app.Coin
}

// MsgUndelegate takes coins of its signer out again: they arrive after the unbonding time.
type MsgUndelegate struct {
	Delegator, Validator app.Address
	Coin                 app.Coin
}

var _, _, _ app.Msg = MsgCreateValidator{}, MsgDelegate{}, MsgUndelegate{}

// Type implements [app.Msg].
func (MsgCreateValidator) Type() string { return "staking/create" }

// Type implements [app.Msg].
func (MsgDelegate) Type() string { return "staking/delegate" }

// Type implements [app.Msg].
func (MsgUndelegate) Type() string { return "staking/undelegate" }

// Signer implements [app.Msg].
func (m MsgCreateValidator) Signer() app.Address { return m.Operator }

// Signer implements [app.Msg].
func (m MsgDelegate) Signer() app.Address { return m.Delegator }

// Signer implements [app.Msg].
func (m MsgUndelegate) Signer() app.Address { return m.Delegator }

// ValidateBasic implements [app.Msg].
func (m MsgCreateValidator) ValidateBasic() error {
	if m.PubKey == [32]byte{} {
		return ErrPubKey
	}
	return m.Coin.Validate()
}

// ValidateBasic implements [app.Msg].
func (m MsgDelegate) ValidateBasic() error { return m.Coin.Validate() }

// ValidateBasic implements [app.Msg].
func (m MsgUndelegate) ValidateBasic() error { return m.Coin.Validate() }

// Append implements [app.Msg].
func (m MsgCreateValidator) Append(dst []byte) []byte {
	return m.Coin.Append(append(append(dst, m.Operator[:]...), m.PubKey[:]...))
}

// Append implements [app.Msg].
func (m MsgDelegate) Append(dst []byte) []byte {
	return m.Coin.Append(append(append(dst, m.Delegator[:]...), m.Validator[:]...))
}

// Append implements [app.Msg].
func (m MsgUndelegate) Append(dst []byte) []byte { return MsgDelegate(m).Append(dst) }

func decodeCreate(r *app.Reader) (m MsgCreateValidator) {
	m.Operator = r.Address()
	r.Fixed(m.PubKey[:])
	m.Coin = r.Coin()
	return m
}

func decodeDelegate(r *app.Reader) MsgDelegate {
	return MsgDelegate{r.Address(), r.Address(), r.Coin()}
}

// Routes implements [app.Module].
func (k *Keeper) Routes() []app.Route {
	return []app.Route{
		app.Handle("staking/create", decodeCreate, func(ctx *app.Context, m MsgCreateValidator) ([]byte, error) {
			return nil, k.createValidator(ctx, m)
		}),
		app.Handle("staking/delegate", decodeDelegate, func(ctx *app.Context, m MsgDelegate) ([]byte, error) {
			return nil, k.delegate(ctx, m)
		}),
		app.Handle("staking/undelegate", func(r *app.Reader) MsgUndelegate { return MsgUndelegate(decodeDelegate(r)) },
			func(ctx *app.Context, m MsgUndelegate) ([]byte, error) { return nil, k.undelegate(ctx, m) }),
	}
}
