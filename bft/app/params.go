package app

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"math"
)

// Params are what all nodes agree on beside the modules' own. They are in the state, from the genesis on.
type Params struct {
	MaxTxBytes   uint64   `json:"max_tx_bytes"`  // the longest transaction
	MaxMemo      uint64   `json:"max_memo"`      // the longest memo, in bytes
	MaxTxGas     uint64   `json:"max_tx_gas"`    // the most gas that a transaction may ask for, at most 2^63-1
	TxByteGas    uint64   `json:"tx_byte_gas"`   // for each byte of a transaction
	SignatureGas uint64   `json:"signature_gas"` // for its signature
	Costs        GasCosts `json:"costs"`
}

// GasCosts are the prices of reads and writes, in gas.
type GasCosts struct {
	ReadFlat  uint64 `json:"read_flat"`  // for a read or the beginning of a range, found or not
	ReadByte  uint64 `json:"read_byte"`  // for each byte of key and value
	WriteFlat uint64 `json:"write_flat"` // for a write
	WriteByte uint64 `json:"write_byte"` // for each byte of key and value
	Delete    uint64 `json:"delete"`     // for a delete
	RangeNext uint64 `json:"range_next"` // for each key of a range, beside its bytes
}

// DefaultParams have the Cosmos SDK's prices.
func DefaultParams() Params {
	return Params{
		MaxTxBytes: 64 << 10, MaxMemo: 256, MaxTxGas: 50_000_000, TxByteGas: 10, SignatureGas: 590,
		Costs: GasCosts{ReadFlat: 1000, ReadByte: 3, WriteFlat: 2000, WriteByte: 30, Delete: 1000, RangeNext: 30},
	}
}

// Validate wants room for transactions, and gas that an int64 can name.
func (p Params) Validate() error {
	if p.MaxTxBytes < 128 || p.MaxTxGas == 0 || p.MaxTxGas > math.MaxInt64 {
		return failf(ErrInvalidParams, "max_tx_bytes %d is to be at least 128, max_tx_gas %d in 1..2^63-1", p.MaxTxBytes, p.MaxTxGas)
	}
	return nil
}

// What the state has of the application itself, beside the accounts.
var (
	keyParams   = []byte("params")
	keyChainID  = []byte("chain_id")
	keyMaxGas   = []byte("max_gas") // of a block, from the consensus parameters; not there: no bound
	prefixAcct  = "a/"
	storeOfSelf = "app"
)

// SetParams changes the parameters, from the next block on.
func SetParams(ctx *Context, p Params) error {
	if err := p.Validate(); err != nil {
		return err
	}
	b, err := json.Marshal(p)
	if err != nil {
		return err
	}
	return ctx.Store(storeOfSelf).Set(keyParams, b)
}

// readParams is what SetParams wrote.
func readParams(ctx *Context) (p Params, err error) {
	b, err := ctx.Store(storeOfSelf).Get(keyParams)
	if err != nil {
		return p, err
	}
	if b == nil {
		return p, ErrNotReady
	}
	return p, decodeJSON(b, &p)
}

// decodeJSON refuses fields that it does not know: a misspelt one must not become a default.
func decodeJSON(b []byte, into any) error {
	d := json.NewDecoder(bytes.NewReader(b))
	d.DisallowUnknownFields()
	if err := d.Decode(into); err != nil {
		return fmt.Errorf("%w: %w", ErrGenesis, err)
	}
	if _, err := d.Token(); err != io.EOF {
		return failf(ErrGenesis, "something follows the JSON value")
	}
	return nil
}
