package evidence

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"math/rand/v2"
	"path/filepath"
	"testing"
	"time"

	"github.com/flagship-go/flagship/bft/internal/chaintest"
	"github.com/flagship-go/flagship/bft/privval"
	"github.com/flagship-go/flagship/bft/types"
	"github.com/flagship-go/flagship/internal/vfs"
	"github.com/stretchr/testify/require"
)

// newChain makes a chain of four validators with evidence that is too old after 10 blocks and 20 seconds: blocks are a second
// apart.
func newChain(t testing.TB, height types.Height) *chaintest.Chain {
	c := chaintest.New(t, 4)
	c.Genesis.Params = types.DefaultParams()
	c.Genesis.Params.Evidence.MaxAgeNumBlocks, c.Genesis.Params.Evidence.MaxAgeDuration = 10, 20*time.Second
	return c.Begin().Grow(height)
}

// newPool makes a pool that hears of the chain's blocks.
func newPool(t testing.TB, c *chaintest.Chain, o Options) *Pool {
	o.Store = c.Store
	p, err := New(o)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, p.Close()) })
	c.Exec.Evidence = p
	return p
}

func pending(p *Pool) int { return len(p.Pending(1 << 20)) }

func TestADoubleVoteIsCompletedWhenItsHeightIsDecided(t *testing.T) {
	c := newChain(t, 3)
	p := newPool(t, c, Options{})
	p.Report(c.DoubleVote("2", 4, 0))
	require.Zero(t, pending(p), "RULE E1: the height is not decided")
	c.Grow(4)
	require.Equal(t, []*types.DuplicateVoteEvidence{c.Evidence("2", 4, 0)}, p.Pending(1<<20), "RULE E1: complete, with the time and powers of its height")
	p.Report(c.DoubleVote("1", 2, 5))
	require.Equal(t, 2, pending(p), "RULE E1: of a height that is decided, at once")
	require.NoError(t, p.Check(c.State, p.Pending(1<<20)), "RULE E1: what we propose others accept")
}

func TestAFaultIsCommittedOnce(t *testing.T) {
	c := newChain(t, 5)
	p := newPool(t, c, Options{})
	p.Report(c.DoubleVote("2", 4, 0))
	p.Report(c.DoubleVote("2", 4, 0))
	require.Equal(t, 1, pending(p), "RULE E1: reported twice, pending once")
	e := p.Pending(1 << 20)
	c.AddBlock(nil, e)
	require.Zero(t, pending(p), "RULE E1: what is committed is not pending")
	require.ErrorIs(t, p.Check(c.State, e), ErrDuplicate, "RULE E1: committed before")
	p.Report(c.DoubleVote("2", 4, 0))
	require.Zero(t, pending(p), "RULE E1: committed, and reported again")
	p.Report(c.DoubleVote("2", 4, 1))
	require.Equal(t, 1, pending(p), "RULE E1: another round is another fault")
}

