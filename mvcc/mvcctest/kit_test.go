package mvcctest

import (
	"testing"

	"github.com/flagship-go/flagship/mvcc"
)

// closing is a DB of package mvcc that is closed with the kit's.
type closing struct {
	flagship
}

func (c *closing) Close() error { return c.db.Close() }

func openFlagship(m mvcc.Mode, change ...func(*mvcc.Options)) func() (DB, error) {
	return func() (DB, error) {
		o := mvcc.Options{SplitKeys: [][]byte{[]byte("b"), []byte("k03")}}
		for _, f := range change {
			f(&o)
		}
		db, err := mvcc.Open(&o)
		if err != nil {
			return nil, err
		}
		return &closing{flagship{db, m}}, nil
	}
}

func TestFlagshipKeepsEveryRule(t *testing.T) {
	for _, m := range []mvcc.Mode{mvcc.SnapshotIsolation, mvcc.Serializable, mvcc.Pessimistic} {
		t.Run(m.String(), func(t *testing.T) { Run(t, openFlagship(m), Claims(m, true)) })
	}
	t.Run("two-phase", func(t *testing.T) {
		Run(t, openFlagship(mvcc.Serializable, func(o *mvcc.Options) { o.NoAsyncCommit, o.NoOnePC = true, true }), Claims(mvcc.Serializable, true))
	})
}
