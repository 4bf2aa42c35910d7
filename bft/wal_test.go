package bft

import (
	"bytes"
	"errors"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/flagship-go/flagship/bft/privval"
	"github.com/flagship-go/flagship/bft/types"
	"github.com/flagship-go/flagship/internal/vfs"
	"github.com/stretchr/testify/require"
)

// A tap is a network that looks at what is published.
type tap struct{ publish func(types.Message) }

func (n tap) Publish(m types.Message)                     { n.publish(m) }
func (tap) Enter(types.Height, types.Round, types.Step)   {}
func (tap) Want(types.Height, types.Round, types.ValueID) {}

// duel is one of four validators, whose other three are played by the test: it sees a proposal in round 0.
type duel struct {
	*chain
	m        *member
	friends  []string
	value    types.ValueID
	messages []types.Message
	mu       sync.Mutex // for sent
	sent     []*types.Vote
	signed   atomic.Int64
	atVote   func(*types.Vote)
}

type countingSigner struct {
	Signer
	signed *atomic.Int64
}

func (s countingSigner) SignVote(chainID string, v *types.Vote) error {
	s.signed.Add(1)
	return s.Signer.SignVote(chainID, v)
}

func newDuel(t *testing.T) *duel {
	d := &duel{chain: newChain(t, 4, nil)}
	proposer := d.proposer()
	d.m = d.others(proposer)[0]
	for _, o := range d.others(d.m) {
		d.friends = append(d.friends, o.name)
	}
	s, err := d.genesis.State()
	require.NoError(t, err)
	d.messages = d.forge(proposer.name, s.MakeBlock([][]byte{[]byte("locked")}, &types.Commit{}, nil, types.AddressOf(proposer.signer.PubKey())))
	d.value = d.messages[0].(*types.Proposal).Value
	d.m.options = func(o *Options) {
		o.Signer = countingSigner{d.m.signer, &d.signed}
		o.Network = tap{func(m types.Message) {
			if v, ok := m.(*types.Vote); ok && v.Validator == types.AddressOf(d.m.signer.PubKey()) {
				d.mu.Lock()
				d.sent = append(d.sent, v)
				d.mu.Unlock()
				if d.atVote != nil {
					d.atVote(v)
				}
			}
		}}
	}
	d.start(d.m)
	return d
}

// votes is what the node has sent so far.
func (d *duel) votes() []*types.Vote {
	d.mu.Lock()
	defer d.mu.Unlock()
	return slices.Clone(d.sent)
}

func (d *duel) deliver(ms ...types.Message) {
	d.t.Helper()
	for _, m := range ms {
		require.NoError(d.t, d.m.node.Deliver(d.t.Context(), "test", m))
	}
	synctest.Wait()
}

// What a vote follows from is on the disk when the vote is sent: the log that a power cut leaves at that moment has all of it.
func TestAVoteLeavesAfterWhatItFollowsFromIsOnDisk(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDuel(t)
		checked := 0
		d.atVote = func(v *types.Vote) {
			fs := d.m.fs.CrashClone(nil)
			log, err := openInputLog(fs, "wal", nil)
			require.NoError(t, err)
			defer log.close()
			var proposals, parts, verdicts, prevotes int
			require.NoError(t, log.forHeight(1, func(in loggedInput) error {
				switch m := in.message.(type) {
				case *types.Proposal:
					proposals++
				case *types.BlockPart:
					parts++
				case *types.Vote:
					if m.Type == types.Prevote && m.Value == d.value {
						prevotes++
					}
				}
				if in.verdict != nil && in.verdict.valid {
					verdicts++
				}
				return nil
			}))
			if proposals != 1 || parts != len(d.messages)-1 || verdicts != 1 {
				t.Errorf("RULE W1: a %v is sent, and on disk are %d proposals, %d parts and %d verdicts", v.Type, proposals, parts, verdicts)
			}
			if v.Type == types.Precommit && prevotes < 3 {
				t.Errorf("RULE W1: a precommit is sent, and on disk are %d prevotes of its polka", prevotes)
			}
			checked++
		}
		d.deliver(d.messages...)
		d.deliver(d.forgeVote(d.friends[0], types.Prevote, 0, d.value), d.forgeVote(d.friends[1], types.Prevote, 0, d.value))
		require.Equal(t, 2, checked)
		d.close()
	})
}

func TestReplayGivesTheSameStateAndSignsNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDuel(t)
		d.deliver(d.messages...)
		d.deliver(d.forgeVote(d.friends[0], types.Prevote, 0, d.value), d.forgeVote(d.friends[1], types.Prevote, 0, d.value))
		d.deliver(d.forgeVote(d.friends[0], types.Precommit, 0, types.NilValue), d.forgeVote(d.friends[1], types.Precommit, 0, types.NilValue))
		for range 2 {
			again(t, d)
			time.Sleep(90 * time.Second) // others are waited for in vain
			synctest.Wait()
			require.Equal(t, types.Round(1), d.m.node.Status().Round, "timeouts go on after a replay")
		}
		require.Equal(t, d.value, d.m.node.Status().LockedValue)
		d.close()
	})
}

