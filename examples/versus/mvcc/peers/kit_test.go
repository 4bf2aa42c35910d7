package peers

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/flagship-go/flagship/mvcc"
	"github.com/flagship-go/flagship/mvcc/mvcctest"
)

// TestBadger grades badger by what it claims; with -v the rest is printed as not claimed.
func TestBadger(t *testing.T) { mvcctest.Run(t, OpenBadger, BadgerClaims) }

// TestPhantoms shows why badger does not claim ranges: two transactions that each find a range
// empty, and each add a key to it, are both committed. Package mvcc commits one.
func TestPhantoms(t *testing.T) {
	for _, c := range []struct {
		name      string
		open      func() (mvcctest.DB, error)
		committed int
	}{
		{"badger", OpenBadger, 2},
		{"flagship", openFlagship, 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			ctx := t.Context()
			db, err := c.open()
			require.NoError(t, err)
			defer func() { require.NoError(t, db.(interface{ Close() error }).Close()) }()
			var txns []mvcctest.Txn
			for range 2 {
				txn, err := db.Begin(ctx)
				require.NoError(t, err)
				for kv, err := range txn.Scan(ctx, []byte("a"), []byte("z")) {
					t.Fatalf("the store is empty, and a scan finds %q, %v", kv.Key, err)
				}
				txns = append(txns, txn)
			}
			committed := 0
			for i, txn := range txns {
				require.NoError(t, txn.Put([]byte{'c' + byte(i)}, []byte("1")))
				err := txn.Commit(ctx)
				if err == nil {
					committed++
				} else {
					require.ErrorIs(t, err, mvcctest.ErrConflict)
				}
			}
			require.Equal(t, c.committed, committed)
		})
	}
}

// closing is package mvcc, serializable, and closed with the kit's DB.
type closing struct {
	mvcctest.DB
	db *mvcc.DB
}

func (c closing) Close() error { return c.db.Close() }

func openFlagship() (mvcctest.DB, error) {
	db, err := mvcc.Open(&mvcc.Options{})
	if err != nil {
		return nil, err
	}
	return closing{mvcctest.Flagship(db, mvcc.Serializable), db}, nil
}
