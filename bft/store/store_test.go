package store_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/flagship-go/flagship/bft"
	"github.com/flagship-go/flagship/bft/abci"
	"github.com/flagship-go/flagship/bft/privval"
	"github.com/flagship-go/flagship/bft/store"
	"github.com/flagship-go/flagship/bft/types"
	"github.com/flagship-go/flagship/internal/vfs"
	"github.com/flagship-go/flagship/internal/wal"
	"github.com/stretchr/testify/require"
)

// grown is a chain of blocks and states, made without a node.
type grown struct {
	first   *types.State
	blocks  []*types.Block
	ids     []types.ValueID
	commits []*types.Commit
	states  []*types.State
	results []*types.Results
}

// grow makes a chain of n blocks of 4 validators, from an initial height.
func grow(t testing.TB, n int, initial types.Height) *grown {
	t.Helper()
	g := &types.Genesis{ChainID: "stored", Time: time.Unix(1_700_000_000, 0), InitialHeight: initial}
	signers := make(map[types.Address]bft.Signer)
	for i := range 4 {
		signer := privval.NewMemSigner(fmt.Sprint(i))
		signers[types.AddressOf(signer.PubKey())] = signer
		g.Validators = append(g.Validators, types.Validator{PubKey: signer.PubKey(), Power: int64(1 + i)})
	}
	s, err := g.State()
	require.NoError(t, err)
	c := &grown{first: s}
	last := &types.Commit{}
	for i := range n {
		b := s.MakeBlock([][]byte{fmt.Appendf(nil, "tx %d", i)}, last, nil, s.Validators.Proposer().Address)
		require.NoError(t, s.Validate(b))
		id := b.ID()
		votes := make([]*types.Vote, s.Validators.Len())
		for j := range votes {
			a := s.Validators.At(j).Address
			votes[j] = &types.Vote{Type: types.Precommit, Height: b.Height, Value: id, Validator: a, ValidRound: types.NoRound, Time: b.Time.Add(time.Second)}
			require.NoError(t, signers[a].SignVote(s.ChainID, votes[j]))
		}
		last = types.MakeCommit(b.Height, 0, id, votes)
		r := &types.Results{Height: b.Height, Response: &abci.FinalizeBlockResponse{TxResults: []abci.ExecTxResult{{Data: fmt.Appendf(nil, "did %d", i)}}, AppHash: fmt.Appendf(nil, "hash %d", i)}}
		s, err = s.Next(&b.Header, id, r.Response)
		require.NoError(t, err)
		c.blocks, c.ids, c.commits = append(c.blocks, b), append(c.ids, id), append(c.commits, last)
		c.states, c.results = append(c.states, s), append(c.results, r)
	}
	return c
}

// save stores the chain from where the store is, as a node does, and tells how many saves were answered.
func (c *grown) save(s bft.Store) (done int, err error) {
	state, err := s.State()
	if err != nil {
		return 0, err
	}
	if state == nil {
		if err := s.SaveState(c.first, nil); err != nil {
			return 0, err
		}
		done++
	}
	for i, b := range c.blocks {
		if s.Height() < b.Height {
			if err := s.SaveBlock(b, c.ids[i], c.commits[i]); err != nil {
				return done, err
			}
			done++
		}
		if state == nil || state.LastHeight < b.Height {
			if err := s.SaveState(c.states[i], c.results[i]); err != nil {
				return done, err
			}
			done++
		}
	}
	return done, nil
}

// check compares all that is stored. It says what is wrong, or nothing.
func (c *grown) check(s bft.Store) error {
	state, err := s.State()
	if err != nil || state == nil {
		return err
	}
	for h := s.Base(); h > 0 && h <= s.Height(); h++ {
		i := int(h - c.first.InitialHeight)
		b, id, err := s.Block(h)
		if err != nil {
			return err
		}
		seen, err := s.SeenCommit(h)
		if err != nil {
			return err
		}
		if id != c.ids[i] || b.Hash() != id.Hash || seen.Hash() != c.commits[i].Hash() || seen.Value != id {
			return fmt.Errorf("block %d is not what was saved", h)
		}
		if h > state.LastHeight {
			continue
		}
		r, err := s.Results(h)
		if err != nil {
			return err
		}
		if types.ResultsHash(r.Response.TxResults) != c.states[i].LastResultsHash {
			return fmt.Errorf("the results of %d are not what was saved", h)
		}
		before := c.first
		if i > 0 {
			before = c.states[i-1]
		}
		for at, want := range map[types.Height]*types.ValidatorSet{h: before.Validators, h + 1: before.NextValidators} {
			set, err := s.Validators(at)
			if err != nil {
				return err
			}
			if set.Hash() != want.Hash() || set.Proposer().Address != want.Proposer().Address {
				return fmt.Errorf("the validators of %d are not what was saved", at)
			}
		}
	}
	return nil
}