// TestEvidenceIsRefused has each kind of evidence that proves nothing.
func TestEvidenceIsRefused(t *testing.T) {
	c := newChain(t, 30)
	p := newPool(t, c, Options{})
	committed := c.Evidence("3", 28, 0)
	c.AddBlock(nil, []*types.DuplicateVoteEvidence{committed})
	good := func() *types.DuplicateVoteEvidence { return c.Evidence("2", 25, 1) }
	change := func(f func(e *types.DuplicateVoteEvidence)) []*types.DuplicateVoteEvidence {
		e := good()
		f(e)
		return []*types.DuplicateVoteEvidence{e}
	}
	resign := func(v *types.Vote, chain string) {
		v.Signature = nil
		require.NoError(t, privval.NewMemSigner("2").SignVote(chain, v))
	}
	require.NoError(t, p.Check(c.State, []*types.DuplicateVoteEvidence{good(), c.Evidence("1", 25, 1)}))
	for _, x := range []struct {
		name     string
		evidence []*types.DuplicateVoteEvidence
		is       error
		says     string
	}{
		{"expired", []*types.DuplicateVoteEvidence{c.Evidence("2", 10, 0)}, ErrExpired, "height 10 round 0"},
		{"committed", []*types.DuplicateVoteEvidence{committed}, ErrDuplicate, "was committed"},
		{"twice in the block", []*types.DuplicateVoteEvidence{good(), good()}, ErrDuplicate, "in the block twice"},
		{"the same fault with other votes", func() []*types.DuplicateVoteEvidence {
			e := good()
			e.Second = *c.Vote("2", types.Prevote, 25, 1, chaintest.Value(3), e.Second.Time)
			return []*types.DuplicateVoteEvidence{good(), e}
		}(), ErrDuplicate, "in the block twice"},
		{"from the future", change(func(e *types.DuplicateVoteEvidence) { e.First.Height, e.Second.Height = 32, 32 }), ErrFuture, "not decided"},
		{"forged", change(func(e *types.DuplicateVoteEvidence) { e.Second.Signature = e.First.Signature }), types.ErrEvidence, "a signature is wrong"},
		{"forged first", change(func(e *types.DuplicateVoteEvidence) { e.First.Signature = e.Second.Signature }), types.ErrEvidence, "a signature is wrong"},
		{"another chain", change(func(e *types.DuplicateVoteEvidence) { resign(&e.First, "another"); resign(&e.Second, "another") }), types.ErrEvidence, "a signature is wrong"},
		{"wrong power", change(func(e *types.DuplicateVoteEvidence) { e.ValidatorPower++ }), types.ErrEvidence, "its power was 10, and not 11"},
		{"wrong total", change(func(e *types.DuplicateVoteEvidence) { e.TotalVotingPower++ }), types.ErrEvidence, "the total power was 40, and not 41"},
		{"wrong number", change(func(e *types.DuplicateVoteEvidence) { e.ValidatorIndex++ }), types.ErrEvidence, "it is number"},
		{"wrong time", change(func(e *types.DuplicateVoteEvidence) { e.Time = e.Time.Add(1) }), types.ErrEvidence, "its time is"},
		{"not a validator", func() []*types.DuplicateVoteEvidence {
			d := c.DoubleVote("stranger", 25, 1)
			e := good()
			e.DoubleVote = d
			return []*types.DuplicateVoteEvidence{e}
		}(), types.ErrEvidence, "it was no validator"},
		{"two validators", change(func(e *types.DuplicateVoteEvidence) {
			e.Second = *c.Vote("1", types.Prevote, 25, 1, chaintest.Value(2), e.First.Time)
		}), types.ErrEvidence, "somebody else's"},
		{"the same vote", change(func(e *types.DuplicateVoteEvidence) { e.Second = e.First }), types.ErrEvidence, "one value, or in the wrong order"},
		{"the same value at another time", change(func(e *types.DuplicateVoteEvidence) {
			e.Second = *c.Vote("2", types.Prevote, 25, 1, e.First.Value, e.First.Time.Add(1))
		}), types.ErrEvidence, "one value, or in the wrong order"},
		{"in the wrong order", change(func(e *types.DuplicateVoteEvidence) { e.First, e.Second = e.Second, e.First }), types.ErrEvidence, "one value, or in the wrong order"},
		{"two rounds", change(func(e *types.DuplicateVoteEvidence) { e.Second.Round++; resign(&e.Second, chaintest.ID) }), types.ErrEvidence, "one height, round and kind"},
		{"two kinds", change(func(e *types.DuplicateVoteEvidence) { e.Second.Type = types.Precommit; resign(&e.Second, chaintest.ID) }), types.ErrEvidence, "one height, round and kind"},
		{"two heights", change(func(e *types.DuplicateVoteEvidence) { e.Second.Height--; resign(&e.Second, chaintest.ID) }), types.ErrEvidence, "one height, round and kind"},
		{"no height", change(func(e *types.DuplicateVoteEvidence) { e.First.Height, e.Second.Height, e.Time = 0, 0, c.State.LastTime }), types.ErrEvidence, "height 0"},
	} {
		t.Run(x.name, func(t *testing.T) {
			err := p.Check(c.State, x.evidence)
			require.ErrorIs(t, err, x.is, "RULE E1: %s", x.name)
			require.ErrorIs(t, err, types.ErrEvidence)
			require.ErrorContains(t, err, x.says, "RULE E1: %s", x.name)
			if len(x.evidence) == 1 {
				require.ErrorIs(t, p.Add(x.evidence[0]), x.is, "RULE E1: %s", x.name)
			}
			require.Zero(t, pending(p))
		})
	}
}