// again kills a node and starts it again, and compares.
func again(t *testing.T, d *duel) {
	before := d.m.node.Status()
	sent, signed := d.votes(), d.signed.Load()
	require.NoError(t, d.m.stop())
	judged := d.m.app.processed
	d.m.fs, d.sent = d.m.fs.KillClone(), nil
	d.start(d.m)
	synctest.Wait()
	after := d.m.node.Status()
	if after.Status != before.Status {
		t.Fatalf("RULE W2: after the replay the node is at %+v, and it was at %+v", after.Status, before.Status)
	}
	if d.signed.Load() != signed {
		t.Fatalf("RULE W2: the replay signed %d votes", d.signed.Load()-signed)
	}
	if d.m.app.processed != judged {
		t.Fatalf("RULE W2: the replay asked the application %d times what it had said before", d.m.app.processed-judged)
	}
	again := d.votes()
	require.Len(t, again, len(sent), "what was said is said again, for others may have missed it")
	for i, v := range again {
		require.Equal(t, sent[i].Signature, v.Signature)
	}
}

// A proposal for a round that is far ahead comes first, and the votes that lead there after it.
func TestWhatCameTooEarlyIsLookedAtInItsRound(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDuel(t)
		s, err := d.genesis.State()
		require.NoError(t, err)
		by := func(r int) string {
			for _, m := range d.members {
				if types.AddressOf(m.signer.PubKey()) == s.Validators.Rotate(r).Proposer().Address {
					return m.name
				}
			}
			return ""
		}
		round := 2
		for by(round) == d.m.name {
			round++
		}
		for _, m := range d.messages {
			switch m := m.(type) {
			case *types.Proposal:
				m.Round, m.Proposer = types.Round(round), types.AddressOf(privval.NewMemSigner(by(round)).PubKey())
				require.NoError(t, privval.NewMemSigner(by(round)).SignProposal(d.genesis.ChainID, m))
			case *types.BlockPart:
				m.Round = types.Round(round)
			}
		}
		d.deliver(d.messages...)
		require.EqualValues(t, len(d.messages), d.m.node.Metrics().Early)
		d.deliver(d.forgeVote(d.friends[0], types.Prevote, types.Round(round), d.value), d.forgeVote(d.friends[1], types.Prevote, types.Round(round), d.value))
		require.Equal(t, types.Round(round), d.m.node.Status().Round)
		if sent := d.votes(); len(sent) == 0 || sent[0].Value != d.value || sent[0].Round != types.Round(round) {
			t.Fatalf("RULE K4: in round %d the proposal that came early was not prevoted: %v", round, sent)
		}
		d.close()
	})
}

// Who has signed a proposal that a crash has lost does not sign another one, and does not stop either: the timeout that others
// wait for is its own, too.
func TestAProposerThatLostItsProposalGoesOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newChain(t, 4, func(o *Options) { o.HaltHeight = 10 })
		m := c.proposer()
		lost := &types.Proposal{Height: 1, ValidRound: types.NoRound, Value: types.ValueID{Hash: types.Hash{1}, Parts: types.PartsHeader{Total: 1}}, Proposer: types.AddressOf(m.signer.PubKey())}
		require.NoError(t, m.signer.SignProposal(c.genesis.ChainID, lost))
		for _, o := range append(c.others(m)[:2:2], m) { // it is one of the three that are needed
			c.start(o)
		}
		time.Sleep(10 * time.Minute)
		if at := m.node.Status().LastHeight; at < 10 {
			t.Fatalf("RULE S2: after ten minutes the chain is at height %d", at)
		}
		require.NotZero(t, m.node.Metrics().Refused)
		c.close()
	})
}