func TestWhatWasSavedIsThereAfterReopening(t *testing.T) {
	for _, initial := range []types.Height{1, 1000} {
		c, fs := grow(t, 20, initial), vfs.NewMem()
		s, err := store.Open("chain", &store.Options{FS: fs})
		require.NoError(t, err)
		require.Zero(t, s.Base())
		require.Zero(t, s.Height())
		_, err = c.save(s)
		require.NoError(t, err)
		require.NoError(t, c.check(s))
		require.NoError(t, s.Close())
		require.NoError(t, s.Close())
		s, err = store.Open("chain", &store.Options{FS: fs})
		require.NoError(t, err)
		require.Equal(t, initial, s.Base())
		require.Equal(t, initial+19, s.Height())
		require.NoError(t, c.check(s))
		_, _, err = s.Block(initial + 20)
		require.ErrorIs(t, err, types.ErrNotFound)
		_, err = s.Validators(initial + 22)
		require.ErrorIs(t, err, types.ErrNotFound)
		_, err = store.Open("chain", &store.Options{FS: fs})
		require.ErrorIs(t, err, vfs.ErrLocked)
		require.NoError(t, s.Close())
	}
}

func TestAHeightOutOfOrderIsRefused(t *testing.T) {
	c := grow(t, 3, 1)
	s, err := store.Open("chain", &store.Options{FS: vfs.NewMem()})
	require.NoError(t, err)
	defer s.Close()
	refused := func(err error) {
		t.Helper()
		if !errors.Is(err, store.ErrOrder) {
			t.Fatalf("RULE T2: it was not refused: %v", err)
		}
	}
	refused(s.SaveBlock(c.blocks[0], c.ids[0], c.commits[0]))
	require.NoError(t, s.SaveState(c.first, nil))
	refused(s.SaveState(c.first, nil))
	refused(s.SaveState(c.states[0], c.results[0]))
	refused(s.SaveBlock(c.blocks[1], c.ids[1], c.commits[1]))
	require.NoError(t, s.SaveBlock(c.blocks[0], c.ids[0], c.commits[0]))
	refused(s.SaveBlock(c.blocks[0], c.ids[0], c.commits[0]))
	refused(s.SaveState(c.states[1], c.results[1]))
	require.NoError(t, s.SaveState(c.states[0], c.results[0]))
	require.NoError(t, c.check(s))
}

func TestPrunedBlocksAreGoneAndTheRestIsWhole(t *testing.T) {
	c, fs := grow(t, 60, 1), vfs.NewMem()
	o := &store.Options{FS: fs, SegmentSize: 16 << 10}
	s, err := store.Open("chain", o)
	require.NoError(t, err)
	_, err = c.save(s)
	require.NoError(t, err)
	before, _ := fs.List("chain")
	require.NoError(t, s.Prune(41))
	after, _ := fs.List("chain")
	require.Less(t, len(after), len(before))
	require.Equal(t, types.Height(41), s.Base())
	_, _, err = s.Block(40)
	require.ErrorIs(t, err, types.ErrNotFound)
	if err := c.check(s); err != nil {
		t.Fatalf("RULE T4: %v", err)
	}
	set, err := s.Validators(40)
	require.NoError(t, err, "who signed the last commit of the first block")
	require.Equal(t, c.states[38].Validators.Hash(), set.Hash())
	require.NoError(t, s.Close())

	s, err = store.Open("chain", o)
	require.NoError(t, err)
	require.Greater(t, s.Base(), types.Height(1))
	require.LessOrEqual(t, s.Base(), types.Height(41))
	if err := c.check(s); err != nil {
		t.Fatalf("RULE T4: %v", err)
	}
	require.NoError(t, s.Prune(1000))
	require.Equal(t, types.Height(60), s.Base(), "the last block stays")
	require.NoError(t, s.Close())
}

// Power goes after every operation, and in the midst of every one; what was answered is there, and the rest can be saved.
func TestWhatSaveAnsweredSurvivesAPowerCutAtEveryOperation(t *testing.T) {
	c := grow(t, 5, 1)
	run := func(fs *vfs.Mem) (done int, err error) {
		s, err := store.Open("chain", &store.Options{FS: fs, SegmentSize: 8 << 10})
		if err != nil {
			return 0, err
		}
		defer s.Close()
		return c.save(s)
	}
	whole := vfs.NewMem()
	_, err := run(whole)
	require.NoError(t, err)
	rng := rand.New(rand.NewPCG(1, 2))
	for n := int64(1); n <= whole.Ops(); n++ {
		for variant := range 4 {
			fs := vfs.NewMem()
			if variant%2 == 0 {
				fs.CutPower(n)
			} else {
				fs.CutPowerDuring(n)
			}
			done, _ := run(fs)
			left := fs.CrashClone(nil)
			if variant >= 2 {
				left = fs.CrashClone(rng)
			}
			s, err := store.Open("chain", &store.Options{FS: left, SegmentSize: 8 << 10})
			require.NoErrorf(t, err, "operation %d", n)
			have := 0 // saves that are there
			if state, _ := s.State(); state != nil {
				have = 1 + int(state.LastHeight) + int(s.Height())
			}
			if have < done {
				t.Fatalf("RULE T1: power cut at operation %d: %d saves were answered, and %d are there", n, done, have)
			}
			if err := c.check(s); err != nil {
				t.Fatalf("RULE T1: power cut at operation %d: %v", n, err)
			}
			_, err = c.save(s)
			require.NoError(t, err)
			require.Equal(t, types.Height(5), s.Height())
			require.NoError(t, c.check(s))
			require.NoError(t, s.Close())
		}
	}
}

