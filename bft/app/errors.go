package app

import (
	"errors"
	"fmt"
)

// An Error is a failure with a code, which is part of the block's results: all nodes must fail alike. Sentinels are
// *Error; wrap them with what was being done to what.
type Error struct {
	Codespace string
	Code      uint32 // not 0
	Text      string
}

// NewError makes a sentinel of a module. Codes are unique within a codespace, the module's name.
func NewError(codespace string, code uint32, text string) *Error {
	return &Error{codespace, code, text}
}

// Error is codespace and text.
func (e *Error) Error() string { return e.Codespace + ": " + e.Text }

// The errors of what every transaction goes through.
var (
	ErrInternal      = NewError(codespace, 1, "internal error")
	ErrTxDecode      = NewError(codespace, 2, "not a transaction")
	ErrTooLarge      = NewError(codespace, 3, "the transaction is too large")
	ErrUnknownMsg    = NewError(codespace, 4, "no module takes this message")
	ErrInvalidMsg    = NewError(codespace, 5, "the message is not valid")
	ErrSigner        = NewError(codespace, 6, "a message has to be signed by another account")
	ErrSignature     = NewError(codespace, 7, "the signature does not hold; is the chain id right?")
	ErrSequence      = NewError(codespace, 8, "wrong sequence")
	ErrUnknownAcct   = NewError(codespace, 9, "no such account; it begins with the first coins that it receives")
	ErrFee           = NewError(codespace, 10, "the fee cannot be paid")
	ErrOutOfGas      = NewError(codespace, 11, "out of gas")
	ErrGas           = NewError(codespace, 12, "the gas is not within bounds")
	ErrPanic         = NewError(codespace, 13, "a module panicked")
	ErrFeeTooLow     = NewError(codespace, 14, "the fee is less than this node asks for")
	ErrInvalidCoin   = NewError(codespace, 15, "not an amount of a coin")
	ErrOverflow      = NewError(codespace, 16, "the sum is beyond 2^64-1")
	ErrGenesis       = NewError(codespace, 17, "the genesis is not valid")
	ErrUnknownQuery  = NewError(codespace, 18, "nothing answers this path")
	ErrHeight        = NewError(codespace, 19, "not the next height")
	ErrNotReady      = NewError(codespace, 20, "there is no state yet")
	ErrInvalidParams = NewError(codespace, 21, "the parameters are not valid")
)

const codespace = "app"

// codeOf is the code by which err is known to all nodes. What has none is ErrInternal's.
func codeOf(err error) (code uint32, space string) {
	if err == nil {
		return 0, ""
	}
	var e *Error
	if !errors.As(err, &e) {
		e = ErrInternal
	}
	return e.Code, e.Codespace
}

// failf wraps a sentinel.
func failf(sentinel *Error, format string, args ...any) error {
	return fmt.Errorf("%w: %s", sentinel, fmt.Sprintf(format, args...))
}