func TestATornTailIsCutAndDamageBeforeItIsReported(t *testing.T) {
	fs := vfs.NewMem()
	l, err := openInputLog(fs, "wal", nil)
	require.NoError(t, err)
	require.NoError(t, l.begin(7))
	for r := range types.Round(50) {
		require.NoError(t, l.timeout(Timeout{Height: 7, Round: r, Step: types.StepPrevote}))
		require.NoError(t, l.sync())
	}
	read := func(fs vfs.FS) (n int, err error) {
		l, err := openInputLog(fs, "wal", nil)
		if err != nil {
			return 0, err
		}
		defer l.close()
		return n, l.forHeight(7, func(in loggedInput) error {
			require.Equal(t, Timeout{Height: 7, Round: types.Round(n), Step: types.StepPrevote}, *in.timeout)
			n++
			return nil
		})
	}
	names, err := fs.List("wal")
	require.NoError(t, err)
	var file string
	for _, name := range names {
		if name != "LOCK" {
			file = "wal/" + name
		}
	}
	require.NoError(t, l.timeout(Timeout{Height: 7, Round: 50, Step: types.StepPrevote})) // not synced
	n, err := read(fs.CrashClone(nil))
	require.NoError(t, err)
	require.Equal(t, 50, n)
	damaged := fs.KillClone()
	require.NoError(t, damaged.FlipBit(file, 8*400))
	_, err = read(damaged)
	var corrupt *vfs.CorruptError
	if !errors.As(err, &corrupt) || !errors.Is(err, ErrWAL) {
		t.Fatalf("RULE W2: damage in the middle was not reported: %v", err)
	}
	require.Contains(t, err.Error(), "remedy")
	require.Contains(t, corrupt.File, file)
	require.NoError(t, l.close())
}

func TestTheLogFindsAHeightAndForgetsOldOnes(t *testing.T) {
	fs := vfs.NewMem()
	l, err := openInputLog(fs, "wal", nil)
	require.NoError(t, err)
	vote := &types.Vote{Type: types.Prevote, Height: 1, Validator: types.Address{1}, Time: time.Unix(1, 0), ValidRound: types.NoRound, Signature: bytes.Repeat([]byte{1}, types.SignatureSize)}
	big := &types.BlockPart{Height: 1, Part: types.Part{Bytes: make([]byte, types.PartSize)}}
	for h := types.Height(1); h <= 300; h++ {
		require.NoError(t, l.begin(h))
		require.NoError(t, l.prune(h))
		require.NoError(t, l.messages(vote, big))
		require.NoError(t, l.verdict(types.ValueID{Hash: types.Hash{byte(h)}, Parts: types.PartsHeader{Total: 300, Hash: types.Hash{1}}}, h%2 == 0))
	}
	require.Less(t, fs.Used(), int64(50<<20), "300 heights of 64 KiB would be more, with the spare files")
	require.Greater(t, l.log.FirstSeq(), uint64(300))
	require.NoError(t, l.close())
	l, err = openInputLog(fs, "wal", nil)
	require.NoError(t, err)
	var got []loggedInput
	require.NoError(t, l.forHeight(300, func(in loggedInput) error { got = append(got, in); return nil }))
	require.Len(t, got, 3)
	require.Equal(t, verdict{types.ValueID{Hash: types.Hash{300 % 256}, Parts: types.PartsHeader{Total: 300, Hash: types.Hash{1}}}, true}, *got[2].verdict)
	require.NoError(t, l.forHeight(301, func(loggedInput) error { return errors.New("there is none") }))
	require.ErrorIs(t, l.forHeight(299, nil), ErrWAL, "the store is behind the log")
	require.NoError(t, l.close())
	require.Less(t, fs.Used(), int64(64<<20))
}

// FuzzRecord reads anything as a record of the log: it is the one record of an input, or an error.
func FuzzRecord(f *testing.F) {
	vote := &types.Vote{Type: types.Prevote, Height: 1, ValidRound: types.NoRound, Validator: types.Address{1}, Signature: make([]byte, types.SignatureSize)}
	f.Add(appendBegin(nil, 300))
	f.Add(appendBegin(nil, -1))
	f.Add(append(appendBegin(nil, 1)[:2], 0x81, 0))
	f.Add(appendInput(nil, vote))
	f.Add(appendTimeout(nil, Timeout{Height: -1, Round: -1}))
	f.Add(appendTimeout(nil, Timeout{Height: 300, Round: 2, Step: types.StepPrevote}))
	f.Add(appendVerdict(nil, verdict{types.ValueID{Hash: types.Hash{1}, Parts: types.PartsHeader{Total: 300, Hash: types.Hash{2}}}, true}))
	f.Fuzz(func(t *testing.T, data []byte) {
		in, err := decodeInput(data)
		if err != nil {
			require.Zero(t, in)
			return
		}
		var again []byte
		switch {
		case in.message != nil:
			again = appendInput(nil, in.message)
		case in.timeout != nil:
			again = appendTimeout(nil, *in.timeout)
			require.True(t, in.timeout.Height > 0 && in.timeout.Round >= 0, "RULE W2: %+v", *in.timeout)
		case in.verdict != nil:
			again = appendVerdict(nil, *in.verdict)
		default:
			again = appendBegin(nil, in.begin)
			require.Positive(t, in.begin, "RULE W2: no height begins")
		}
		require.Equal(t, data, again, "RULE W2: a second record of one input")
	})
}
