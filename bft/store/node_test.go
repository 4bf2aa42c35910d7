package store_test

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/flagship-go/flagship/bft"
	"github.com/flagship-go/flagship/bft/abci"
	"github.com/flagship-go/flagship/bft/store"
	"github.com/flagship-go/flagship/internal/vfs"
	"github.com/stretchr/testify/require"
)

// tallyApp counts what it was given. What it has committed survives every crash: the worst case for who must not be behind it.
type tallyApp struct {
	abci.BaseApplication
	mu         sync.Mutex
	at, next   int64
	hash, then []byte
	commits    map[int64]int
}

func (a *tallyApp) Info(context.Context, *abci.InfoRequest) (*abci.InfoResponse, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	return &abci.InfoResponse{LastBlockHeight: a.at, LastBlockAppHash: a.hash}, nil
}

func (a *tallyApp) FinalizeBlock(_ context.Context, r *abci.FinalizeBlockRequest) (*abci.FinalizeBlockResponse, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	sum := sha256.Sum256(append(a.hash[:len(a.hash):len(a.hash)], fmt.Sprint(r.Height, len(r.Txs))...))
	a.next, a.then = r.Height, sum[:]
	return &abci.FinalizeBlockResponse{AppHash: a.then, TxResults: make([]abci.ExecTxResult, len(r.Txs))}, nil
}

func (a *tallyApp) Commit(context.Context, *abci.CommitRequest) (*abci.CommitResponse, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.at, a.hash = a.next, a.then
	a.commits[a.at]++
	return &abci.CommitResponse{RetainHeight: a.at - 2}, nil
}

// A node with everything on one disk, alone: so that it decides what it alone has seen, and forgets at its own cost.
func runNode(fs *vfs.Mem, app *tallyApp, heights bft.Height) (err error) {
	signer, err := bft.OpenFileSigner(fs, "signer")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, signer.Close()) }()
	s, err := store.Open("chain", &store.Options{FS: fs, SegmentSize: 4 << 10})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	g := &bft.Genesis{ChainID: "alone", Time: time.Unix(1_700_000_000, 0), Validators: []bft.Validator{{PubKey: signer.PubKey(), Power: 1}}}
	node, err := bft.NewNode(bft.Options{Genesis: g, App: app, Signer: signer, Store: s, FS: fs, WALDir: "wal", CreateEmptyBlocks: true,
		HaltHeight: heights})
	if err != nil {
		return err
	}
	<-node.Done()
	if err := node.Err(); !errors.Is(err, bft.ErrHaltHeight) {
		return errors.Join(err, node.Close())
	}
	return node.Close()
}

func TestANodeOnThisStoreGoesOnAfterACrashAtEveryOperation(t *testing.T) {
	const heights = 4
	key := vfs.NewMem() // a key that is there already
	signer, err := bft.OpenFileSigner(key, "signer")
	require.NoError(t, err)
	require.NoError(t, signer.Close())
	var ops int64
	synctest.Test(t, func(t *testing.T) {
		fs := key.KillClone()
		require.NoError(t, runNode(fs, &tallyApp{commits: make(map[int64]int)}, heights))
		ops = fs.Ops()
	})
	rng := rand.New(rand.NewPCG(3, 4))
	for cut := int64(1); cut < ops; cut++ {
		for variant := range 3 {
			synctest.Test(t, func(t *testing.T) {
				fs, app := key.KillClone(), &tallyApp{commits: make(map[int64]int)}
				if variant == 0 {
					fs.CutPowerDuring(cut)
				} else {
					fs.CutPower(cut)
				}
				if err := runNode(fs, app, heights); err != nil { // the last operations are those of closing
					require.ErrorIsf(t, err, vfs.ErrPowerCut, "operation %d", cut)
				}
				left := fs.KillClone()
				if variant == 1 {
					left = fs.CrashClone(nil)
				} else if variant == 2 {
					left = fs.CrashClone(rng)
				}
				if err := runNode(left, app, heights+2); err != nil {
					t.Fatalf("RULE T1: crash %d at operation %d: %v", variant, cut, err)
				}
				for h := int64(1); h <= heights+2; h++ {
					if app.commits[h] != 1 {
						t.Fatalf("RULE T1: crash %d at operation %d: height %d was committed %d times", variant, cut, h, app.commits[h])
					}
				}
			})
		}
	}
}
