package table

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/flagship-go/flagship/internal/vfs"
	"github.com/flagship-go/flagship/lsm/key"
)

// Writers that make a mistake, under checksums that are right.
func TestVerifyFindsTheMistakesOfAWriter(t *testing.T) {
	for name, mistake := range map[string]func(w *Writer){
		"":                                    func(*Writer) {},
		"the properties say":                  func(w *Writer) { w.props.Deletes++ },
		"the properties say keys from":        func(w *Writer) { w.props.Smallest = key.Append(nil, []byte("0"), 1) },
		"the filter does not have key":        func(w *Writer) { w.hashes = w.hashes[:1] },
		"the block's hash table does not":     func(w *Writer) { w.block.hashes[0].hash ^= 1 << 31 },
		"is in a block that the index says":   func(w *Writer) { w.last = key.Append(nil, []byte{0}, 1) },
		"where its root says":                 func(w *Writer) { w.endIndex(); w.partEnd[0] = key.Append(nil, []byte("0000"), 1) },
		"the block is damaged, though its ch": func(w *Writer) { w.block.keys[0] = 0x7f },
	} {
		disk := vfs.NewMem()
		f, err := disk.Create("t")
		require.NoError(t, err)
		w := NewWriter(f, WriterOptions{BlockSize: 200})
		for _, p := range numbered(50, "v") {
			require.NoError(t, w.Add(p.ikey, p.value))
		}
		mistake(w)
		_, err = w.Finish()
		require.NoError(t, err)
		err = open(t, disk, "t", ReaderOptions{}).Verify()
		if name == "" {
			require.NoError(t, err)
			continue
		}
		if err == nil || !strings.Contains(err.Error(), name) {
			broken(t, "T5", "Verify says %v, not %q", err, name)
		}
		mustBeTyped(t, err, name)
	}
}

func TestDescribeShowsTheTable(t *testing.T) {
	pairs := []pair{
		{key.Append(nil, []byte("apple"), key.Trailer(9, key.Delete)), nil},
		{key.Append(nil, []byte("apple"), key.Trailer(4, key.Set)), []byte("red")},
	}
	r := world{}.make(t, pairs, []key.Span{{Start: []byte("b"), End: []byte("d"), Seq: 7}})
	var out strings.Builder
	require.NoError(t, r.Describe(&out, true))
	require.Equal(t, `table t.sst: 347 bytes, format 1, 0 bytes of timestamp in keys
  entries 2 (deletes 1), range deletes 1, raw keys 26 B, raw values 3 B
  keys "apple" at 9 (delete) to "d" at 72057594037927935 (range delete), sequence numbers 4 to 9
  data blocks 1, index parts 1, filter 65 B
  range delete ["b", "d") at 7
  block at 0, 52 B (none), 1 restarts, 2 buckets, up to "b"
    "apple" at 9 (delete) = 0 B
    "apple" at 4 (set) = 3 B
`, out.String())
}
