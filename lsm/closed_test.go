package lsm

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/flagship-go/flagship/internal/vfs"
)

// A log that is cut or zeroed at its end reads like one that a crash has left; only
// the manifest knows that it was closed well.
func TestLogThatLostItsEndAfterCloseIsDamage(t *testing.T) {
	const name = "db/wal/0000000000000001.wal"
	mem := vfs.NewMem()
	db := openTest(t, "db", small(mem, nil))
	for i := range 20 {
		require.NoError(t, db.Put(fmt.Appendf(nil, "key%02d", i), make([]byte, 40)))
	}
	require.NoError(t, db.Close())
	for from := int64(32); from < 2000; from += 40 {
		for _, cut := range []bool{true, false} {
			damaged := mem.KillClone()
			f, err := damaged.Open(name, vfs.ReadWrite)
			require.NoError(t, err)
			size, err := f.Size()
			require.NoError(t, err)
			if cut {
				err = f.Truncate(from)
			} else {
				_, err = f.WriteAt(make([]byte, size-from), from)
			}
			require.NoError(t, err)
			db, err := Open("db", small(damaged, nil))
			if err == nil {
				if it, err := db.NewIter(nil); err == nil {
					n := 0
					for ok := it.First(); ok; ok = it.Next() {
						n++
					}
					it.Close()
					if n != 20 {
						t.Errorf("RULE L6: the log was spoilt from byte %d on (cut %t), and %d of 20 keys are left without an error", from, cut, n)
					}
				}
				db.Close()
				continue
			}
			require.ErrorIs(t, err, ErrCorrupt)
		}
	}
}
