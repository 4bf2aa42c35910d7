package main

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"path/filepath"
	"time"

	"github.com/flagship-go/flagship/bft/fullnode"
	"github.com/flagship-go/flagship/bft/gossip"
	"github.com/flagship-go/flagship/bft/p2p"
	"github.com/flagship-go/flagship/bft/privval"
	"github.com/flagship-go/flagship/bft/types"
)

// How validators come to lie in practice: somebody restores a backup of one on a second machine, while the first
// runs. The key is the same, the guard of the copy knows nothing of what was signed, and neither machine does anything wrong.
//
//	v3:         prevote v  -->  v1 v2 v4     guard: v was signed at this height
//	its twin:   prevote nil --> v1 v2 v4     guard: nil was signed at this height

// A bftTwin votes nil at each height, with the key of a validator, and sees nothing of proposals.
type bftTwin struct {
	signer *privval.FileSigner
	sw     *p2p.Switch
	gossip *gossip.Gossip
	blocks *fullnode.Subscription // of the validator that it is the twin of: it says which height it is
	done   chan struct{}
	last   *types.Vote // what it has signed last
	err    error
}

// startTwin opens the copy of a signer, and links it to peers.
func startTwin(backup string, of *bftNode, peers []string) (t *bftTwin, err error) {
	t = &bftTwin{done: make(chan struct{})}
	if t.signer, err = privval.OpenFileSigner(nil, backup); err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, t.signer.Close())
		}
	}()
	key, err := p2p.OpenKey(filepath.Join(backup, "node_key.json"))
	if err != nil {
		return nil, err
	}
	if t.sw, err = p2p.New(p2p.Options{Key: key, Network: bftChainID, Moniker: "twin", Persistent: peers}); err != nil {
		return nil, err
	}
	if t.gossip, err = gossip.New(gossip.Options{Switch: t.sw, Store: of.Blocks()}); err != nil {
		return nil, errors.Join(err, t.sw.Close())
	}
	t.gossip.Attach(func(context.Context, string, types.Message) error { return nil })
	if err := t.sw.Start(); err != nil {
		return nil, errors.Join(err, t.sw.Close())
	}
	t.blocks = of.Subscribe(1 << 10)
	go t.run()
	return t, nil
}

// run votes for each height as soon as it begins.
func (t *bftTwin) run() {
	defer close(t.done)
	for c := range t.blocks.C() {
		h := c.Block.Height + 1
		v := &types.Vote{Type: types.Prevote, Height: h, Time: time.Now().UTC().Round(0), Validator: types.AddressOf(t.signer.PubKey()), ValidRound: types.NoRound}
		if t.err = t.signer.SignVote(bftChainID, v); t.err != nil {
			return
		}
		t.last = v
		t.gossip.Enter(h, 0, types.StepNew)
		t.gossip.Publish(v)
	}
}

// stop ends the twin. It is asked for one more vote before: another one than its last.
func (t *bftTwin) stop() (refused bool, err error) {
	t.blocks.Close()
	<-t.done
	if t.last != nil {
		v := *t.last
		v.Value = types.ValueID{Hash: sha256.Sum256(nil), Parts: types.PartsHeader{Total: 1}}
		refused = errors.Is(t.signer.SignVote(bftChainID, &v), types.ErrDoubleSign)
	}
	return refused, errors.Join(t.err, t.sw.Close(), t.signer.Close())
}

// lie lets the twin of a validator vote until a block has the proof.
func (a *bftActs) lie() error {
	a.Say("Now a copy of v3's key, made before the first block, is put to use on a second machine. It prevotes nil at each height, whatever v3 prevotes.")
	twin, err := startTwin(a.chain.backup(), a.node(bftLiar), []string{a.node(0).Address(), a.node(1).Address(), a.node(bftKilled).Address()})
	if err != nil {
		return err
	}
	proof, err := a.untilProved()
	refused, stopped := twin.stop()
	if err := errors.Join(err, stopped); err != nil {
		return err
	}
	h := proof.First.Height
	set, err := a.node(0).Blocks().Validators(h)
	if err != nil {
		return err
	}
	a.Picture(a.watch.diagram(h, a.chain))
	a.Claim(proof.Verify(bftChainID, set) == nil && proof.First.Validator == a.chain.address(bftLiar),
		"block %d has the evidence: two %ss by v3 at height %d, round %d, for %v and for %v, both with its signature (E1)",
		a.slashed, proof.First.Type, h, proof.First.Round, proof.First.Value, proof.Second.Value)
	a.Claim(refused, "no guard has signed twice: the twin's refuses another prevote for height %d, as v3's would have (S2)", twin.last.Height)
	return a.punished()
}

// untilProved sends transfers until a block has evidence, and two heights more.
func (a *bftActs) untilProved() (proof *types.DuplicateVoteEvidence, err error) {
	from := a.last + 1
	for n := 0; a.slashed == 0 || a.last < a.slashed+2; n++ {
		if n > 10*a.waves {
			return nil, fmt.Errorf("no block of heights %d to %d has evidence, although v3 has voted twice", from, a.last)
		}
		if err := a.send(); err != nil {
			return nil, err
		}
		for h := from; h <= a.last && proof == nil; h++ {
			b, _, err := a.node(0).Blocks().Block(h)
			if err != nil {
				return nil, err
			}
			if len(b.Evidence) > 0 {
				proof, a.slashed = b.Evidence[0], h
			}
		}
	}
	return proof, nil
}
