package main

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/flagship-go/flagship/bft/types"
)

// bftChapter is about agreement although some lie: four validators keep a bank, whatever happens to one of them.
var bftChapter = Chapter{
	Name:   "bft",
	Title:  "four validators keep a bank; one is killed, one lies",
	Victim: bftVictim,
	Run: func(ctx context.Context, s *Stage) error {
		size := bftSize{wave: 40, waves: 6, killAt: 14}
		if s.Short {
			size = bftSize{wave: 15, waves: 3, killAt: 6}
		}
		return playBFT(ctx, s, size)
	},
}

// bftSize is how much is done.
type bftSize struct {
	wave   int // transfers that are sent at a time
	waves  int // in each act, and more of them until what the act waits for has come
	killAt int // how many blocks the validator commits that is then killed
}

// bftPatience bounds each wait. The slowest machines need a fraction of it.
const bftPatience = time.Minute

// The validators by number. v4 is killed, and v3 is the liar.
const (
	bftLiar   = 2
	bftKilled = 3
)

// bftActs is the chapter while it runs.
type bftActs struct {
	*Stage
	bftSize
	ctx     context.Context
	ledger  *bftLedger
	watch   *bftWatch
	chain   *bftChain
	sent    int
	refused int          // transfers that failed: what must not be
	last    types.Height // that all have who run

	killed  types.Height // the last block of which the killed one has told
	slashed types.Height // the block with the evidence
}

func playBFT(ctx context.Context, s *Stage, size bftSize) (err error) {
	a := &bftActs{Stage: s, bftSize: size, ctx: ctx, watch: newBFTWatch()}
	if a.ledger, err = readLedger(s.Files); err != nil {
		return err
	}
	if a.chain, err = newBFTChain(s.Dir, a.ledger, a.watch); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, a.chain.Close()) }()
	for _, act := range []func() error{a.begin, a.forge, a.goOn, a.comeBack, a.lie, a.three, a.audit} {
		if err := act(); err != nil {
			return err
		}
	}
	return nil
}

// begin starts three validators here and one in a process of its own, which is killed in the middle.
func (a *bftActs) begin() error {
	a.Say("%d validators, each with its files, over TCP: v1, v2 and v4 have power 10 each, v3 has 13, and more than two thirds of 43 must agree. The lines of %s are transfers: the first word of a line pays the last one as many units as the line has bytes. %d words have an account each, and a key.",
		bftValidators, a.ledger.file, len(a.ledger.accounts))
	for i := range bftKilled {
		if err := a.chain.start(i); err != nil {
			return err
		}
	}
	a.Event("v4", "runs in a process of its own", nil)
	ctx, cancel := context.WithCancel(a.ctx)
	began, dead := make(chan struct{}), make(chan error, 1)
	var told []string
	var watching sync.WaitGroup
	defer watching.Wait()
	defer cancel()
	watching.Go(func() {
		var err error
		told, err = a.chain.killMidway(ctx, bftKilled, a.killAt, func(lines int) {
			if lines == 1 {
				close(began)
			}
		})
		dead <- err
	})
	for alive := true; alive; {
		select {
		case err := <-dead:
			if err != nil {
				return err
			}
			alive = false
		case <-began:
			if err := a.send(); err != nil {
				return err
			}
		case <-a.ctx.Done():
			return a.ctx.Err()
		}
	}
	if _, err := fmt.Sscan(told[len(told)-1], &a.killed); err != nil {
		return fmt.Errorf("v4 has said %q where a height was due: %w", told[len(told)-1], err)
	}
	a.Event("v4", fmt.Sprintf("is killed (SIGKILL), with block %d committed", a.killed), nil)
	fullest := 0
	for h := types.Height(1); h <= a.last; h++ {
		b, _, err := a.node(0).Blocks().Block(h)
		if err != nil {
			return err
		}
		fullest = max(fullest, len(b.Txs))
	}
	a.Claim(a.refused == 0, "four validators commit signed transfers: %d in %d blocks, up to %d in one, and all of them are executed", a.sent, a.last, fullest)
	return nil
}

