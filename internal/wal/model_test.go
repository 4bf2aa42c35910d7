package wal

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/flagship-go/flagship/internal/vfs"
	"github.com/stretchr/testify/require"
)

const testDir = "data/wal"

// small makes rotations frequent.
func small(fs vfs.FS) *Options { return &Options{FS: fs, SegmentSize: minSegmentSize, Recycle: 1} }

// broken reports a broken rule in the form that the kill matrix reads.
func broken(t testing.TB, rule, format string, args ...any) {
	t.Helper()
	t.Errorf("RULE %s: %s", rule, fmt.Sprintf(format, args...))
}

// model is what a user may know about the log: the records appended, which of
// them were promised, and what is under way. Every record is unlike any other,
// so that a stale one cannot be taken for a new one.
type model struct {
	records map[uint64][]byte
	whole   map[uint64]bool // sequence numbers at which a batch ends
	front   uint64          // records below it may be gone
	kept    uint64          // in the kernel: acknowledged by Append
	durable uint64          // on the disk: acknowledged by Sync
	last    uint64          // may be there: appended, or being appended
	serial  int
}

func newModel() *model {
	return &model{records: map[uint64][]byte{}, whole: map[uint64]bool{0: true}, front: 1}
}

// batch makes new records for the next append and notes that they may be there.
func (m *model) batch(rng *rand.Rand, sizes ...int) [][]byte {
	batch := make([][]byte, len(sizes))
	for seq := m.kept + 1; seq <= m.last; seq++ { // a failed append before
		delete(m.whole, seq)
	}
	for i, size := range sizes {
		m.serial++
		b := fmt.Appendf(nil, "%d:", m.serial)
		for len(b) < size {
			b = append(b, byte(rng.IntN(4))) // zeros and small numbers, as real records have
		}
		batch[i] = b[:min(size, len(b))]
		m.records[m.kept+uint64(i)+1] = batch[i]
	}
	m.last = m.kept + uint64(len(sizes))
	m.whole[m.last] = true
	return batch
}

func (m *model) appended() { m.kept = m.last }

// truncated notes that the records after seq are gone.
func (m *model) truncated(seq uint64) {
	for s := seq + 1; s <= m.last; s++ {
		delete(m.records, s)
		delete(m.whole, s)
	}
	m.whole[seq] = true
	m.kept, m.durable, m.last = seq, seq, seq
}

// contents reads the whole log.
func contents(l *Log) (records []Record, err error) {
	for r, err := range l.Records(l.FirstSeq()) {
		if err != nil {
			return records, err
		}
		records = append(records, Record{r.Seq, bytes.Clone(r.Data)})
	}
	return records, nil
}

// check holds the log in fs against the model: everything up to at least must be
// there, nothing after m.last, and nothing that was not appended. rule is the
// one that a loss breaks.
func (m *model) check(t testing.TB, fs vfs.FS, rule string, least uint64, when string) {
	t.Helper()
	l, _, err := Open(testDir, small(fs))
	if err != nil {
		var damage *CorruptError
		if errors.As(err, &damage) && strings.Contains(damage.Reason, "missing") {
			broken(t, "W10", "truncation and a crash left a hole %s: %v", when, err)
			return
		}
		if errors.Is(err, ErrCorrupt) {
			broken(t, "W3", "a crash was taken for damage %s: %v", when, err)
			return
		}
		require.NoError(t, err, when)
	}
	defer l.Close()
	m.compare(t, l, rule, least, when)
}

func (m *model) compare(t testing.TB, l *Log, rule string, least uint64, when string) {
	t.Helper()
	// Before reading: the end of it may make up for a truncation that failed.
	first, last := l.FirstSeq(), l.LastSeq()
	got, err := contents(l)
	if err != nil {
		broken(t, "W4", "a crash left a log that cannot be read %s: %v", when, err)
		return
	}
	switch {
	case last < least:
		broken(t, rule, "record %d was acknowledged and is gone %s: the log ends with %d", least, when, last)
	case first > m.front:
		broken(t, "W10", "record %d was not truncated and is gone %s: the log begins with %d", m.front, when, first)
	case last > m.last:
		broken(t, "W9", "record %d was never appended and is there %s", last, when)
	case uint64(len(got)) != last+1-first:
		broken(t, "W4", "%d records are there %s and should be %d to %d", len(got), when, first, last)
	case last >= m.front && !m.whole[last]:
		broken(t, "W5", "the log ends with %d, inside a batch, %s", last, when)
	}
	for i, r := range got {
		if r.Seq != first+uint64(i) {
			broken(t, "W4", "record %d follows %d records from %d %s", r.Seq, i, first, when)
		} else if want, ok := m.records[r.Seq]; !ok || !bytes.Equal(want, r.Data) {
			broken(t, "W9", "record %d is %q, appended was %q %s", r.Seq, shorten(r.Data), shorten(want), when)
		}
	}
}

func shorten(b []byte) []byte { return b[:min(len(b), 24)] }

// sizesOf draws the record sizes of a batch.
func sizesOf(rng *rand.Rand) []int {
	sizes := make([]int, 1+rng.IntN(4)*rng.IntN(2))
	for i := range sizes {
		sizes[i] = [...]int{0, 7, 8, 40, 200, 480, 700, 5000}[rng.IntN(7+rng.IntN(2)*rng.IntN(2))]
	}
	return sizes
}

// step does one random thing to the log and keeps the model in step with it.
func (m *model) step(l *Log, rng *rand.Rand) error {
	switch what := rng.IntN(20); {
	case what < 12:
		if _, err := l.Append(m.batch(rng, sizesOf(rng)...)...); err != nil {
			return err
		}
		m.appended()
	case what < 17:
		seq := m.kept
		if err := l.Sync(seq); err != nil {
			return err
		}
		m.durable = max(m.durable, seq)
	case what < 19:
		front := min(m.front+uint64(rng.IntN(12)), m.kept+1)
		m.front = max(m.front, front)
		return l.TruncateFront(front)
	default:
		back := uint64(rng.IntN(4 + 40*rng.IntN(2)))
		return m.truncateBack(l, max(m.front, m.kept-min(back, m.kept)))
	}
	return nil
}

func (m *model) truncateBack(l *Log, seq uint64) error {
	// Until it returns, the records may be there or not, in whole batches, or
	// the log may end with seq.
	m.whole[seq] = true
	kept, durable := m.kept, m.durable
	m.kept, m.durable = seq, min(m.durable, seq)
	err := l.TruncateBack(seq)
	if err == nil && seq < kept {
		m.truncated(seq)
	} else if err == nil {
		m.kept, m.durable = kept, durable
	}
	return err
}