func TestEvidenceExpiresByBothAges(t *testing.T) {
	c := newChain(t, 11)
	p := newPool(t, c, Options{})
	p.Report(c.DoubleVote("2", 1, 0))
	e := p.Pending(1 << 20)
	require.Len(t, e, 1)
	c.Grow(21) // 20 blocks, and 20 seconds
	require.NoError(t, p.Check(c.State, e), "RULE E1: as old as may be, and not older")
	require.Equal(t, 1, pending(p))
	c.Grow(22)
	require.ErrorIs(t, p.Check(c.State, e), ErrExpired, "RULE E1: older than both")
	require.Zero(t, pending(p), "RULE E1: what has expired is not proposed")

	slow := newChain(t, 5)
	slow.State.LastTime = slow.State.LastTime.Add(time.Hour)
	require.NoError(t, newPool(t, slow, Options{}).Check(slow.State, []*types.DuplicateVoteEvidence{slow.Evidence("2", 2, 0)}),
		"RULE E1: old by the clock, and young by blocks")
}

func TestWhatIsCommittedIsForgottenOnlyWhenItHasExpired(t *testing.T) {
	c := newChain(t, 5)
	p := newPool(t, c, Options{})
	p.Report(c.DoubleVote("2", 5, 0))
	c.AddBlock(nil, p.Pending(1<<20))
	c.Grow(25)
	require.ErrorIs(t, p.Check(c.State, []*types.DuplicateVoteEvidence{c.Evidence("2", 5, 0)}), ErrDuplicate, "RULE E1: committed once, and kept until then")
	c.Grow(26)
	require.ErrorIs(t, p.Check(c.State, []*types.DuplicateVoteEvidence{c.Evidence("2", 5, 0)}), ErrExpired, "RULE E1: committed once, and kept until then")
	require.Empty(t, p.committed, "and then costs no memory")
}

func TestPendingIsBounded(t *testing.T) {
	c := newChain(t, 5)
	p := newPool(t, c, Options{MaxPending: 3})
	for r := range types.Round(5) {
		p.Report(c.DoubleVote("1", 5, r))
		p.Report(c.DoubleVote("1", 6, r))
	}
	require.Equal(t, 3, pending(p), "RULE E1: bounded")
	require.Len(t, p.reported, 3, "RULE E1: bounded")
	require.ErrorIs(t, p.Add(c.Evidence("2", 5, 0)), ErrFull, "RULE E1: bounded")
	var all int64
	for _, e := range p.Pending(1 << 20) {
		all += int64(len(e.Encode(nil)))
	}
	require.Len(t, p.Pending(all), 3)
	require.Len(t, p.Pending(all-1), 2, "RULE E1: as much as the block may have")
	require.Empty(t, p.Pending(0))
}

func TestAPrunedStoreSaysSo(t *testing.T) {
	c := newChain(t, 8)
	p := newPool(t, c, Options{})
	e := c.Evidence("1", 2, 0)
	require.NoError(t, c.Store.Prune(5))
	err := p.Check(c.State, []*types.DuplicateVoteEvidence{e})
	require.ErrorIs(t, err, types.ErrNotFound)
	require.ErrorContains(t, err, "keep as many blocks as evidence may be old")
}

