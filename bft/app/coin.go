package app

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"math/bits"
)

// An Address is an account: the first 20 bytes of the SHA-256 of its public key, or of a module's name. Its text is hexadecimal.
type Address [20]byte

// AddressOf is the account of an Ed25519 public key.
func AddressOf(pubKey []byte) Address {
	h := sha256.Sum256(pubKey)
	return Address(h[:20])
}

// ModuleAddress is an account that no key opens: the coins of a module, under a name of its choice. No public key has
// the length of what is hashed.
func ModuleAddress(name string) Address {
	h := sha256.Sum256([]byte("flagship/app/module account/" + name))
	return Address(h[:20])
}

// String is a in hexadecimal.
func (a Address) String() string { return hex.EncodeToString(a[:]) }

// MarshalText is String.
func (a Address) MarshalText() ([]byte, error) { return []byte(a.String()), nil }

// UnmarshalText reads what MarshalText wrote.
func (a *Address) UnmarshalText(text []byte) error {
	if len(text) != 2*len(a) {
		return fmt.Errorf("app: an address has 40 hexadecimal digits, not %q", text)
	}
	if _, err := hex.Decode(a[:], text); err != nil {
		return fmt.Errorf("app: address %q: %w", text, err)
	}
	return nil
}

// A Coin is an amount of a denomination. Amounts are of 64 bits: what is left of a coin's smallest unit after a division is decided
// by whoever divides, in integers, and 1.8 * 10^19 of them are enough where six decimals are shown. Sums are checked.
type Coin struct {
	Denom  string `json:"denom"`
	Amount uint64 `json:"amount,string"`
}

// String is "10stake".
func (c Coin) String() string { return fmt.Sprintf("%d%s", c.Amount, c.Denom) }

// Validate refuses nothing of something, and something of nothing.
func (c Coin) Validate() error {
	if c.Amount == 0 {
		return failf(ErrInvalidCoin, "the amount of %q is zero", c.Denom)
	}
	return ValidateDenom(c.Denom)
}

// ValidateDenom wants a letter and then 2 to 127 letters, digits or any of /:._-
func ValidateDenom(denom string) error {
	ok := len(denom) >= 3 && len(denom) <= 128
	for i := 0; ok && i < len(denom); i++ {
		c := denom[i]
		letter := c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z'
		other := c >= '0' && c <= '9' || c == '/' || c == ':' || c == '.' || c == '_' || c == '-'
		ok = letter || i > 0 && other
	}
	if !ok {
		return failf(ErrInvalidCoin, "denomination %.140q: a letter and 2 to 127 letters, digits or /:._-", denom)
	}
	return nil
}

// Add is a + b, or ErrOverflow.
func Add(a, b uint64) (uint64, error) {
	sum, carry := bits.Add64(a, b, 0)
	if carry != 0 {
		return 0, failf(ErrOverflow, "%d + %d", a, b)
	}
	return sum, nil
}

// MulDiv is a * b / c, rounded down, or up if up. The product may have 128 bits. c is not 0; a result beyond 64 bits is ErrOverflow.
func MulDiv(a, b, c uint64, up bool) (uint64, error) {
	hi, lo := bits.Mul64(a, b)
	if hi >= c {
		return 0, failf(ErrOverflow, "%d * %d / %d", a, b, c)
	}
	q, r := bits.Div64(hi, lo, c)
	if up && r > 0 {
		return Add(q, 1)
	}
	return q, nil
}
