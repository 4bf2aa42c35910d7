package region_test

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/flagship-go/flagship/mvcc/enginetest"
	"github.com/flagship-go/flagship/mvcc/region"
)

func TestMemoryIsAnEngine(t *testing.T) {
	enginetest.Run(t, func(testing.TB) region.Engine { return region.NewMemory() })
}

func TestMemoryThatIsClosedSaysSo(t *testing.T) {
	e := region.NewMemory()
	var b region.Batch
	b.Put(region.Default, []byte("k"), []byte("v"))
	require.NoError(t, e.Write(context.Background(), &b))
	s, err := e.Snapshot(context.Background())
	require.NoError(t, err)
	require.NoError(t, e.Close())
	require.NoError(t, e.Close(), "twice")
	require.ErrorIs(t, e.Write(context.Background(), &b), region.ErrClosed)
	_, err = e.Snapshot(context.Background())
	require.ErrorIs(t, err, region.ErrClosed)
	v, ok, err := s.Get(region.Default, []byte("k"))
	require.NoError(t, err)
	require.True(t, ok)
	require.Equal(t, "v", string(v))
	require.NoError(t, s.Close())
	require.NoError(t, s.Close(), "twice")
}

func TestMemoryRefusesWhatIsNoChange(t *testing.T) {
	e := region.NewMemory()
	for _, bad := range []region.Op{{Kind: 9}, {CF: 9}} {
		b := region.Batch{Ops: []region.Op{{Key: []byte("k")}, bad}}
		require.ErrorIs(t, e.Write(context.Background(), &b), region.ErrCorrupt)
	}
	s, err := e.Snapshot(context.Background())
	require.NoError(t, err)
	_, ok, err := s.Get(region.Default, []byte("k"))
	require.NoError(t, err)
	require.False(t, ok, "none of the batch is there")
	require.NoError(t, s.Close())
}