func TestAValidatorThatHasLeftIsJudgedByItsHeight(t *testing.T) {
	c := newChain(t, 5)
	p := newPool(t, c, Options{})
	c.Add(fmt.Sprintf("val:%s!0", base64Key("3"))) // height 6, and without "3" from height 8 on
	c.Grow(9)
	require.NoError(t, p.Add(c.Evidence("3", 7, 0)), "RULE E1: the set of the votes' height judges")
	e := c.Evidence("2", 8, 0)
	e.DoubleVote = c.DoubleVote("3", 8, 0)
	require.ErrorContains(t, p.Add(e), "it was no validator")
}

// TestACrashLosesNothing cuts the power at each operation of a story, and looks at what a pool finds then: what was
// pending before the last step, or after it; and what the chain has committed is committed in any case.
func TestACrashLosesNothing(t *testing.T) {
	for cut := int64(0); ; cut++ {
		disk := vfs.NewMem()
		disk.CutPower(cut)
		c := newChain(t, 3)
		p, err := New(Options{Store: c.Store, Dir: "data", FS: disk})
		safe := 0 // steps that ended with power on
		if err == nil {
			c.Exec.Evidence = p
			for step, do := range []func(){
				func() { p.Report(c.DoubleVote("2", 3, 0)) },
				func() { p.Report(c.DoubleVote("1", 4, 0)) },
				func() { c.Grow(4) },
				func() { c.AddBlock(nil, []*types.DuplicateVoteEvidence{c.Evidence("2", 3, 0)}) },
			} {
				do()
				if disk.Ops() < cut {
					safe = step + 1
				}
			}
		}
		over := disk.Ops() < cut
		for seed := range uint64(5) {
			q, err := New(Options{Store: c.Store, Dir: "data", FS: disk.CrashClone(rand.New(rand.NewPCG(seed, 1)))})
			require.NoError(t, err, "RULE E1: cut %d: a crash is no damage", cut)
			if c.State.LastHeight == 5 {
				require.ErrorIs(t, q.Check(c.State, []*types.DuplicateVoteEvidence{c.Evidence("2", 3, 0)}), ErrDuplicate, "RULE E1: cut %d: committed", cut)
				if safe >= 2 {
					require.Equal(t, []*types.DuplicateVoteEvidence{c.Evidence("1", 4, 0)}, q.Pending(1<<20), "RULE E1: cut %d: reported, and not lost", cut)
				}
			}
			require.NoError(t, q.Close())
		}
		if over {
			require.Equal(t, 4, safe)
			require.Greater(t, cut, int64(10))
			return
		}
	}
}

func TestAPoolWithoutItsFileReadsTheStore(t *testing.T) {
	c := newChain(t, 3)
	newPool(t, c, Options{})
	c.AddBlock(nil, []*types.DuplicateVoteEvidence{c.Evidence("2", 3, 0)})
	c.Grow(12)
	p := newPool(t, c, Options{})
	require.ErrorIs(t, p.Check(c.State, []*types.DuplicateVoteEvidence{c.Evidence("2", 3, 0)}), ErrDuplicate, "RULE E1: committed once, and kept until then")
}

func TestAFileThatIsBehindIsCompletedFromTheStore(t *testing.T) {
	c := newChain(t, 3)
	disk := vfs.NewMem()
	p, err := New(Options{Store: c.Store, Dir: "data", FS: disk})
	require.NoError(t, err)
	p.Report(c.DoubleVote("2", 3, 0))
	c.Exec.Evidence = p
	c.Grow(5)
	before := disk.CrashClone(rand.New(rand.NewPCG(1, 1)))
	c.AddBlock(nil, p.Pending(1<<20))
	c.Grow(9)
	q := newPool(t, c, Options{Dir: "data", FS: before})
	require.Zero(t, pending(q), "RULE E1: the file says pending, and a block committed")
	require.ErrorIs(t, q.Check(c.State, []*types.DuplicateVoteEvidence{c.Evidence("2", 3, 0)}), ErrDuplicate, "RULE E1: committed once, and kept until then")
	require.NoError(t, p.Close())
}