// goOn sends transfers while one of four is down, at least until it was its turn to propose.
func (a *bftActs) goOn() error {
	from := a.last + 1 // v4 may have signed the block after the last one it told of
	missed := types.Height(0)
	for n := 0; n < a.waves || missed == 0; n++ {
		if n > 10*a.waves {
			return fmt.Errorf("v4 was never to propose in heights %d to %d", from, a.last)
		}
		if err := a.send(); err != nil {
			return err
		}
		for h := from; h <= a.last && missed == 0; h++ {
			set, err := a.node(0).Blocks().Validators(h)
			if err != nil {
				return err
			}
			if _, seen := a.watch.decided(0, h); seen && set.Proposer().Address == a.chain.address(bftKilled) {
				missed = h
			}
		}
	}
	later := 0
	for h := from; h <= a.last; h++ {
		if r, _ := a.watch.decided(0, h); r > 0 {
			later++
		}
	}
	a.Say("At height %d it was v4's turn. Nobody hears a proposal, so all prevote nil when their time is over, and the next one proposes. In the picture o signs a message for all, < and > have counted it before they decided; the lines are those of the paper's Algorithm 1, of the condition and of what is done by it.", missed)
	a.Picture(a.watch.diagram(missed, a.chain))
	signers, err := a.signers(from, a.last)
	if err != nil {
		return err
	}
	n := int(a.last - from + 1)
	a.Claim(signers == [bftValidators]int{n, n, n, 0} && a.refused == 0,
		"three of four go on: heights %d to %d are decided without v4, %d of them in a later round than the first", from, a.last, later)
	return nil
}

// comeBack opens the home of the killed one here.
func (a *bftActs) comeBack() error {
	has, err := a.chain.onDisk(bftKilled)
	if err != nil {
		return err
	}
	a.Claim(has >= a.killed, "what a killed validator has told of is on its disk: block %d, and it has told of %d", has, a.killed)
	before := a.last
	a.Event("v4", "is opened again, with what is in its files", nil)
	if err := a.chain.start(bftKilled); err != nil {
		return err
	}
	if err := a.waitFor(bftKilled, before); err != nil {
		return err
	}
	round := types.Height(0) // one that can be drawn
	var signers [bftValidators]int
	for n := 0; n < a.waves || round == 0 || signers[bftKilled] == 0; n++ {
		if n > 10*a.waves {
			return fmt.Errorf("v4 is back, and there is no block that all four have decided in heights %d to %d", before+1, a.last)
		}
		if err := a.send(); err != nil {
			return err
		}
		round = a.watch.fullRound(before+1, a.last, a.chain)
		if signers, err = a.signers(before+1, a.last); err != nil {
			return err
		}
	}
	returned := a.watch.firstHeight(bftKilled) // that it takes part in
	synced := returned - has - 1
	a.Event("v4", fmt.Sprintf("has fetched blocks %d to %d from the others, each verified by the commit in the next (B1)", has+1, returned-1), nil)
	a.Claim(synced > 0 && returned >= before && signers[bftKilled] > 0,
		"who was away block-syncs %d blocks, %d to %d, and votes from height %d on: %d of the next %d commits have its signature",
		synced, has+1, returned-1, returned, signers[bftKilled], a.last-before)
	a.Say("All four take part. A round as they have seen it:")
	a.Picture(a.watch.diagram(round, a.chain))
	return nil
}

// three stops the liar, and goes on without it.
func (a *bftActs) three() error {
	if err := a.chain.stop(bftLiar); err != nil {
		return err
	}
	a.Event("v3", "is stopped: nobody needs it any more", nil)
	from := max(a.last, a.slashed+1) + 1
	for range a.waves {
		if err := a.send(); err != nil {
			return err
		}
	}
	signers, err := a.signers(from, a.last)
	if err != nil {
		return err
	}
	set, err := a.node(0).Blocks().Validators(a.last)
	if err != nil {
		return err
	}
	n := int(a.last - from + 1)
	a.Claim(signers == [bftValidators]int{n, n, 0, n} && set.Len() == 3 && a.refused == 0,
		"three continue: heights %d to %d are decided by v1, v2 and v4, the %d validators that there are", from, a.last, set.Len())
	return nil
}

func (a *bftActs) node(i int) *bftNode { return a.chain.nodes[i] }

// waitFor waits until a validator has committed a height.
func (a *bftActs) waitFor(i int, h types.Height) error {
	ctx, cancel := context.WithTimeout(a.ctx, bftPatience)
	defer cancel()
	if err := a.node(i).Wait(ctx, h); err != nil {
		return fmt.Errorf("v%d does not come to height %d: %w (it says: %v)", i+1, h, err, a.node(i).Err())
	}
	return nil
}

// signers is how many of some heights' commits have each one's precommit for the block.
func (a *bftActs) signers(from, to types.Height) (n [bftValidators]int, err error) {
	for h := from; h <= to; h++ {
		commit, err := a.node(0).Blocks().SeenCommit(h)
		if err != nil {
			return n, err
		}
		for _, s := range commit.Signatures {
			if i, ok := a.chain.number(s.Validator); ok && s.Flag == types.CommitBlock {
				n[i]++
			}
		}
	}
	return n, nil
}
