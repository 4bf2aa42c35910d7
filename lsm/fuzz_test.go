package lsm

import (
	"bytes"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/flagship-go/flagship/internal/vfs"
	"github.com/flagship-go/flagship/lsm/key"
)

// FuzzBatch: any bytes are a batch in exactly one encoding, or an error, and what
// replaying makes of them is what they say.
func FuzzBatch(f *testing.F) {
	db := openTest(f, "db", &Options{FS: vfs.NewMem(), MergeOperator: joinOperands, ValueThreshold: 50})
	b := db.NewBatch()
	b.Put([]byte("key"), []byte("value"))
	b.PutTTL(nil, bytes.Repeat([]byte{'v'}, 200), time.Hour)
	b.Delete([]byte("gone"))
	b.Merge([]byte("key"), nil)
	b.DeleteRange([]byte("a"), []byte("b"))
	b.seal(7)
	f.Add(b.data)
	require.NoError(f, db.Apply(b))
	f.Add(b.payload) // with pointer and mark
	require.NoError(f, db.Close())
	f.Fuzz(func(t *testing.T, data []byte) {
		r, err := openBatch(data)
		if err != nil {
			return
		}
		var points []entry
		again := append([]byte(nil), data[:batchHeader]...)
		for {
			e, ok, err := r.next()
			if err != nil {
				var spans spanList
				require.Error(t, (&flat{}).add(data, &spans, false))
				return
			}
			if !ok {
				break
			}
			again = appendEntry(again, e)
			if e.kind != key.Mark && e.kind != key.RangeDelete {
				points = append(points, e)
			}
		}
		if !bytes.Equal(again, data) {
			t.Errorf("RULE L6: %x and %x are one batch", data, again)
		}
		fl, spans := flat{}, spanList{}
		require.NoError(t, fl.add(data, &spans, false))
		require.Len(t, fl.entries, len(points))
		for i, e := range fl.entries {
			if got := fl.data[e.key:e.end]; !bytes.Equal(got, points[i].key) {
				t.Errorf("RULE L6: entry %d has key %x, and %x in the memtable", i, points[i].key, got)
			}
			if got := fl.data[e.value:e.stop]; !bytes.Equal(got, points[i].value) {
				t.Errorf("RULE L6: entry %d has value %x, and %x in the memtable", i, points[i].value, got)
			}
		}
	})
}
