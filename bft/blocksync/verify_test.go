package blocksync

import (
	"testing"
	"time"

	"github.com/flagship-go/flagship/bft/internal/chaintest"
	"github.com/flagship-go/flagship/bft/types"
	"github.com/stretchr/testify/require"
)

// recode is a copy of a block, as it would come from a peer.
func recode(t *testing.T, b *types.Block) *types.Block {
	again, err := types.DecodeBlock(b.Encode(nil))
	require.NoError(t, err)
	return again
}

// forge is a copy of a stored block with something changed, and its own hashes right.
func forge(t *testing.T, c *chaintest.Chain, h types.Height, change func(*types.Block)) *types.Block {
	b, _, err := c.Store.Block(h)
	require.NoError(t, err)
	b = recode(t, b)
	change(b)
	b.Fill()
	return b
}

func TestOneOfTwoHasLiedAndItIsKnownWhich(t *testing.T) {
	c := chaintest.New(t, 4).Begin().Grow(4)
	state := c.State // after block 4
	c.Grow(6)
	same := func(*types.Block) {}
	for _, x := range []struct {
		name          string
		first, second func(*types.Block)
		lied          string
		says          string
	}{
		{"nobody", same, same, "", ""},
		{"other transactions", func(b *types.Block) { b.Txs = [][]byte{[]byte("steal=all")} }, same, "first", "was decided"},
		{"another header", func(b *types.Block) { b.AppHash = []byte("another") }, same, "first", "was decided"},
		{"a commit with two of four", same, func(b *types.Block) {
			b.LastCommit.Signatures[0], b.LastCommit.Signatures[1] = types.CommitSig{Flag: types.CommitAbsent}, types.CommitSig{Flag: types.CommitAbsent}
		}, "second", "not enough power"},
		{"a commit with three of four", same, func(b *types.Block) { b.LastCommit.Signatures[0] = types.CommitSig{Flag: types.CommitAbsent} }, "", ""},
		{"a wrong signature among enough", same, func(b *types.Block) { b.LastCommit.Signatures[3].Signature = make([]byte, types.SignatureSize) }, "second", "signature 3"},
		{"a commit for a made up block", func(b *types.Block) { b.Txs = nil }, func(b *types.Block) { b.LastCommit.Value = chaintest.Value(7) }, "second", "is wrong"},
		{"a commit of another height", same, func(b *types.Block) { b.LastCommit.Height-- }, "second", "should be of height 5"},
		{"a commit by strangers", same, func(b *types.Block) {
			for i := range b.LastCommit.Signatures {
				b.LastCommit.Signatures[i].Validator = types.Address{1}
			}
		}, "second", "should be of"},
		{"no commit", same, func(b *types.Block) { b.LastCommit = &types.Commit{} }, "second", ""},
	} {
		t.Run(x.name, func(t *testing.T) {
			first, second := forge(t, c, 5, x.first), forge(t, c, 6, x.second)
			id, wrong := judge(state, first, second)
			lied := ""
			if wrong != nil {
				lied = "first"
				if wrong.second {
					lied = "second"
				}
				require.ErrorIs(t, wrong.err, ErrBlock)
				require.ErrorContains(t, wrong.err, x.says)
			}
			require.Equal(t, x.lied, lied, "RULE B1: %s", x.name)
			if wrong == nil {
				_, want, err := c.Store.Block(5)
				require.NoError(t, err)
				require.Equal(t, want, id)
			}
		})
	}
	inside := forge(t, c, 5, same)
	inside.Txs = [][]byte{[]byte("steal=all")} // under the header that was decided
	_, wrong := judge(state, inside, forge(t, c, 6, same))
	require.NotNil(t, wrong, "RULE B1: the parts are decided, too")
	require.False(t, wrong.second)
	_, wrong = judge(state, forge(t, c, 5, same), &types.Block{Header: types.Header{Height: 6}})
	require.True(t, wrong.second)
}

func TestTheSetOfTheHeightJudges(t *testing.T) {
	c := chaintest.New(t, 4).Begin().Grow(4)
	state := c.State
	b := c.Add()
	id := b.ID()
	outsiders := chaintest.New(t, 4)
	var votes []*types.Vote
	for _, name := range []string{"w", "x", "y", "z"} {
		votes = append(votes, outsiders.Vote(name, types.Precommit, 5, 0, id, time.Now()))
	}
	second := &types.Block{Header: types.Header{Height: 6}, LastCommit: types.MakeCommit(5, 0, id, votes)}
	_, wrong := judge(state, b, second)
	require.NotNil(t, wrong, "RULE B1: four signatures of nobody prove nothing")
	require.True(t, wrong.second)
}

func TestMessagesAreReadAsTheyWereWritten(t *testing.T) {
	for _, b := range [][]byte{encodeHeights(kindHowFar), encodeHeights(kindStatus, 3, 900), encodeHeights(kindStatus, 0, 0), encodeHeights(kindWant, 1<<40),
		encodeHeights(kindNone, 7), append(encodeHeights(kindBlock, 7), "block"...)} {
		_, err := decodeMessage(b)
		require.NoError(t, err, "%x", b)
	}
	m, err := decodeMessage(append(encodeHeights(kindBlock, 300), "block"...))
	require.NoError(t, err)
	require.Equal(t, message{kind: kindBlock, height: 300, block: []byte("block"), blockSize: 5}, m)
	for name, b := range map[string][]byte{"empty": {}, "unknown": {9}, "cut off": {byte(kindWant)}, "a long height": {byte(kindWant), 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01},
		"left over": {byte(kindHowFar), 1}, "backwards": encodeHeights(kindStatus, 9, 3), "no base": encodeHeights(kindStatus, 0, 3), "negative": append([]byte{byte(kindNone)}, 0x80)} {
		_, err := decodeMessage(b)
		require.ErrorIs(t, err, ErrMessage, name)
	}
}

// FuzzMessage hears anything: it is the one message that says so, or an error.
func FuzzMessage(f *testing.F) {
	f.Add(encodeHeights(kindHowFar))
	f.Add(encodeHeights(kindStatus, 3, 300))
	f.Add(encodeHeights(kindWant, 300))
	f.Add(append(encodeHeights(kindBlock, 300), "block"...))
	f.Add(encodeHeights(kindNone, 300))
	f.Add([]byte{byte(kindNone), 0x81, 0})
	f.Fuzz(func(t *testing.T, b []byte) {
		m, err := decodeMessage(b)
		if err != nil {
			require.ErrorIs(t, err, ErrMessage)
			return
		}
		var heights []types.Height
		switch m.kind {
		case kindStatus:
			heights = []types.Height{m.height, m.top}
		case kindWant, kindNone, kindBlock:
			heights = []types.Height{m.height}
		}
		require.Equal(t, b, append(encodeHeights(m.kind, heights...), m.block...), "RULE ENC: a second message")
		require.True(t, 0 <= m.height && m.top >= 0 && (m.kind != kindStatus || m.height <= m.top), "%+v", m)
		require.Len(t, m.block, m.blockSize)
	})
}
