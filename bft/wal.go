package bft

import (
	"encoding/binary"
	"errors"
	"fmt"
	"log/slog"
	"math"

	"github.com/flagship-go/flagship/bft/internal/varint"
	"github.com/flagship-go/flagship/bft/types"
	"github.com/flagship-go/flagship/internal/vfs"
	"github.com/flagship-go/flagship/internal/wal"
)

// An inputLog is what a node's core was given, in order (W1): enough to think it all again after a crash (W2).
//
//	| begin 7 | proposal | part | verdict: valid | prevote | prevote | timeout | ... | begin 8 | ...
//	  ^ of height 7, for ForHeight                            ^ synced up to here before our precommit was sent
//
// What the application said to a block is an input too: a replay does not ask again.
type inputLog struct {
	log *wal.Log
	buf []byte
	// starts is where heights begin, those that are not dropped yet.
	starts map[types.Height]uint64
}

// The kinds of records: the first byte. The rest is a message, or numbers as varints.
const (
	recordBegin   = 'B' // the version of this format, height
	recordMessage = 'M' // a message
	recordTimeout = 'T' // height, round, step
	recordVerdict = 'V' // 0 or 1, and the value
)

// logFormat is the version of the records.
const logFormat = 1

// ErrWAL is a log of inputs that cannot be gone on with: damaged, of another format, or of another node's store.
var ErrWAL = errors.New("bft: the log of inputs")

const remedyWAL = "restore the file from a backup; or, if nothing of this height was signed elsewhere, move the log's directory away: " +
	"the signer's guard still refuses to sign twice (S2), but what was locked is forgotten"

// openInputLog opens the log in a directory, or begins one there. A torn end is cut off. Damage before it is an error
// with its place.
func openInputLog(fs vfs.FS, dir string, logger *slog.Logger) (*inputLog, error) {
	log, _, err := wal.Open(dir, &wal.Options{FS: fs, SegmentSize: 8 << 20, Logger: logger})
	if err != nil {
		return nil, walError(dir, err)
	}
	l := &inputLog{log: log, starts: make(map[types.Height]uint64)}
	if err := l.scan(); err != nil {
		return nil, errors.Join(walError(dir, err), log.Close())
	}
	return l, nil
}

func walError(dir string, err error) error {
	if errors.Is(err, wal.ErrCorrupt) {
		return fmt.Errorf("%w in %s: %w; remedy: %s", ErrWAL, dir, err, remedyWAL)
	}
	return fmt.Errorf("%w in %s: %w", ErrWAL, dir, err)
}

// scan reads all there is once: each record must be sound, and where heights begin is remembered.
func (l *inputLog) scan() error {
	for r, err := range l.log.Records(l.log.FirstSeq()) {
		if err != nil {
			return err
		}
		rec, err := decodeInput(r.Data)
		if err != nil {
			return fmt.Errorf("record %d: %w", r.Seq, err)
		}
		if rec.begin > 0 {
			l.starts[rec.begin] = r.Seq
		}
	}
	return nil
}

// A loggedInput is one input; one field is set.
type loggedInput struct {
	begin   types.Height
	message types.Message
	timeout *Timeout
	verdict *verdict
}

// A verdict is what was found of a proposed block.
type verdict struct {
	value types.ValueID
	valid bool
}

func (l *inputLog) begin(h types.Height) error {
	l.buf = appendBegin(l.buf[:0], h)
	seq, err := l.log.Append(l.buf)
	l.starts[h] = seq
	return err
}

// messages logs one or more messages, all or none.
func (l *inputLog) messages(ms ...types.Message) error {
	l.buf = l.buf[:0]
	records, ends := make([][]byte, len(ms)), make([]int, len(ms))
	for i, m := range ms {
		l.buf = appendInput(l.buf, m)
		ends[i] = len(l.buf)
	}
	from := 0
	for i, end := range ends {
		records[i], from = l.buf[from:end], end
	}
	_, err := l.log.Append(records...)
	return err
}

func (l *inputLog) timeout(t Timeout) error {
	l.buf = appendTimeout(l.buf[:0], t)
	_, err := l.log.Append(l.buf)
	return err
}

