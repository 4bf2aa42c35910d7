package table

import (
	"sync"

	"github.com/klauspost/compress/s2"
	"github.com/klauspost/compress/zstd"
)

// Compression is how blocks are compressed. The values are on disk.
type Compression uint8

const (
	// None leaves blocks as they are: a mapped table needs no copy of them.
	None Compression = 0
	// S2 is fast both ways, and saves the least.
	S2 Compression = 1
	// Zstd saves the most.
	Zstd Compression = 2
)

func (c Compression) String() string {
	switch c {
	case None:
		return "none"
	case S2:
		return "s2"
	case Zstd:
		return "zstd"
	}
	return "unknown"
}

// maxCompressed is the longest block that is compressed. It bounds what a
// damaged block can make a reader allocate.
const maxCompressed = 16 << 20

// The codecs of zstd are costly to make and have no state between calls.
var (
	zstdEncoder = sync.OnceValue(func() *zstd.Encoder {
		e, err := zstd.NewWriter(nil, zstd.WithEncoderCRC(false), zstd.WithEncoderLevel(zstd.SpeedFastest))
		if err != nil {
			panic(err) // the options are constant
		}
		return e
	})
	zstdDecoder = sync.OnceValue(func() *zstd.Decoder {
		d, err := zstd.NewReader(nil, zstd.WithDecoderMaxMemory(maxCompressed), zstd.WithDecoderConcurrency(0))
		if err != nil {
			panic(err)
		}
		return d
	})
)

// compress returns block compressed into scratch, or as it is, with None, if
// that does not save an eighth.
func compress(c Compression, block, scratch []byte) ([]byte, Compression) {
	if c == None || len(block) > maxCompressed {
		return block, None
	}
	var out []byte
	if c == S2 {
		out = s2.Encode(scratch[:cap(scratch)], block)
	} else {
		out = zstdEncoder().EncodeAll(block, scratch[:0])
	}
	if len(out) > len(block)-len(block)/8 {
		return block, None
	}
	return out, c
}

// decompress returns a block as it was; reason is "" if it could.
func decompress(c Compression, b []byte) (block []byte, reason string) {
	var err error
	switch c {
	case None:
		return b, ""
	case S2:
		if n, err := s2.DecodedLen(b); err != nil || n > maxCompressed {
			return nil, "the length of the decompressed block makes no sense"
		}
		block, err = s2.Decode(nil, b)
	case Zstd:
		block, err = zstdDecoder().DecodeAll(b, nil)
	default:
		return nil, "the compression is unknown"
	}
	if err != nil {
		return nil, "decompressing: " + err.Error()
	}
	return block, ""
}
