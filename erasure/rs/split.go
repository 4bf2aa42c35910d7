package rs

import (
	"fmt"
	"io"
)

// Split cuts data into data shards of one length and adds parity shards
// of zeros, ready for Encode. The data shards are parts of data, without copying;
// only where data ends before its shard does is there a copy, padded with
// zeros. Nothing is written to data or to what lies behind it in its array.
func (c *Code) Split(data []byte) ([][]byte, error) {
	if len(data) == 0 {
		return nil, fmt.Errorf("%w: nothing to split", ErrShortData)
	}
	size := (len(data) + c.data - 1) / c.data
	whole := len(data) / size
	own := make([]byte, (c.data+c.parity-whole)*size)
	copy(own, data[whole*size:])
	shards := make([][]byte, c.data+c.parity)
	for i := range shards {
		if i < whole {
			shards[i] = data[i*size : (i+1)*size : (i+1)*size]
		} else {
			shards[i], own = own[:size:size], own[size:]
		}
	}
	return shards, nil
}

// Join writes the first size bytes of the data shards to dst, which undoes
// Split. The data shards that hold them have to be there.
func (c *Code) Join(dst io.Writer, shards [][]byte, size int) error {
	if len(shards) < c.data {
		return fmt.Errorf("%w: %d; the %d data shards are needed", ErrTooFewShards, len(shards), c.data)
	}
	if size < 0 {
		return fmt.Errorf("%w: %d bytes asked for", ErrShortData, size)
	}
	left := size
	for i, s := range shards[:c.data] {
		if left == 0 {
			return nil
		}
		if len(s) == 0 {
			return fmt.Errorf("%w: data shard %d; reconstruct it first", ErrMissing, i)
		}
		n, err := dst.Write(s[:min(left, len(s))])
		if err != nil {
			return fmt.Errorf("rs: joining data shard %d: %w", i, err)
		}
		left -= n
	}
	if left > 0 {
		return fmt.Errorf("%w: %d bytes asked for, %d in the data shards", ErrShortData, size, size-left)
	}
	return nil
}
