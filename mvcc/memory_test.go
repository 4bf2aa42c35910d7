package mvcc_test

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/flagship-go/flagship/mvcc"
	"github.com/flagship-go/flagship/mvcc/enginetest"
)

func TestMemoryIsAnEngine(t *testing.T) {
	enginetest.Run(t, func(testing.TB) mvcc.Engine { return mvcc.NewMemory() })
}

func TestMemoryThatIsClosedSaysSo(t *testing.T) {
	e := mvcc.NewMemory()
	var b mvcc.Batch
	b.Put(mvcc.Default, []byte("k"), []byte("v"))
	require.NoError(t, e.Write(context.Background(), &b))
	s, err := e.Snapshot(context.Background())
	require.NoError(t, err)
	require.NoError(t, e.Close())
	require.NoError(t, e.Close(), "twice")
	require.ErrorIs(t, e.Write(context.Background(), &b), mvcc.ErrClosed)
	_, err = e.Snapshot(context.Background())
	require.ErrorIs(t, err, mvcc.ErrClosed)
	v, ok, err := s.Get(mvcc.Default, []byte("k"))
	require.NoError(t, err)
	require.True(t, ok)
	require.Equal(t, "v", string(v))
	require.NoError(t, s.Close())
	require.NoError(t, s.Close(), "twice")
}

func TestMemoryRefusesWhatIsNoChange(t *testing.T) {
	e := mvcc.NewMemory()
	for _, bad := range []mvcc.Op{{Kind: 9}, {CF: 9}} {
		b := mvcc.Batch{Ops: []mvcc.Op{{Key: []byte("k")}, bad}}
		require.ErrorIs(t, e.Write(context.Background(), &b), mvcc.ErrCorrupt)
	}
	s, err := e.Snapshot(context.Background())
	require.NoError(t, err)
	_, ok, err := s.Get(mvcc.Default, []byte("k"))
	require.NoError(t, err)
	require.False(t, ok, "none of the batch is there")
	require.NoError(t, s.Close())
}
