package main

import (
	"bytes"
	"context"
	"fmt"

	"github.com/cometbft/cometbft/crypto/merkle"
	cmt "github.com/cometbft/cometbft/types"
	ourmerkle "github.com/flagship-go/flagship/bft/merkle"
	"github.com/flagship-go/flagship/bft/types"
	"github.com/flagship-go/flagship/internal/versus"
)

// What a node does over and over, each by itself on one goroutine. Each contender works on its own values, made before the
// clock starts; before that, both are asked once, and must agree.

// operation is a contender's work in a cell.
type operation func() error

// Run implements [versus.Runner].
func (op operation) Run(ctx context.Context, w *versus.Work) error {
	return w.Each(ctx, 1, func(context.Context, *versus.Client) error { return op() })
}

// Close implements [versus.Runner].
func (operation) Close() error { return nil }

// pair makes the two contenders of a table from what makes both operations.
func pair(build func(cell versus.Cell) (our, their operation, err error)) []versus.Contender {
	contender := func(name, module string, choose func(our, their operation) operation) versus.Contender {
		return versus.Contender{Name: name, Module: module, Setup: func(_ context.Context, cell versus.Cell) (versus.Runner, error) {
			our, their, err := build(cell)
			if err != nil {
				return nil, err
			}
			return choose(our, their), nil
		}}
	}
	return []versus.Contender{
		contender(ours, oursModule, func(our, _ operation) operation { return our }),
		contender(comet, cometModule, func(_, their operation) operation { return their }),
	}
}

// differ is the error for two that ought to agree.
func differ(what string, our, their any) error {
	return fmt.Errorf("%s: ours is %x, and CometBFT's %x", what, our, their)
}

func signBytesTable() table {
	return table{Table: versus.Table{
		Name: "signbytes", Title: "The canonical bytes of a precommit", Ours: ours, Reference: comet, Cells: []versus.Cell{"vote=precommit"},
		Contenders: pair(func(versus.Cell) (operation, operation, error) {
			set, keys := validators(4, equal)
			v := vote(set, keys, 1, types.Precommit, 1_000_000, 2, someID("a block"))
			theirs := theirVote(v, 1).ToProto()
			if our, their := v.AppendSignBytes(nil, chainID), cmt.VoteSignBytes(chainID, theirs); !bytes.Equal(our, their) {
				return nil, nil, differ("sign bytes", our, their)
			}
			room := make([]byte, 0, 256)
			return func() error {
					room = v.AppendSignBytes(room[:0], chainID)
					return nil
				}, func() error {
					room = cmt.VoteSignBytes(chainID, theirs)
					return nil
				}, nil
		}),
		Goals: []versus.Goal{{Metric: versus.CPUPerOp, AtMost: 0.15, Of: comet}},
	}, limits: []limit{{versus.AllocsPerOp, 0.01}}}
}

func merkleTable() table {
	return table{Table: versus.Table{
		Name: "merkle", Title: "The Merkle root over 250 B leaves", Ours: ours, Reference: comet, Cells: []versus.Cell{"leaves=10000"},
		Contenders: pair(func(cell versus.Cell) (operation, operation, error) {
			leaves := transactions(cell.Int("leaves", 0), 250)
			if our, their := ourmerkle.Root(leaves), merkle.HashFromByteSlices(leaves); !bytes.Equal(our[:], their) {
				return nil, nil, differ("root", our, their)
			}
			return func() error {
					_ = ourmerkle.Root(leaves)
					return nil
				}, func() error {
					_ = merkle.HashFromByteSlices(leaves)
					return nil
				}, nil
		}),
		Stretch: 3,
		Goals:   []versus.Goal{{Metric: versus.OpsPerSec, AtLeast: 1.54, Of: comet}, {Metric: versus.CPUPerOp, AtMost: 0.65, Of: comet}},
	}, limits: []limit{{versus.AllocsPerOp, 10.5}}} // the half is the measuring itself
}

// rotationTable: ours makes the next set and leaves the one before as it is; CometBFT's changes the one there is, which is less work.
func rotationTable() table {
	return table{Table: versus.Table{
		Name: "rotation", Title: "The next proposer", Ours: ours, Reference: comet, Cells: []versus.Cell{"validators=4", "validators=100"},
		Contenders: pair(func(cell versus.Cell) (operation, operation, error) {
			set, _ := validators(cell.Int("validators", 0), func(i int) int64 { return int64(1000 + 37*i) })
			theirs := theirSet(set)
			if our, their := set.Proposer().Address, theirs.GetProposer().Address; !bytes.Equal(our[:], their) {
				return nil, nil, differ("proposer", our, their)
			}
			return func() error {
					set = set.Rotate(1)
					return nil
				}, func() error {
					theirs.IncrementProposerPriority(1)
					return nil
				}, nil
		}),
		Goals: []versus.Goal{{Metric: versus.CPUPerOp, AtMost: 0.5, Of: comet, Cells: []versus.Cell{"validators=100"}}},
	}}
}

// commitTable: both verify with one library and its batches, and know the keys from before.
func commitTable() table {
	return table{Table: versus.Table{
		Name: "commit", Title: "A commit verified as light clients do, up to two thirds of the power", Ours: ours, Reference: comet,
		Cells: []versus.Cell{"validators=4", "validators=100"},
		Contenders: pair(func(cell versus.Cell) (operation, operation, error) {
			set, keys := validators(cell.Int("validators", 0), equal)
			id := someID("a block")
			c := commit(set, keys, 1_000, id)
			theirs, commit, theirBlockID := theirSet(set), theirCommit(c), theirID(id)
			our := func() error { return types.VerifyCommitLight(chainID, set, id, 1_000, c) }
			their := func() error { return cmt.VerifyCommitLight(chainID, theirs, theirBlockID, 1_000, commit) }
			if err := our(); err != nil {
				return nil, nil, err
			}
			return our, their, their()
		}),
		Stretch: 3,
		Goals:   []versus.Goal{{Metric: versus.CPUPerOp, AtMost: 1, Of: comet}},
	}}
}
