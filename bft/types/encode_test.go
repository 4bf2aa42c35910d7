package types

import (
	"bytes"
	"runtime"
	"testing"
	"time"

	"github.com/flagship-go/flagship/bft/abci"
	"github.com/oasisprotocol/curve25519-voi/primitives/ed25519"
	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/encoding/protowire"
)

// An encoding is a value's bytes, and what reads them and writes them again.
type encoding struct {
	name  string
	bytes []byte
	again func([]byte) ([]byte, error)
}

// againBy reads and writes.
func againBy[T interface{ Encode([]byte) []byte }](read func([]byte) (T, error)) func([]byte) ([]byte, error) {
	return func(data []byte) ([]byte, error) {
		v, err := read(data)
		if err != nil {
			return nil, err
		}
		return v.Encode(nil), nil
	}
}

func messageAgain(data []byte) ([]byte, error) {
	m, err := DecodeMessage(data)
	if err != nil {
		return nil, err
	}
	return AppendMessage(nil, m), nil
}

func (c *golden) state() *State {
	return &State{
		ChainID: chainID, InitialHeight: 1, LastHeight: 4, LastBlockID: valueA, LastTime: someTime,
		NextValidators: c.set.Rotate(2), Validators: c.set.Rotate(1), LastValidators: c.set,
		Params: abci.ConsensusParams{
			Block: &blockParams, Evidence: &abci.EvidenceParams{MaxAgeNumBlocks: 10, MaxAgeDuration: time.Hour, MaxBytes: 1 << 20}, Version: &abci.VersionParams{},
		},
		LastResultsHash: counting(3), AppHash: []byte("app"),
	}
}

func (c *golden) results() *Results {
	return &Results{Height: 4, Response: &abci.FinalizeBlockResponse{
		Events: []abci.Event{{Type: "t", Attributes: []abci.EventAttribute{{Key: "k", Value: "v", Index: true}, {}}}}, TxResults: results(),
		ValidatorUpdates: []abci.ValidatorUpdate{{PubKey: c.set.At(0).PubKey}}, AppHash: []byte("app"),
		ConsensusParamUpdates: &abci.ConsensusParams{Block: &abci.BlockParams{MaxBytes: -1, MaxGas: -1}},
	}}
}

func (c *golden) proposal() *Proposal {
	p := &Proposal{Height: 5, Round: 2, ValidRound: 1, Value: valueA, Time: someTime, Proposer: c.set.At(1).Address}
	p.Signature = ed25519.Sign(c.signers[1].key, p.AppendSignBytes(nil, chainID))
	return p
}

func (c *golden) encodings(t testing.TB) []encoding {
	b := c.block(t)
	b.Txs = b.Txs[:2]
	b.Fill()
	_, parts := MakeParts(bytes.Repeat([]byte("part"), PartSize))
	small := parts[1]
	small.Bytes = small.Bytes[:7]
	signedRound := c.vote(1, Prevote, 5, 2, valueA)
	signedRound.ValidRound = 0
	return []encoding{
		{"block", b.Encode(nil), againBy(DecodeBlock)},
		{"header", b.Header.Encode(nil), againBy(DecodeHeader)},
		{"commit", c.commit().Encode(nil), againBy(DecodeCommit)},
		{"evidence", c.evidence(t).Encode(nil), againBy(DecodeEvidence)},
		{"validator set", c.set.Rotate(3).Encode(nil), againBy(DecodeValidatorSet)},
		{"state", c.state().Encode(nil), againBy(DecodeState)},
		{"results", c.results().Encode(nil), againBy(DecodeResults)},
		{"prevote", AppendMessage(nil, c.vote(0, Prevote, 5, 2, valueA)), messageAgain},
		{"prevote with its valid round", AppendMessage(nil, signedRound), messageAgain},
		{"precommit nil", AppendMessage(nil, c.vote(0, Precommit, 5, 0, NilValue)), messageAgain},
		{"proposal", AppendMessage(nil, c.proposal()), messageAgain},
		{"part", AppendMessage(nil, &BlockPart{Height: 5, Round: 2, Part: small}), messageAgain},
	}
}

