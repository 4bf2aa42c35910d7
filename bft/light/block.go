package light

import (
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/flagship-go/flagship/bft/types"
)

// A Block is a header and what it takes to verify it: CometBFT's light block, with the next set beside. It is not
// changed once it is made.
type Block struct {
	Header     *types.Header
	Commit     *types.Commit       // for the header
	Validators *types.ValidatorSet // of the header's height
	// Next is the set of the height after, by which later headers are verified. nil: sequential verification only.
	Next *types.ValidatorSet
}

// What is wrong with a block, whatever is trusted.
var (
	// ErrInvalid is a block that does not agree with itself, or with the chain.
	ErrInvalid = errors.New("light: invalid block")
	// ErrEncoding is no block's encoding.
	ErrEncoding = errors.New("light: encoding")
)

// Height is the header's.
func (b *Block) Height() types.Height { return b.Header.Height }

// Check tells whether header, commit and sets belong to each other and to the chain. It looks at no signature.
func (b *Block) Check(chainID string) error {
	switch {
	case b == nil || b.Header == nil || b.Commit == nil || b.Validators == nil:
		return fmt.Errorf("%w: header, commit or validators are missing", ErrInvalid)
	case b.Header.ChainID != chainID:
		return fmt.Errorf("%w %d: it is of chain %q, and this is %q", ErrInvalid, b.Height(), b.Header.ChainID, chainID)
	}
	if err := b.Header.Check(); err != nil {
		return fmt.Errorf("%w: %w", ErrInvalid, err)
	}
	switch hash := b.Header.Hash(); {
	case b.Commit.Height != b.Height():
		return fmt.Errorf("%w %d: its commit is of height %d", ErrInvalid, b.Height(), b.Commit.Height)
	case b.Commit.Value.Hash != hash:
		return fmt.Errorf("%w %d: its commit is for %v, and the header is %v", ErrInvalid, b.Height(), b.Commit.Value, hash)
	}
	if err := b.checkSet(b.Validators, b.Header.ValidatorsHash, "validators"); err != nil {
		return err
	}
	if b.Next == nil || b.Next == b.Validators && b.Header.NextValidatorsHash == b.Header.ValidatorsHash {
		return nil
	}
	return b.checkSet(b.Next, b.Header.NextValidatorsHash, "next validators")
}

func (b *Block) checkSet(set *types.ValidatorSet, hash types.Hash, what string) error {
	if err := checkSet(set, hash); err != nil {
		return fmt.Errorf("%w %d: %s: %w", ErrInvalid, b.Height(), what, err)
	}
	return nil
}

// checkSet tells whether a set is the one of a hash. The hash covers keys and powers; addresses must be the keys', for by them validators
// of two sets are found to be the same.
func checkSet(set *types.ValidatorSet, hash types.Hash) error {
	if got := set.Hash(); got != hash {
		return fmt.Errorf("their hash is %v, and the header says %v", got, hash)
	}
	for i := range set.Len() {
		if v := set.At(i); types.AddressOf(v.PubKey) != v.Address {
			return fmt.Errorf("the address %v is not that of its key", v.Address)
		}
	}
	return nil
}

// format is the version of the encoding, its first byte.
const format = 1

// Encode appends the block: the format's version, then header, commit and sets, each with its length before it.
func (b *Block) Encode(dst []byte) []byte {
	dst = append(dst, format)
	piece := func(encode func([]byte) []byte) {
		data := encode(nil)
		dst = append(binary.AppendUvarint(dst, uint64(len(data))), data...)
	}
	piece(b.Header.Encode)
	piece(b.Commit.Encode)
	piece(b.Validators.Encode)
	if b.Next != nil {
		piece(b.Next.Encode)
	}
	return dst
}

// DecodeBlock reads what [Block.Encode] has written, all of it. Keys and signatures are slices of data. Whether the block
// agrees with itself is for [Block.Check] to say.
func DecodeBlock(data []byte) (*Block, error) {
	if len(data) == 0 || data[0] != format {
		return nil, fmt.Errorf("%w of a block: it is not of format %d", ErrEncoding, format)
	}
	var pieces [4][]byte
	n := 0
	for data = data[1:]; len(data) > 0; n++ {
		size, w := binary.Uvarint(data)
		if n == len(pieces) || w <= 0 || w > 1 && data[w-1] == 0 || size > uint64(len(data)-w) {
			return nil, fmt.Errorf("%w of a block: piece %d does not fit", ErrEncoding, n)
		}
		pieces[n], data = data[w:w+int(size)], data[w+int(size):]
	}
	if n < 3 {
		return nil, fmt.Errorf("%w of a block: %d pieces", ErrEncoding, n)
	}
	b := &Block{}
	var errs [4]error
	b.Header, errs[0] = types.DecodeHeader(pieces[0])
	b.Commit, errs[1] = types.DecodeCommit(pieces[1])
	b.Validators, errs[2] = types.DecodeValidatorSet(pieces[2])
	if n == 4 {
		b.Next, errs[3] = types.DecodeValidatorSet(pieces[3])
	}
	if err := errors.Join(errs[:]...); err != nil {
		return nil, fmt.Errorf("%w of a block: %w", ErrEncoding, err)
	}
	return b, nil
}