func TestADamagedFileIsReportedAndADirectoryHasOnePool(t *testing.T) {
	c := newChain(t, 3)
	disk := vfs.NewMem()
	p, err := New(Options{Store: c.Store, Dir: "data", FS: disk})
	require.NoError(t, err)
	p.Report(c.DoubleVote("2", 3, 0))
	_, err = New(Options{Store: c.Store, Dir: "data", FS: disk})
	require.ErrorIs(t, err, vfs.ErrLocked)
	require.NoError(t, p.Close())
	require.NoError(t, p.Close(), "closing twice")

	name := filepath.Join("data", fileName)
	for bit := int64(0); bit < 8*40; bit += 7 {
		clone := disk.CrashCloneKeepAll()
		require.NoError(t, clone.FlipBit(name, bit))
		_, err = New(Options{Store: c.Store, Dir: "data", FS: clone})
		var damage *vfs.CorruptError
		var newer *vfs.VersionError
		require.True(t, errorsAs(err, &damage) || errorsAs(err, &newer), "RULE E1: kept as it was: bit %d: %v", bit, err)
		require.ErrorContains(t, err, name)
	}
	q, err := New(Options{Store: c.Store, Dir: "data", FS: disk})
	require.NoError(t, err)
	require.Equal(t, 1, pending(q))
	require.NoError(t, q.Close())
}

func TestADiskThatFailsIsTriedAgain(t *testing.T) {
	c := newChain(t, 3)
	disk := vfs.NewMem()
	p := newPool(t, c, Options{Dir: "data", FS: disk})
	disk.Inject(vfs.Fault{Kind: vfs.OpSync, Err: vfs.ErrNoSpace})
	p.Report(c.DoubleVote("2", 3, 0))
	require.Equal(t, 1, pending(p), "it is of use all the same")
	disk.ClearFaults()
	c.Grow(4)
	q := newPool(t, c, Options{Dir: "data", FS: disk.CrashClone(rand.New(rand.NewPCG(1, 1)))})
	require.Equal(t, 1, pending(q), "RULE E1: kept with the next block")
}

// FuzzFile opens a file with anything in it, under a checksum that is right: it is refused with its place, or what is read is written again
// as it was.
func FuzzFile(f *testing.F) {
	fresh := func() *Pool {
		return &Pool{pending: map[types.Fault]*item{}, reported: map[types.Fault]*types.DuplicateVoteEvidence{}, committed: map[types.Fault]time.Time{}}
	}
	c := newChain(f, 5)
	const head, sum = len(magic) + 4, 4
	body := func(p *Pool) []byte { b := p.encode(); return b[head : len(b)-sum] }
	p := fresh()
	f.Add(body(p))
	p.saved = 5
	p.commit(c.Evidence("1", 3, 0))
	p.reported[types.Fault{Height: 9}] = &types.DuplicateVoteEvidence{DoubleVote: c.DoubleVote("3", 9, 0)}
	e := c.Evidence("2", 4, 1)
	p.insert(&proof{e, e.Encode(nil)}, "")
	f.Add(body(p))
	p.insert(&proof{e, e.Encode(nil)}, "")
	f.Add(body(p))
	f.Add(append(make([]byte, 8), 0xff, 0xff, 0xff, 0xff)) // four billion faults, and none of them there
	f.Fuzz(func(t *testing.T, content []byte) {
		file := append(binary.BigEndian.AppendUint32([]byte(magic), version), content...)
		file = binary.BigEndian.AppendUint32(file, crc32.Checksum(file, castagnoli))
		p := fresh()
		if err := p.decode("file", file); err != nil {
			var damage *vfs.CorruptError
			require.ErrorAs(t, err, &damage)
			require.LessOrEqual(t, damage.Offset, int64(len(file)))
			return
		}
		require.Len(t, p.pending, p.list.Len(), "RULE E1: a fault is pending twice")
		require.LessOrEqual(t, len(p.encode()), len(file), "nothing is there that was not in the file")
		again := fresh()
		require.NoError(t, again.decode("file", p.encode()))
		require.Equal(t, p.saved, again.saved)
		require.Equal(t, p.committed, again.committed)
		require.Equal(t, p.reported, again.reported)
		require.Equal(t, pending(p), pending(again))
	})
}