func TestWhatIsEncodedIsDecoded(t *testing.T) {
	c := newGolden(t)
	for _, e := range c.encodings(t) {
		again, err := e.again(e.bytes)
		require.NoError(t, err, e.name)
		require.Equal(t, e.bytes, again, e.name)
	}
	b := c.block(t)
	got, err := DecodeBlock(b.Encode([]byte("before"))[6:])
	require.NoError(t, err)
	require.Equal(t, b, got)
	state, err := DecodeState(c.state().Encode(nil))
	require.NoError(t, err)
	want := c.state()
	for _, sets := range [][2]**ValidatorSet{
		{&want.LastValidators, &state.LastValidators}, {&want.Validators, &state.Validators}, {&want.NextValidators, &state.NextValidators},
	} {
		require.Equal(t, turns(*sets[0], 20), turns(*sets[1], 20))
		*sets[0], *sets[1] = nil, nil
	}
	require.Equal(t, want, state)
	r, err := DecodeResults(c.results().Encode(nil))
	require.NoError(t, err)
	require.Equal(t, c.results(), r)
	for _, m := range []Message{c.vote(0, Prevote, 5, 2, valueA), c.proposal()} {
		got, err := DecodeMessage(AppendMessage(nil, m))
		require.NoError(t, err)
		require.Equal(t, m, got)
	}
}

// A value has one encoding: what is cut off, longer, or has a field twice, zero, unknown or elsewhere is refused.
func TestAnotherEncodingIsRefused(t *testing.T) {
	for _, e := range newGolden(t).encodings(t) {
		refuse := func(what string, data []byte) {
			t.Helper()
			again, err := e.again(data)
			if err == nil { // another value, and its one encoding
				require.True(t, bytes.Equal(data, again), "RULE ENC: %s: %s", e.name, what)
				return
			}
			require.ErrorIs(t, err, ErrEncoding, "RULE ENC: %s: %s", e.name, what)
		}
		for i := range len(e.bytes) {
			refuse("cut off", e.bytes[:i])
			for _, x := range []byte{0x01, 0x80, 0xff} {
				changed := bytes.Clone(e.bytes)
				changed[i] ^= x
				refuse("a byte changed", changed)
			}
		}
		must := func(what string, data []byte) {
			t.Helper()
			_, err := e.again(data)
			require.ErrorIs(t, err, ErrEncoding, "RULE ENC: %s: %s", e.name, what)
		}
		must("trailing", append(bytes.Clone(e.bytes), 0))
		must("an unknown field", protowire.AppendVarint(protowire.AppendTag(bytes.Clone(e.bytes), 90, protowire.VarintType), 1))
		field, typ, n := protowire.ConsumeTag(e.bytes)
		first := e.bytes[:n+protowire.ConsumeFieldValue(field, typ, e.bytes[n:])]
		if !(e.name == "validator set") { // whose first field may be repeated
			must("a field twice", append(bytes.Clone(first), e.bytes...))
		}
		if len(first) < len(e.bytes) {
			must("fields in another order", append(bytes.Clone(e.bytes[len(first):]), first...))
		}
	}
}

// A length that is not there in bytes is not believed.
func TestALengthAllocatesNothing(t *testing.T) {
	huge := protowire.AppendVarint(protowire.AppendTag(nil, 2, protowire.BytesType), 1<<40)
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	for _, read := range []func([]byte) error{
		func(b []byte) error { _, err := DecodeBlock(b); return err },
		func(b []byte) error { _, err := DecodeMessage(b); return err },
		func(b []byte) error { _, err := DecodeState(b); return err },
	} {
		require.ErrorIs(t, read(huge), ErrEncoding)
	}
	runtime.ReadMemStats(&after)
	require.Less(t, after.TotalAlloc-before.TotalAlloc, uint64(1<<20))

	_, err := DecodeMessage(make([]byte, MaxMessageBytes+1))
	require.ErrorIs(t, err, ErrEncoding)
	_, err = DecodeBlock(make([]byte, MaxBlockBytes+1))
	require.ErrorIs(t, err, ErrEncoding)
}

