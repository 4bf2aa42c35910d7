package app

import (
	"encoding/json"

	"github.com/flagship-go/flagship/bft/abci"
)

// A Msg is what a transaction asks a module to do.
type Msg interface {
	// Type names it: the module's name, a slash, and the verb.
	Type() string
	// Signer is the account in whose name it is done: the transaction must be signed by it.
	Signer() Address
	// ValidateBasic refuses what can be seen to be wrong without any state.
	ValidateBasic() error
	// Append appends its encoding, which the decoder of its [Route] reads.
	Append(dst []byte) []byte
}

// A Route is how a type of message is decoded and executed. Make it by [Handle].
type Route struct {
	Type   string
	decode func(*Reader) Msg
	handle func(*Context, Msg) ([]byte, error)
}

// Handle is a Route. The decoder takes the fields; what is left over or missing is found afterwards. The
// handler returns data for whoever sent the transaction, or an error: then nothing of its writes remains.
func Handle[M Msg](typ string, decode func(*Reader) M, handle func(*Context, M) ([]byte, error)) Route {
	return Route{
		Type:   typ,
		decode: func(r *Reader) Msg { return decode(r) },
		handle: func(ctx *Context, m Msg) ([]byte, error) { return handle(ctx, m.(M)) },
	}
}

// A Module is a part of an application: messages, and the state that they are about.
type Module interface {
	// Name is the codespace of its errors and the prefix of its state: letters and digits.
	Name() string
	// Routes are the messages that it takes.
	Routes() []Route
	// InitGenesis makes its state from what ExportGenesis wrote; nil: it begins empty, with its defaults.
	InitGenesis(ctx *Context, data json.RawMessage) error
	// ExportGenesis is its whole state: InitGenesis with it gives the same state, byte for byte.
	ExportGenesis(ctx *Context) (json.RawMessage, error)
}

// What a module may have beside. Errors of these end the node: they are for what must not happen.
type (
	// A BeginBlocker acts before a block's transactions; the block's misbehavior is told to it.
	BeginBlocker interface {
		BeginBlock(ctx *Context, b *abci.FinalizeBlockRequest) error
	}
	// An EndBlocker acts after them, and may change the validators. One module does.
	EndBlocker interface {
		EndBlock(ctx *Context) ([]abci.ValidatorUpdate, error)
	}
	// A ValidatorSource has the validators of the genesis.
	ValidatorSource interface {
		Validators(ctx *Context) ([]abci.ValidatorUpdate, error)
	}
	// A Querier answers queries whose path begins with its name; path is the rest.
	Querier interface {
		Query(ctx *Context, path string, data []byte) ([]byte, error)
	}
	// An InvariantChecker says what must hold at every height.
	InvariantChecker interface {
		CheckInvariants(ctx *Context) error
	}
)

// A FeeCollector takes fees from accounts.
type FeeCollector interface {
	CollectFee(ctx *Context, payer Address, fee Coin) error
}
