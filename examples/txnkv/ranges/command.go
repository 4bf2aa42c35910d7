package ranges

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/flagship-go/flagship/mvcc"
	"github.com/flagship-go/flagship/mvcc/timestamp"
	"github.com/flagship-go/flagship/raft"
)

// The commands of a range's log, beside the split, which is package multi's:
//
//	'w'  lease, then operations: kind, family, key, value      a batch of a region
//	'l'  node                                                  takes the lease
//	'c'  timestamp                                             the clock's bound, in range 1
//	'n'                                                        the next number, in range 1
//
// What Apply returns begins with one of the answers.
const (
	cmdWrite  = 'w'
	cmdLease  = 'l'
	cmdClock  = 'c'
	cmdNumber = 'n'

	done       = 'd' // and for 'l' and 'n' the number
	superseded = 's' // the lease is another's by now: nothing was done
	broken     = 'b' // the store of this node takes no more
)

var errCommand = errors.New("ranges: not a command of a range, or one of a newer version")

func encodeWrite(lease uint64, b *mvcc.Batch) []byte {
	n := 16
	for i := range b.Ops {
		n += len(b.Ops[i].Key) + len(b.Ops[i].Value) + 2 + 2*binary.MaxVarintLen32
	}
	c := make([]byte, 1, n)
	c[0] = cmdWrite
	c = binary.AppendUvarint(c, lease)
	for i := range b.Ops {
		op := &b.Ops[i]
		c = append(c, byte(op.Kind), byte(op.CF))
		c = appendBytes(appendBytes(c, op.Key), op.Value)
	}
	return c
}

func appendBytes(to, b []byte) []byte {
	return append(binary.AppendUvarint(to, uint64(len(b))), b...)
}

func cutUvarint(b []byte) (v uint64, rest []byte, err error) {
	v, n := binary.Uvarint(b)
	if n <= 0 {
		return 0, nil, errCommand
	}
	return v, b[n:], nil
}

func cutBytes(b []byte) (v, rest []byte, err error) {
	n, b, err := cutUvarint(b)
	if err != nil || n > uint64(len(b)) {
		return nil, nil, errCommand
	}
	return b[:n:n], b[n:], nil
}

// decodeWrite calls f for each operation. The slices are the command's.
func decodeWrite(c []byte, f func(op *mvcc.Op)) (lease uint64, err error) {
	lease, c, err = cutUvarint(c[1:])
	for err == nil && len(c) > 0 {
		if len(c) < 2 || c[0] > byte(mvcc.OpDeleteRange) || int(c[1]) >= len(families) {
			return 0, errCommand
		}
		op := mvcc.Op{Kind: mvcc.OpKind(c[0]), CF: mvcc.CF(c[1])}
		if op.Key, c, err = cutBytes(c[2:]); err != nil {
			return 0, err
		}
		if op.Value, c, err = cutBytes(c); err != nil {
			return 0, err
		}
		f(&op)
	}
	return lease, err
}

func encodeLease(holder raft.NodeID) []byte {
	return binary.AppendUvarint([]byte{cmdLease}, uint64(holder))
}

func encodeClock(ts timestamp.TS) []byte { return binary.AppendUvarint([]byte{cmdClock}, uint64(ts)) }

// answer reads what Apply has returned.
func answer(result []byte, err error) (uint64, error) {
	switch {
	case err != nil:
		return 0, err
	case len(result) > 0 && result[0] == superseded:
		return 0, errSuperseded
	case len(result) == 0 || result[0] != done:
		return 0, fmt.Errorf("%w: the store of this node failed", raft.ErrOutcomeUnknown)
	case len(result) == 1:
		return 0, nil
	}
	n, _, err := cutUvarint(result[1:])
	return n, err
}

var errSuperseded = errors.New("ranges: somebody else holds the lease by now")

func doneWith(n uint64) []byte { return binary.AppendUvarint([]byte{done}, n) }

// splitArgument is what a split is asked with.
type splitArgument struct {
	Key   []byte
	Right uint64
	Sizes [2]uint64 // about, of the left and the right part; 0: half of it each
}

func (a *splitArgument) encode() []byte {
	b, err := json.Marshal(a)
	if err != nil {
		panic("ranges: broken invariant: a split has no JSON: " + err.Error())
	}
	return b
}

func decodeSplit(b []byte) (a splitArgument, err error) {
	if err := json.Unmarshal(b, &a); err != nil {
		return a, fmt.Errorf("%w: %w", errCommand, err)
	}
	return a, nil
}
