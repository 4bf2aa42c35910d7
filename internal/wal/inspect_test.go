package wal

import (
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"strings"
	"testing"

	"github.com/flagship-go/flagship/internal/vfs"
	"github.com/stretchr/testify/require"
)

const inspected = "log"

// inspectable is a log of three segments, still open.
func inspectable(t *testing.T) (*vfs.Mem, *Log) {
	mem := vfs.NewMem()
	l, _, err := Open(inspected, &Options{FS: mem, SegmentSize: 4 << 10})
	require.NoError(t, err)
	t.Cleanup(func() { l.Close() })
	for i := 1; i <= 18; i++ {
		_, err := l.AppendSync(fmt.Appendf(nil, "%-600d", i))
		require.NoError(t, err)
	}
	require.Len(t, l.segments, 3)
	return mem, l
}

// inspect returns the records found, and everything else as lines.
func inspect(fs vfs.FS) (seqs []uint64, rest []string) {
	for f := range Inspect(fs, inspected) {
		name := filepath.Base(f.File)
		switch f.Kind {
		case FoundRecord:
			seqs = append(seqs, f.Seq)
		case FoundDamage:
			rest = append(rest, f.Err.Error())
		case FoundEnd:
			rest = append(rest, fmt.Sprintf("%s end at %d+%d %s", name, f.Offset, f.Size, f.Reason))
		case FoundMark:
			rest = append(rest, fmt.Sprintf("%s mark %d", name, f.Durable))
		default:
			rest = append(rest, fmt.Sprintf("%s from %d", name, f.Seq))
		}
	}
	return seqs, rest
}

func upTo(n uint64) (seqs []uint64) {
	for i := uint64(1); i <= n; i++ {
		seqs = append(seqs, i)
	}
	return seqs
}

func TestInspectShowsARunningLogWithoutTouchingIt(t *testing.T) {
	mem, l := inspectable(t)
	ops, dump := mem.Ops(), mem.Dump()
	var got []string
	for f := range Inspect(mem, inspected) {
		if f.Kind == FoundRecord {
			got = append(got, strings.TrimSpace(string(f.Data)))
		}
	}
	var want []string
	for r, err := range l.Records(1) {
		require.NoError(t, err)
		want = append(want, strings.TrimSpace(string(r.Data)))
	}
	require.Equal(t, want, got)
	require.Equal(t, ops, mem.Ops())
	require.Equal(t, dump, mem.Dump())
	_, rest := inspect(mem)
	require.Equal(t, []string{"0000000000000001.wal from 1", "0000000000000002.wal from 7", "0000000000000003.wal from 13",
		fmt.Sprintf("0000000000000003.wal end at %d+0 ", l.tail.end)}, rest)

	end := l.tail.end
	require.NoError(t, l.Close())
	_, rest = inspect(mem)
	require.Equal(t, []string{fmt.Sprintf("0000000000000003.wal mark %d", end), fmt.Sprintf("0000000000000003.wal end at %d+0 ", end+frameHeader)}, rest[3:])
}

// What Inspect says about the end is what Open does about it.
func TestInspectAgreesWithOpenAboutEveryPowerCut(t *testing.T) {
	for seed := range uint64(40) {
		mem, l := inspectable(t)
		for i := range 3 {
			_, err := l.Append(fmt.Appendf(nil, "%-200d", i), fmt.Appendf(nil, "%-700d", i))
			require.NoError(t, err)
		}
		after := mem.CrashClone(rand.New(rand.NewPCG(seed, 5)))
		seqs, rest := inspect(after)
		again, r, err := Open(inspected, &Options{FS: after, SegmentSize: 4 << 10})
		require.NoError(t, err)
		require.Equal(t, upTo(r.LastSeq), seqs)
		last := rest[len(rest)-1]
		if r.Dropped > 0 {
			require.Equal(t, fmt.Sprintf("%s end at %d+%d %s", filepath.Base(r.File), r.Offset, r.Dropped, r.Reason), last)
		} else {
			require.Contains(t, last, "+0 ")
		}
		require.NoError(t, again.Close())
	}
}

func TestInspectGoesOnBehindDamage(t *testing.T) {
	file := func(id uint64) string { return filepath.Join(inspected, segmentName(id, segmentSuffix)) }
	span := frameSpan(600)
	for _, c := range []struct {
		name  string
		hurt  func(m *vfs.Mem) error
		seqs  []uint64
		wrong string
	}{
		{"a payload", func(m *vfs.Mem) error { return m.FlipBit(file(1), 8*(segmentHeader+span+100)) },
			append([]uint64{1}, upTo(18)[2:]...), "log/0000000000000001.wal at byte 648: bad payload checksum, where record 2 was written"},
		{"a header", func(m *vfs.Mem) error { return m.FlipBit(file(1), 8*(segmentHeader+span)) },
			append([]uint64{1, 0, 0, 0, 0}, upTo(18)[6:]...), "log/0000000000000001.wal at byte 648: bad frame header, where record 2 was written"},
		{"the last of a sealed one", func(m *vfs.Mem) error { return m.FlipBit(file(2), 8*(segmentHeader+5*span)) },
			append(upTo(11), upTo(18)[12:]...), "log/0000000000000002.wal at byte 3112: bad frame header, where record 12 was written"},
		{"the tail, vouched for by what follows", func(m *vfs.Mem) error { return m.FlipBit(file(3), 8*(segmentHeader+span+50)) },
			append(upTo(13), upTo(18)[14:]...), "log/0000000000000003.wal at byte 648: bad payload checksum, where record 14 was written; the frame at byte 3728 states that the first 3728 bytes were durable"},
		{"a segment's header", func(m *vfs.Mem) error { return m.FlipBit(file(2), 8*20) },
			append(append(upTo(6), 0, 0, 0, 0, 0, 0), upTo(18)[12:]...), "log/0000000000000002.wal at byte 0: segment header: checksum mismatch"},
		{"a lost segment", func(m *vfs.Mem) error { return m.Remove(file(2)) },
			append(upTo(6), upTo(18)[12:]...), "log/0000000000000002.wal at byte 0: segment is missing: there are 1 and 3"},
		{"a newer segment", func(m *vfs.Mem) error { return m.FlipBit(file(2), 8*8+1) },
			append(upTo(6), upTo(18)[12:]...), "log/0000000000000002.wal has format version 3; this build reads versions up to 1"},
	} {
		t.Run(c.name, func(t *testing.T) {
			mem, l := inspectable(t)
			require.NoError(t, l.Close())
			require.NoError(t, c.hurt(mem))
			seqs, rest := inspect(mem)
			require.Equal(t, c.seqs, seqs)
			var wrong []string
			for _, line := range rest {
				if !strings.HasPrefix(line, "00000000") {
					wrong = append(wrong, filepath.ToSlash(strings.TrimPrefix(line, "corrupt file: ")))
				}
			}
			require.Equal(t, []string{c.wrong}, wrong)
		})
	}
}

func TestInspectOfNothingNamesThePlace(t *testing.T) {
	for f := range Inspect(vfs.NewMem(), "nowhere") {
		require.Equal(t, FoundDamage, f.Kind)
		require.ErrorContains(t, f.Err, "nowhere")
	}
}