// A message that cannot be one is refused, with what is wrong.
func TestAnImpossibleMessageIsRefused(t *testing.T) {
	c := newGolden(t)
	for _, test := range []struct {
		want string
		m    Message
	}{
		{"height 0", c.vote(0, Prevote, 0, 0, valueA)},
		{"height -1", c.vote(0, Prevote, -1, 0, valueA)},
		{"round -1", c.vote(0, Prevote, 1, -1, valueA)},
		{"half a value", c.vote(0, Prevote, 1, 0, ValueID{Hash: Hash{1}})},
		{"vote 0", &Vote{Height: 1, ValidRound: NoRound}},
		{"not signed", &Vote{Type: Prevote, Height: 1, ValidRound: NoRound, Validator: Address{1}}},
		{"not signed", &Vote{Type: Prevote, Height: 1, ValidRound: NoRound, Signature: make([]byte, 64)}},
		{"valid round 1", &Vote{Type: Prevote, Height: 1, Round: 1, ValidRound: 1, Validator: Address{1}, Signature: make([]byte, 64)}},
		{"valid round 2", &Proposal{Height: 1, Round: 2, ValidRound: 2}},
		{"valid round -2", &Proposal{Height: 1, Round: 2, ValidRound: -2}},
		{"for nil", &Proposal{Height: 1, ValidRound: NoRound}},
		{"not signed", &Proposal{Height: 1, ValidRound: NoRound, Value: valueA}},
		{"part 0", &BlockPart{Height: 1}},
		{"part 1601", &BlockPart{Height: 1, Part: Part{Index: MaxParts, Bytes: []byte{1}}}},
		{"part 0", &BlockPart{Height: 1, Part: Part{Bytes: []byte{1}, Proof: make([][32]byte, 12)}}},
	} {
		if p, ok := test.m.(*BlockPart); ok {
			for i := range p.Part.Proof {
				p.Part.Proof[i][0] = 1
			}
		}
		_, err := DecodeMessage(AppendMessage(nil, test.m))
		require.ErrorIs(t, err, ErrEncoding, "%+v", test.m)
		require.ErrorContains(t, err, test.want)
	}
}

// The hash of a set does not cover addresses: a set in which they are not those of the keys would give somebody's power to another.
func TestAnAddressIsThatOfItsKey(t *testing.T) {
	vs := []Validator{{Address: Address{1}, PubKey: newSigner("a").PubKey(), Power: 1}}
	_, err := DecodeValidatorSet(mustSet(t, vs...).Encode(nil))
	require.ErrorIs(t, err, ErrEncoding, "RULE C1: the address of another key")
	require.ErrorContains(t, err, "address", "RULE C1: the address of another key")
}

func TestDecodedMessagesKeepNothing(t *testing.T) {
	v := newGolden(t).vote(0, Prevote, 5, 2, valueA)
	data := AppendMessage(nil, v)
	got, err := DecodeMessage(data)
	require.NoError(t, err)
	clear(data)
	require.Equal(t, v, got)
}

// FuzzDecode reads anything as anything: it is the one encoding of what is read, or an error, and takes memory for what is there, and not
// for what it says. A list's item of two bytes is a value of up to a hundred, and lists grow by doubling.
func FuzzDecode(f *testing.F) {
	encodings := newGolden(f).encodings(f)
	for i, e := range encodings {
		f.Add(uint8(i), e.bytes)
	}
	f.Fuzz(func(t *testing.T, which uint8, data []byte) {
		e := encodings[int(which)%len(encodings)]
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		again, err := e.again(data)
		runtime.ReadMemStats(&after)
		require.Less(t, after.TotalAlloc-before.TotalAlloc, uint64(512*len(data)+1<<18), "RULE ENC: memory for what is not there")
		if err == nil {
			require.True(t, bytes.Equal(data, again), "RULE ENC: a second encoding")
		} else {
			require.ErrorIs(t, err, ErrEncoding)
		}
	})
}