func (l *inputLog) verdict(v types.ValueID, valid bool) error {
	l.buf = appendVerdict(l.buf[:0], verdict{v, valid})
	_, err := l.log.Append(l.buf)
	return err
}

// sync makes everything logged durable.
func (l *inputLog) sync() error { return l.log.Sync(l.log.LastSeq()) }

// forHeight gives the inputs of a height to fn, in order; none if the height has not begun.
func (l *inputLog) forHeight(h types.Height, fn func(loggedInput) error) error {
	for later := range l.starts {
		if later > h {
			return fmt.Errorf("%w has inputs of height %d, and the store ends before %d: the store has lost blocks; "+
				"remedy: give the node the store that belongs to this log", ErrWAL, later, h)
		}
	}
	start, ok := l.starts[h]
	if !ok {
		return nil
	}
	for r, err := range l.log.Records(start + 1) {
		if err != nil {
			return fmt.Errorf("%w: %w", ErrWAL, err)
		}
		rec, err := decodeInput(r.Data)
		if err != nil {
			return fmt.Errorf("%w: record %d: %w", ErrWAL, r.Seq, err)
		}
		if err := fn(rec); err != nil {
			return err
		}
	}
	return nil
}

// prune gives up what is older than a height.
func (l *inputLog) prune(h types.Height) error {
	for old := range l.starts {
		if old < h {
			delete(l.starts, old)
		}
	}
	return l.log.TruncateFront(l.starts[h])
}

func (l *inputLog) close() error { return l.log.Close() }

// The records, for [decodeInput].

func appendBegin(b []byte, h types.Height) []byte {
	return binary.AppendUvarint(append(b, recordBegin, logFormat), uint64(h))
}

func appendInput(b []byte, m types.Message) []byte {
	return types.AppendMessage(append(b, recordMessage), m)
}

func appendTimeout(b []byte, t Timeout) []byte {
	b = binary.AppendUvarint(append(b, recordTimeout), uint64(t.Height))
	return append(binary.AppendUvarint(b, uint64(t.Round)), byte(t.Step))
}

func appendVerdict(b []byte, v verdict) []byte {
	b = append(b, recordVerdict, 0)
	if v.valid {
		b[len(b)-1] = 1
	}
	b = binary.AppendUvarint(append(b, v.value.Hash[:]...), uint64(v.value.Parts.Total))
	return append(b, v.value.Parts.Hash[:]...)
}

// decodeInput reads a record, and nothing but one (ENC). What it returns does not refer to data.
func decodeInput(data []byte) (in loggedInput, err error) {
	bad := fmt.Errorf("%d bytes are no record of an input", len(data))
	if len(data) < 2 {
		return in, bad
	}
	kind, rest := data[0], data[1:]
	ok := false
	switch kind {
	case recordBegin:
		if rest[0] != logFormat {
			return in, fmt.Errorf("it has format %d, and this build reads %d", rest[0], logFormat)
		}
		h, n := varint.Take(rest[1:], math.MaxInt64)
		in.begin, ok = types.Height(h), n == len(rest)-1 && h > 0
	case recordMessage:
		if in.message, err = types.DecodeMessage(rest); err != nil {
			return loggedInput{}, err
		}
		return in, nil
	case recordTimeout:
		h, n := varint.Take(rest, math.MaxInt64)
		r, m := varint.Take(rest[n:], math.MaxInt32)
		if n*m > 0 && n+m+1 == len(rest) {
			in.timeout = &Timeout{Height: types.Height(h), Round: types.Round(r), Step: types.Step(rest[n+m])}
			ok = h > 0 && in.timeout.Step <= types.StepPrecommit
		}
	case recordVerdict:
		if len(rest) < 1+32 {
			break
		}
		total, n := varint.Take(rest[33:], math.MaxUint32)
		if n > 0 && len(rest) == 33+n+32 && rest[0] <= 1 {
			v := types.ValueID{Hash: types.Hash(rest[1:33]), Parts: types.PartsHeader{Total: uint32(total), Hash: types.Hash(rest[33+n:])}}
			in.verdict, ok = &verdict{v, rest[0] == 1}, true
		}
	}
	if !ok {
		return loggedInput{}, bad
	}
	return in, nil
}
