package blocksync

import (
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/flagship-go/flagship/bft/internal/varint"
	"github.com/flagship-go/flagship/bft/types"
)

// What nodes say to each other: a kind, and then heights as varints.
//
//	how far?             1
//	base to top          2  base top      0 0: no block
//	block?               3  height
//	block                4  height, the block's encoding
//	no such block        5  height
type kind byte

const (
	kindHowFar kind = iota + 1
	kindStatus
	kindWant
	kindBlock
	kindNone
)

// ErrMessage is a message that nobody correct sends.
var ErrMessage = errors.New("blocksync: garbled message")

type message struct {
	kind      kind
	height    types.Height // of a status: the base
	top       types.Height
	block     []byte
	blockSize int
}

func encodeHeights(k kind, heights ...types.Height) []byte {
	b := []byte{byte(k)}
	for _, h := range heights {
		b = binary.AppendUvarint(b, uint64(h))
	}
	return b
}

func decodeMessage(b []byte) (m message, err error) {
	if len(b) == 0 {
		return m, fmt.Errorf("%w: it is empty", ErrMessage)
	}
	m.kind = kind(b[0])
	rest := b[1:]
	take := func() (h types.Height) {
		v, n := varint.Take(rest, 1<<62)
		if n == 0 {
			err = fmt.Errorf("%w: a height is cut off, too large, or not in its shortest form", ErrMessage)
			return 0
		}
		rest = rest[n:]
		return types.Height(v)
	}
	switch m.kind {
	case kindHowFar:
	case kindStatus:
		m.height, m.top = take(), take()
		if m.height > m.top || (m.height == 0) != (m.top == 0) {
			err = fmt.Errorf("%w: blocks %d to %d", ErrMessage, m.height, m.top)
		}
	case kindWant, kindNone:
		m.height = take()
	case kindBlock:
		m.height = take()
		m.block, m.blockSize, rest = rest, len(rest), nil
	default:
		err = fmt.Errorf("%w: kind %d", ErrMessage, m.kind)
	}
	if err == nil && len(rest) > 0 {
		err = fmt.Errorf("%w: %d bytes are left over", ErrMessage, len(rest))
	}
	return m, err
}
