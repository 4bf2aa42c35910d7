package store_test

import (
	"context"
	"crypto/sha256"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/flagship-go/flagship/bft"
	"github.com/flagship-go/flagship/bft/abci"
	"github.com/flagship-go/flagship/bft/memory"
	"github.com/flagship-go/flagship/bft/privval"
	"github.com/flagship-go/flagship/bft/store"
	"github.com/flagship-go/flagship/bft/types"
	"github.com/flagship-go/flagship/internal/vfs"
	"github.com/stretchr/testify/require"
)

var every = flag.Bool("every", false, "crash at each operation in each of the ways there are, and not in one of them at a third of the operations")

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
func runNode(fs *vfs.Mem, app *tallyApp, heights types.Height) (err error) {
	signer, err := privval.OpenFileSigner(fs, "signer")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, signer.Close()) }()
	s, err := store.Open("chain", &store.Options{FS: fs, SegmentSize: 4 << 10})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	g := &types.Genesis{ChainID: "alone", Time: time.Unix(1_700_000_000, 0), Validators: []types.Validator{{PubKey: signer.PubKey(), Power: 1}},
		Params: abci.ConsensusParams{Evidence: &abci.EvidenceParams{MaxAgeNumBlocks: 1, MaxAgeDuration: 1}}} // what is old is dropped
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
	signer, err := privval.OpenFileSigner(key, "signer")
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
		only := rng.IntN(9) // more than there are: not here
		for variant := range 3 {
			if !*every && variant != only {
				continue
			}
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

// One of four dies at each operation of its disk (store, log and guard), and comes back. The others watch for two votes of one round.
func TestOneOfFourDiesAtEveryOperationAndComesBack(t *testing.T) {
	key := vfs.NewMem()
	signer, err := privval.OpenFileSigner(key, "signer")
	require.NoError(t, err)
	require.NoError(t, signer.Close())
	var ops int64
	synctest.Test(t, func(t *testing.T) { ops = oneOfFour(t, key, 0, nil) })
	rng := rand.New(rand.NewPCG(5, 6))
	ways := []func(*vfs.Mem) *vfs.Mem{(*vfs.Mem).KillClone, func(fs *vfs.Mem) *vfs.Mem { return fs.CrashClone(nil) },
		func(fs *vfs.Mem) *vfs.Mem { return fs.CrashClone(rng) }}
	for cut := int64(1); cut < ops; cut++ {
		only := rng.IntN(3 * len(ways))
		for way, clone := range ways {
			if !*every && way != only {
				continue
			}
			synctest.Test(t, func(t *testing.T) { oneOfFour(t, key, cut, clone) })
		}
	}
}

// oneOfFour is the story for one operation; 0: nobody dies, and the victim's operations are counted.
func oneOfFour(t *testing.T, key *vfs.Mem, cut int64, clone func(*vfs.Mem) *vfs.Mem) (ops int64) {
	const heights = 2
	hub, fs, app := memory.NewHub(), key.KillClone(), &tallyApp{commits: make(map[int64]int)}
	g := &types.Genesis{ChainID: "four", Time: time.Now(), Params: abci.ConsensusParams{Evidence: &abci.EvidenceParams{MaxAgeNumBlocks: 1, MaxAgeDuration: 1}}}
	signer, err := privval.OpenFileSigner(fs, "signer")
	require.NoError(t, err)
	g.Validators = append(g.Validators, types.Validator{PubKey: signer.PubKey(), Power: 1})
	require.NoError(t, signer.Close())
	hub.Join("victim")
	for i := range 3 {
		g.Validators = append(g.Validators, types.Validator{PubKey: privval.NewMemSigner(fmt.Sprint(i)).PubKey(), Power: 1})
	}
	var mu sync.Mutex
	var caught error
	start := func(name string, o bft.Options) (*bft.Node, func(), error) {
		link := hub.Join(name)
		o.Genesis, o.Network, o.CreateEmptyBlocks = g, link, true
		o.OnEvent = func(e bft.Event) {
			if e.Kind == bft.EventEvidence {
				mu.Lock()
				caught = fmt.Errorf("%v has voted twice at height %d round %d (%v)", e.Who, e.Height, e.Round, e.Type)
				mu.Unlock()
			}
		}
		node, err := bft.NewNode(o)
		if err != nil {
			return nil, nil, err
		}
		link.Attach(node.Deliver)
		return node, func() { _ = node.Close(); _ = link.Close() }, nil
	}
	for i := range 3 {
		_, stop, err := start(fmt.Sprint(i), bft.Options{App: &tallyApp{commits: make(map[int64]int)}, Signer: privval.NewMemSigner(fmt.Sprint(i))})
		require.NoError(t, err)
		defer stop()
	}
	live := func(fs *vfs.Mem, until types.Height) error { // the victim, until a height, or its death
		signer, err := privval.OpenFileSigner(fs, "signer")
		if err != nil {
			return err
		}
		defer signer.Close()
		s, err := store.Open("chain", &store.Options{FS: fs, SegmentSize: 4 << 10})
		if err != nil {
			return err
		}
		defer s.Close()
		node, stop, err := start("victim", bft.Options{App: app, Signer: signer, Store: s, FS: fs, WALDir: "wal"})
		if err != nil {
			return err
		}
		defer stop()
		ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
		defer cancel()
		return node.Wait(ctx, until)
	}
	before := fs.Ops()
	if cut > 0 {
		fs.CutPower(before + cut)
	}
	if err := live(fs, heights); cut == 0 {
		require.NoError(t, err)
		return fs.Ops() - before
	} else if err != nil {
		require.ErrorIsf(t, err, vfs.ErrPowerCut, "operation %d", cut)
	}
	app.mu.Lock()
	at := types.Height(app.at)
	app.mu.Unlock()
	if err := live(clone(fs), at+heights); err != nil {
		t.Errorf("RULE T1: after a crash at operation %d the node does not go on: %v", cut, err)
	}
	mu.Lock()
	defer mu.Unlock()
	if caught != nil {
		t.Errorf("RULE S2: after a crash at operation %d: %v", cut, caught)
	}
	for h, n := range app.commits {
		if n != 1 {
			t.Errorf("RULE W3: after a crash at operation %d height %d was committed %d times", cut, h, n)
		}
	}
	return 0
}