func TestDamageIsReportedWithItsPlace(t *testing.T) {
	c, fs := grow(t, 20, 1), vfs.NewMem()
	s, err := store.Open("chain", &store.Options{FS: fs, SegmentSize: 8 << 10})
	require.NoError(t, err)
	_, err = c.save(s)
	require.NoError(t, err)
	require.NoError(t, s.Close())
	names, err := fs.List("chain")
	require.NoError(t, err)
	require.NoError(t, fs.FlipBit("chain/"+names[1], 8*2000))
	s, err = store.Open("chain", &store.Options{FS: fs, SegmentSize: 8 << 10})
	if err == nil {
		defer s.Close()
		err = c.check(s)
	}
	var corrupt *vfs.CorruptError
	if !errors.As(err, &corrupt) {
		t.Fatalf("RULE T3: the damage was not seen: %v", err)
	}
	require.Contains(t, corrupt.File, names[1])
	require.NotZero(t, corrupt.Offset)
}

// FuzzRecords opens a log with anything in its records. Nothing but damage, another format or nothing found is said of it, and a state or
// block that is read is of the height that was asked for.
func FuzzRecords(f *testing.F) {
	records := func(fs vfs.FS) (records [][]byte) {
		log, _, err := wal.Open("store", &wal.Options{FS: fs})
		require.NoError(f, err)
		for r, err := range log.Records(1) {
			require.NoError(f, err)
			records = append(records, bytes.Clone(r.Data))
		}
		require.NoError(f, log.Close())
		return records
	}
	for _, initial := range []types.Height{1, 300} {
		mem := vfs.NewMem()
		s, err := store.Open("store", &store.Options{FS: mem})
		require.NoError(f, err)
		_, err = grow(f, 2, initial).save(s)
		require.NoError(f, err)
		require.NoError(f, s.Close())
		r := records(mem)
		require.Len(f, r, 8)
		f.Add(r[0], r[1], r[2], r[3], r[4], uint8(5))
		f.Add(r[0], r[1], r[2], r[3], r[4], uint8(3))
		f.Add(r[3], r[1], r[2], r[3], r[4], uint8(2))
		f.Add(r[0], r[1], r[2], r[0], r[4], uint8(5))
		head := len(binary.AppendUvarint([]byte{1, 1}, uint64(initial)))
		f.Add(r[0], r[1], r[2], append(bytes.Clone(r[3][:head]), r[6][head:]...), r[4], uint8(5)) // the state after the next block
	}
	huge := binary.AppendUvarint([]byte{1, 1}, 1<<63+5)
	f.Add(huge, huge, huge, huge, huge, uint8(2))
	f.Fuzz(func(t *testing.T, s0, r0, b1, s1, r1 []byte, n uint8) {
		named := func(err error, what string, h types.Height) {
			require.True(t, errors.Is(err, vfs.ErrCorrupt) || errors.As(err, new(*vfs.VersionError)) || errors.Is(err, types.ErrNotFound), "RULE T3: %s %d: %v", what, h, err)
		}
		mem := vfs.NewMem()
		log, _, err := wal.Open("store", &wal.Options{FS: mem, SegmentSize: 64 << 10})
		require.NoError(t, err)
		for _, r := range [][]byte{s0, r0, b1, s1, r1}[:n%6] {
			if _, err := log.AppendSync(r); err != nil {
				t.Skip("longer than a segment")
			}
		}
		require.NoError(t, log.Close())
		s, err := store.Open("store", &store.Options{FS: mem})
		if err != nil {
			require.False(t, errors.Is(err, types.ErrNotFound), "RULE T3: %v", err)
			named(err, "opening", 0)
			return
		}
		defer func() { require.NoError(t, s.Close()) }()
		state, err := s.State()
		require.NoError(t, err)
		if state != nil {
			require.True(t, state.LastHeight == s.Height() || state.Height() == s.Height(), "RULE T3: the last state is of another height")
		}
		for h := s.Base() - 1; h <= s.Height()+2; h++ {
			if b, _, err := s.Block(h); err != nil {
				named(err, "block", h)
			} else {
				require.Equal(t, h, b.Height, "RULE T3: a block of another height")
			}
			if _, err := s.SeenCommit(h); err != nil {
				named(err, "seen commit", h)
			}
			if _, err := s.Validators(h); err != nil {
				named(err, "validators", h)
			}
			if _, err := s.Results(h); err != nil {
				named(err, "results", h)
			}
		}
	})
}
