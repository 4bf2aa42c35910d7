package bft

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/flagship-go/flagship/bft/privval"
	"github.com/flagship-go/flagship/bft/types"
	"github.com/flagship-go/flagship/internal/vfs"
	"github.com/stretchr/testify/require"
)

var every = flag.Bool("every", false, "crash at each operation in each of the ways there are, and not in one of them")

// A crash: the process dies, or power goes, at each operation of a member's disk in turn: of its log, its signer's guard and
// whatever else is on it.
//
// A witness remembers all that ever left a signer: what S2 is about.
type witness struct {
	Signer
	mu   *sync.Mutex
	seen map[string][]byte
	bad  *string
}

func (s witness) record(kind string, h types.Height, r types.Round, value types.ValueID) {
	s.mu.Lock()
	defer s.mu.Unlock()
	key, said := fmt.Sprint(kind, h, r), fmt.Appendf(nil, "%v", value)
	if was, ok := s.seen[key]; ok && !bytes.Equal(was, said) {
		*s.bad = fmt.Sprintf("%s at height %d round %d was signed for %s, and for %s", kind, h, r, was, said)
	}
	s.seen[key] = said
}

func (s witness) SignVote(chainID string, v *types.Vote) error {
	err := s.Signer.SignVote(chainID, v)
	if err == nil {
		s.record(v.Type.String(), v.Height, v.Round, v.Value)
	}
	return err
}

func (s witness) SignProposal(chainID string, p *types.Proposal) error {
	err := s.Signer.SignProposal(chainID, p)
	if err == nil {
		s.record("proposal", p.Height, p.Round, p.Value)
	}
	return err
}

func TestACrashAtEveryOperationSignsNothingTwiceAndTheChainGoesOn(t *testing.T) {
	const heights = 2
	story := func(t *testing.T, cut int64, during bool, clone func(*vfs.Mem) *vfs.Mem) (ops int64) {
		c := newChain(t, 4, nil)
		victim := c.members[0]
		said := witness{mu: new(sync.Mutex), seen: make(map[string][]byte), bad: new(string)}
		open := func() error {
			signer, err := privval.OpenFileSigner(victim.fs, "signer")
			if err != nil {
				return err
			}
			said.Signer = signer
			victim.signer = said
			victim.options = func(o *Options) { o.Signer = said }
			if err := c.tryStart(victim); err != nil {
				return errors.Join(err, signer.Close())
			}
			return nil
		}
		signer, err := privval.OpenFileSigner(victim.fs, "signer")
		require.NoError(t, err)
		c.genesis.Validators[0].PubKey = signer.PubKey()
		require.NoError(t, signer.Close())
		base := victim.fs.Ops()
		if cut > 0 && !during {
			victim.fs.CutPower(base + cut)
		} else if cut > 0 {
			victim.fs.CutPowerDuring(base + cut)
		}
		for _, m := range c.members[1:] {
			c.start(m)
		}
		crashed := open()
		if cut > 0 {
			if crashed == nil {
				ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
				defer cancel()
				crashed = victim.node.Wait(ctx, 1000)
			}
			require.ErrorIs(t, crashed, vfs.ErrPowerCut)
			_ = victim.stop()
			if closer, ok := said.Signer.(interface{ Close() error }); ok {
				_ = closer.Close()
			}
			victim.fs = clone(victim.fs)
			require.NoErrorf(t, open(), "cut at %d", cut)
		}
		c.wait(victim.node.Status().LastHeight + heights)
		ops = victim.fs.Ops() - base
		c.close()
		_ = said.Signer.(interface{ Close() error }).Close()
		if *said.bad != "" {
			t.Fatalf("RULE S2: cut at operation %d: %s", cut, *said.bad)
		}
		c.agree("W2")
		if victim.app.initChains > 2 {
			t.Fatalf("RULE W3: InitChain was called %d times", victim.app.initChains)
		}
		return ops
	}
	var ops int64
	synctest.Test(t, func(t *testing.T) { ops = story(t, 0, false, nil) })
	require.Greater(t, ops, int64(20))
	ways := []struct {
		name   string
		during bool
		clone  func(*vfs.Mem) *vfs.Mem
	}{
		{"killed before", false, (*vfs.Mem).KillClone},
		{"killed during", true, (*vfs.Mem).KillClone},
		{"power cut before", false, func(fs *vfs.Mem) *vfs.Mem { return fs.CrashClone(nil) }},
		{"power cut during", true, func(fs *vfs.Mem) *vfs.Mem { return fs.CrashClone(nil) }},
	}
	rng := rand.New(rand.NewPCG(1, 2))
	for cut := int64(1); cut <= ops; cut++ {
		some := ways
		if !*every {
			i := rng.IntN(len(ways))
			some = ways[i : i+1]
		}
		for _, way := range some {
			synctest.Test(t, func(t *testing.T) {
				defer func() {
					if t.Failed() {
						t.Logf("%s operation %d", way.name, cut)
					}
				}()
				story(t, cut, way.during, way.clone)
			})
		}
	}
}
