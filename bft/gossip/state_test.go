package gossip

import (
	"bytes"
	"flag"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/flagship-go/flagship/bft/privval"
	"github.com/flagship-go/flagship/bft/types"
	"github.com/stretchr/testify/require"
)

func testSet(t testing.TB, n int) *types.ValidatorSet {
	var all []types.Validator
	for i := range n {
		key := privval.NewMemSigner(seedOf(i)).PubKey()
		all = append(all, types.Validator{Address: types.AddressOf(key), PubKey: key, Power: 10})
	}
	set, err := types.NewValidatorSet(all)
	require.NoError(t, err)
	return set
}

var testTime = time.Unix(1_700_000_000, 0).UTC()

func valueOf(i int) types.ValueID {
	return types.ValueID{Hash: types.Hash{1, byte(i)}, Parts: types.PartsHeader{Total: 1, Hash: types.Hash{2, byte(i)}}}
}

func testVote(set *types.ValidatorSet, i int, kind types.VoteType, h types.Height, r types.Round, v types.ValueID) *types.Vote {
	return &types.Vote{
		Type: kind, Height: h, Round: r, Value: v, Time: testTime, Validator: set.At(i).Address, ValidRound: types.NoRound,
		Signature: bytes.Repeat([]byte{byte(i + 1)}, 64),
	}
}

func testProposal(set *types.ValidatorSet, i int, h types.Height, r types.Round, v types.ValueID) *types.Proposal {
	return &types.Proposal{
		Height: h, Round: r, ValidRound: types.NoRound, Value: v, Time: testTime, Proposer: set.At(i).Address, Signature: bytes.Repeat([]byte{byte(i + 1)}, 64),
	}
}

// testBlock is the id of something with parts, and the parts.
func testBlock(h types.Height, r types.Round, bytes int) (v types.ValueID, parts []*types.BlockPart) {
	header, pieces := types.MakeParts(append(make([]byte, bytes-1), byte(r)))
	for _, p := range pieces {
		parts = append(parts, &types.BlockPart{Height: h, Round: r, Part: p})
	}
	return types.ValueID{Hash: types.Hash{9, byte(r)}, Parts: header}, parts
}

// A world is states whose peers and nodes are played: a node takes whatever it hears.
type world struct {
	t      *testing.T
	set    *types.ValidatorSet
	rng    *rand.Rand // nil: all in turn
	states []*state
	at     map[[2]int]*peer // what the first thinks of the second
	queue  map[[2]int][][]byte
	said   int    // messages that went over links
	again  int    // of them, to somebody who had it
	other  int    // has, want and the like
	mute   [2]int // a direction of a link in which nothing goes
}

func newWorld(t *testing.T, n int, rng *rand.Rand) *world {
	w := &world{t: t, set: testSet(t, n), rng: rng, at: map[[2]int]*peer{}, queue: map[[2]int][][]byte{}}
	for range n {
		w.states = append(w.states, &state{})
	}
	return w
}

func (w *world) connect(i, j int) {
	w.at[[2]int{i, j}] = w.states[i].addPeer(fmt.Sprint(j))
	w.at[[2]int{j, i}] = w.states[j].addPeer(fmt.Sprint(i))
}

func (w *world) cut(i, j int) {
	for _, k := range [][2]int{{i, j}, {j, i}} {
		w.states[k[0]].removePeer(w.at[k])
		delete(w.at, k)
		delete(w.queue, k)
	}
}

func (w *world) enter(h types.Height) {
	for _, s := range w.states {
		s.enter(h, 0, w.set)
	}
}

// run plays until nothing is left to be said.
func (w *world) run() {
	n := len(w.states)
	for range 1_000_000 {
		busy := false
		order := make([]int, n*n)
		for i := range order {
			order[i] = i
		}
		if w.rng != nil {
			w.rng.Shuffle(len(order), func(i, j int) { order[i], order[j] = order[j], order[i] })
		}
		for _, k := range order {
			busy = w.send(k/n, k%n) || busy
		}
		for _, k := range order {
			busy = w.receive(k/n, k%n) || busy
		}
		if !busy {
			return
		}
	}
	w.t.Fatal("RULE P2: there is always something to be said")
}

// send has i ask itself what to send to j.
func (w *world) send(i, j int) bool {
	p := w.at[[2]int{i, j}]
	if p == nil || w.mute == [2]int{i, j} {
		return false
	}
	msg, load := w.states[i].next(p)
	require.Zero(w.t, load)
	if msg == nil {
		return false
	}
	w.queue[[2]int{i, j}] = append(w.queue[[2]int{i, j}], msg)
	if form(msg[0]) == formSaid {
		w.said++
	} else {
		w.other++
	}
	return true
}

// receive has j hear something from i.
func (w *world) receive(i, j int) bool {
	q := w.queue[[2]int{i, j}]
	if len(q) == 0 {
		return false
	}
	w.queue[[2]int{i, j}] = q[1:]
	s := w.states[j]
	if form(q[0][0]) == formSaid {
		m, err := types.DecodeMessage(q[0][1:])
		require.NoError(w.t, err)
		h, _ := m.At()
		if at := s.at(h); at != nil {
			if k, n, _, ok := at.locate(m); ok && at.item(k, n) != nil {
				w.again++
			}
		}
	}
	m, err := s.heard(w.at[[2]int{j, i}], q[0])
	require.NoError(w.t, err)
	if m != nil {
		s.publish(m)
	}
	return true
}

// complete checks that all have the same number of messages of a height.
func (w *world) complete(h types.Height, want int, what string, args ...any) {
	w.t.Helper()
	for i, s := range w.states {
		have := 0
		for _, g := range s.at(h).groups {
			for range g.have.all() {
				have++
			}
		}
		require.Equal(w.t, want, have, "RULE P2: node %d has all: %s", i, fmt.Sprintf(what, args...))
	}
}

// round has a proposal, parts and all votes of a height said by their makers.
func (w *world) round(h types.Height, proposer int) (messages int) {
	v, parts := testBlock(h, 0, 3*types.PartSize)
	w.states[proposer].publish(testProposal(w.set, proposer, h, 0, v))
	for _, p := range parts {
		w.states[proposer].publish(p)
	}
	w.run()
	for _, kind := range []types.VoteType{types.Prevote, types.Precommit} {
		for i := range w.states {
			w.states[i].publish(testVote(w.set, i, kind, h, 0, v))
		}
		w.run()
	}
	return 4 + 2*len(w.states)
}

func TestAmongAllConnectedEachMessageIsSentOnceToEach(t *testing.T) {
	const n = 5
	w := newWorld(t, n, nil)
	for i := range n {
		for j := range i {
			w.connect(i, j)
		}
	}
	for h := types.Height(1); h <= 30; h++ {
		w.enter(h)
		w.run()
		w.said, w.again, w.other = 0, 0, 0
		sent := w.round(h, int(h)%n)
		w.complete(h, sent, "height %d", h)
		if h > 12 { // each has proposed, and they have learned
			require.Equal(t, sent*(n-1), w.said, "RULE P2: height %d: once to each", h)
			require.Zero(t, w.again)
		}
	}
}

func TestOnARingEachMessageIsPassedOn(t *testing.T) {
	const n = 7
	w := newWorld(t, n, nil)
	for i := range n {
		w.connect(i, (i+1)%n)
	}
	for h := types.Height(1); h <= 20; h++ {
		w.enter(h)
		w.run()
		w.said, w.again = 0, 0
		sent := w.round(h, int(h)%n)
		w.complete(h, sent, "height %d", h)
		require.LessOrEqual(t, w.said, sent*(n+1), "RULE P2: once over each link, and both ways where they meet")
		if h > 14 {
			require.Equal(t, w.said, sent*(n-1), "RULE P2: once to each, when they know where they meet")
		}
	}
}

var graphs = flag.Uint64("graphs", 20, "how many `seeds` TestWhateverTheGraphAllHearAll tries")

func TestWhateverTheGraphAllHearAll(t *testing.T) {
	for seed := range *graphs {
		rng := rand.New(rand.NewPCG(seed, 1))
		n := 3 + rng.IntN(6)
		w := newWorld(t, n, rng)
		for i := 1; i < n; i++ {
			w.connect(i, rng.IntN(i)) // a tree
		}
		for range rng.IntN(2 * n) {
			if i, j := rng.IntN(n), rng.IntN(n); i != j && w.at[[2]int{i, j}] == nil {
				w.connect(i, j)
			}
		}
		for h := types.Height(1); h <= 6; h++ {
			w.enter(h)
			if rng.IntN(2) == 0 {
				w.run()
			}
			w.complete(h, w.round(h, rng.IntN(n)), "seed %d height %d", seed, h)
		}
	}
}

func TestWhoLosesAPeerHearsAllFromTheOthers(t *testing.T) {
	const n = 4
	w := newWorld(t, n, nil)
	for i := range n {
		for j := range i {
			w.connect(i, j)
		}
	}
	h := types.Height(1)
	for ; h <= 12; h++ {
		w.enter(h)
		w.run()
		w.round(h, int(h)%n)
	}
	w.enter(h)
	w.run()
	require.True(t, w.at[[2]int{1, 2}].lazy(w.set.At(0).Address), "node 1 does not send to 2 what is 0's")
	// 2 has heard the first of three parts from 0, which goes on with the others, but not to 2.
	v, parts := testBlock(h, 0, 3*types.PartSize)
	w.states[0].publish(testProposal(w.set, 0, h, 0, v))
	w.run()
	w.states[0].publish(parts[0])
	w.run()
	w.mute = [2]int{0, 2}
	w.states[0].publish(parts[1])
	w.states[0].publish(parts[2])
	w.run()
	require.Nil(t, w.states[2].cur.item(key{round: 0, kind: kindPart}, 2), "2 waits for 0")
	w.cut(0, 2)
	w.run()
	w.complete(h, 4, "although 0 does not speak to 2 any more")
	require.False(t, w.at[[2]int{1, 2}].lazy(w.set.At(0).Address), "RULE P2: node 1 sends again")
}

// pair is a state in height 5 with one peer there.
func pair(t *testing.T, n int) (*state, *peer, *types.ValidatorSet) {
	s, set := &state{}, testSet(t, n)
	s.enter(5, 0, set)
	p := s.addPeer("p")
	hear(t, s, p, &report{form: formStatus, height: 5})
	require.Equal(t, []string{"status 5/0"}, says(t, s, p))
	return s, p, set
}

func hear(t *testing.T, s *state, p *peer, r *report) {
	t.Helper()
	m, err := s.heard(p, r.encode())
	require.NoError(t, err)
	require.Nil(t, m)
}

// says is all that is due to a peer, in words.
func says(t *testing.T, s *state, p *peer) (all []string) {
	t.Helper()
	for {
		msg, load := s.next(p)
		switch {
		case len(all) > 2000:
			require.Fail(t, "RULE P2: the same again and again")
		case load != 0:
			return append(all, fmt.Sprintf("load %d", load))
		case msg == nil:
			return all
		case form(msg[0]) == formSaid:
			m, err := types.DecodeMessage(msg[1:])
			require.NoError(t, err)
			all = append(all, inWords(m))
		default:
			r, err := decodeReport(msg)
			require.NoError(t, err)
			text := fmt.Sprintf("%s %d", [...]string{"", "", "status", "has", "want", "value", "graft"}[r.form], r.height)
			if r.form == formStatus {
				text += fmt.Sprintf("/%d", r.round)
			}
			for _, g := range r.groups {
				text += fmt.Sprintf(" %d.%d:", g.round, g.kind)
				for i := range g.bits.all() {
					text += fmt.Sprint(i)
				}
			}
			all = append(all, text)
		}
	}
}

func inWords(m types.Message) string {
	h, r := m.At()
	switch m := m.(type) {
	case *types.Vote:
		return fmt.Sprintf("%v %d/%d %v by %d", m.Type, h, r, m.Value, m.Signature[0]-1)
	case *types.Proposal:
		return fmt.Sprintf("proposal %d/%d %v", h, r, m.Value)
	case *types.BlockPart:
		return fmt.Sprintf("part %d/%d %d", h, r, m.Part.Index)
	}
	return "?"
}

func say(t *testing.T, s *state, p *peer, m types.Message) types.Message {
	t.Helper()
	got, err := s.heard(p, encode(m))
	require.NoError(t, err)
	return got
}

func TestWhatAPeerHasIsNotSentToIt(t *testing.T) {
	s, p, set := pair(t, 4)
	v := valueOf(1)
	vote := testVote(set, 1, types.Prevote, 5, 0, v)
	require.NotNil(t, say(t, s, p, vote), "it is for the node")
	s.publish(vote)
	require.Empty(t, says(t, s, p), "RULE P2: it has sent it")
	require.Nil(t, say(t, s, p, vote), "RULE P2: the node is not given again what it has")

	s.publish(testVote(set, 2, types.Prevote, 5, 0, v))
	hear(t, s, p, &report{form: formHas, height: 5, groups: []groupBits{{key{0, kindPrevote, tagOf(v)}, set2(2)}}})
	require.Equal(t, []string{"has 5 0.1:1"}, says(t, s, p), "RULE P2: it has said that it has 2's, and need not have sent 1's again")
	s.publish(testVote(set, 3, types.Prevote, 5, 0, v))
	require.Equal(t, []string{"prevote 5/0 01010000 by 3"}, says(t, s, p), "RULE P2: it has said that it has 2's")
	require.Empty(t, says(t, s, p), "RULE P2: once")
}

func set2(members ...int) (s set) {
	for _, i := range members {
		s.add(i)
	}
	return s
}

func TestBothVotesOfALiarArePassedOn(t *testing.T) {
	s, p, set := pair(t, 4)
	say(t, s, p, testVote(set, 1, types.Prevote, 5, 0, valueOf(1)))
	s.publish(testVote(set, 1, types.Prevote, 5, 0, valueOf(1)))
	s.publish(testVote(set, 1, types.Prevote, 5, 0, valueOf(2)))
	s.publish(testVote(set, 1, types.Prevote, 5, 0, types.NilValue))
	require.ElementsMatch(t, []string{"prevote 5/0 01020000 by 1", "prevote 5/0 nil by 1"}, says(t, s, p), "RULE K2: those that the peer has not heard")
}

func TestVotesForRoundsToComeAreBounded(t *testing.T) {
	s, p, set := pair(t, 4)
	for r := range types.Round(1000) {
		s.publish(testVote(set, 1, types.Prevote, 5, r, valueOf(1)))
	}
	require.Equal(t, []string{"prevote 5/999 01010000 by 1", "prevote 5/998 01010000 by 1", "prevote 5/0 01010000 by 1"}, says(t, s, p), "RULE K3: the two highest, and the current")
}

func TestWhatAPeerMayHaveForgottenIsSentAgainWhenItComesToTheRound(t *testing.T) {
	s, p, set := pair(t, 4)
	s.publish(testVote(set, 1, types.Prevote, 5, 3, valueOf(1)))
	s.publish(testVote(set, 2, types.Prevote, 5, 3, valueOf(1)))
	require.Len(t, says(t, s, p), 2)
	hear(t, s, p, &report{form: formStatus, height: 5, round: 3, groups: []groupBits{{key{3, kindPrevote, tagOf(valueOf(1))}, set2(1)}}})
	require.Equal(t, []string{"prevote 5/3 01010000 by 2"}, says(t, s, p), "RULE K3: what it does not name")
	hear(t, s, p, &report{form: formStatus, height: 5, round: 4})
	require.Empty(t, says(t, s, p), "RULE P2: once")
}

func TestSmallAndLateBeforeLargeAndEarly(t *testing.T) {
	s, p, set := pair(t, 4)
	v, parts := testBlock(5, 0, 2*types.PartSize)
	for _, part := range parts {
		s.publish(part)
	}
	s.publish(testProposal(set, 0, 5, 0, v))
	s.publish(testVote(set, 1, types.Precommit, 5, 0, v))
	s.publish(testVote(set, 1, types.Prevote, 5, 0, v))
	s.publish(testVote(set, 1, types.Prevote, 5, 1, v))
	require.Equal(t, []string{"prevote 5/1 09000000 by 1", "proposal 5/0 09000000", "prevote 5/0 09000000 by 1", "precommit 5/0 09000000 by 1",
		"part 5/0 0", "part 5/0 1"}, says(t, s, p), "RULE P2: the order of use")
}

func TestAValueIsAskedOfThoseWhoClaimToHaveIt(t *testing.T) {
	s, p, _ := pair(t, 4)
	ahead, behind := s.addPeer("ahead"), s.addPeer("behind")
	hear(t, s, ahead, &report{form: formStatus, height: 7})
	hear(t, s, behind, &report{form: formStatus, height: 5})
	v := valueOf(1)
	s.wanted(5, 2, v)
	require.Contains(t, says(t, s, ahead), "value 5", "RULE K5: it is beyond")
	require.NotContains(t, says(t, s, behind), "value 5", "RULE K5: it does not claim to")
	require.Empty(t, says(t, s, p))
	claim := func(members ...int) {
		hear(t, s, p, &report{form: formHas, height: 5, groups: []groupBits{{key{2, kindPrevote, tagOf(v)}, set2(members...)}}})
	}
	claim(0, 1)
	require.NotContains(t, says(t, s, p), "value 5", "RULE K5: two of four are no quorum")
	claim(2)
	require.Contains(t, says(t, s, p), "value 5", "RULE K5: now it has")
	claim(3)
	require.NotContains(t, says(t, s, p), "value 5", "RULE K5: once")
}

func TestWhoAsksForAValueIsSentAllOfItAgain(t *testing.T) {
	s, p, set := pair(t, 4)
	v, parts := testBlock(5, 0, 2*types.PartSize)
	other, odd := testBlock(5, 1, 2*types.PartSize)
	s.publish(testProposal(set, 0, 5, 0, v))
	s.publish(testProposal(set, 0, 5, 0, other))
	for i := range parts {
		odd[i].Round = 0 // a liar's second block in the same round
		s.publish(parts[i])
		s.publish(odd[i])
	}
	require.Len(t, says(t, s, p), 4, "both proposals, and the parts of the first")
	hear(t, s, p, &report{form: formValue, height: 5, value: v})
	require.Equal(t, []string{"proposal 5/0 09000000", "part 5/0 0", "part 5/0 1"}, says(t, s, p), "RULE K5: whatever it was sent before")
	hear(t, s, p, &report{form: formValue, height: 5, value: other})
	got := says(t, s, p)
	require.Len(t, got, 2+len(odd)-1, "RULE K5: also the parts of a second block: %v", got)
	for range 100 {
		hear(t, s, p, &report{form: formValue, height: 5, value: v})
	}
	require.Len(t, says(t, s, p), 3)
	hear(t, s, p, &report{form: formValue, height: 5, value: v})
	require.Empty(t, says(t, s, p), "RULE P1: bounded")
}

func TestWhatIsAnnouncedAndLackingIsAskedFor(t *testing.T) {
	s, p, set := pair(t, 4)
	v := valueOf(1)
	k := key{0, kindPrevote, tagOf(v)}
	say(t, s, p, testVote(set, 0, types.Prevote, 5, 0, v)) // and the node has not looked at it yet
	s.publish(testVote(set, 1, types.Prevote, 5, 0, v))
	says(t, s, p)
	hear(t, s, p, &report{form: formHas, height: 5, groups: []groupBits{{k, set2(0, 1, 3)}}})
	require.Equal(t, []string{"want 5 0.1:3"}, says(t, s, p), "RULE P2: what is neither here nor on its way to the node")
	hear(t, s, p, &report{form: formWant, height: 5, groups: []groupBits{{k, set2(1, 2)}}})
	require.Equal(t, []string{"prevote 5/0 01010000 by 1"}, says(t, s, p), "RULE P2: who asks is sent what is here")
}

func TestAPeerThatHasItFromElsewhereIsToldAndNotSent(t *testing.T) {
	s, p, set := pair(t, 4)
	v := valueOf(1)
	for i, kind := range []types.VoteType{types.Prevote, types.Precommit} {
		vote := testVote(set, 1, kind, 5, 0, v)
		s.publish(vote)
		require.Equal(t, []string{inWords(vote)}, says(t, s, p), "RULE P2: once is not enough")
		if i == 0 {
			say(t, s, p, vote) // they have crossed
		} else {
			hear(t, s, p, &report{form: formHas, height: 5, groups: []groupBits{{key{0, kindPrecommit, tagOf(v)}, set2(1)}}})
		}
	}
	s.publish(testVote(set, 1, types.Prevote, 5, 1, v))
	s.publish(testVote(set, 2, types.Prevote, 5, 1, v))
	require.Equal(t, []string{"prevote 5/1 01010000 by 2", "has 5 1.1:1"}, says(t, s, p), "RULE P2: twice is enough")
	hear(t, s, p, &report{form: formGraft, height: 5})
	s.publish(testVote(set, 1, types.Precommit, 5, 1, v))
	require.Contains(t, says(t, s, p), "precommit 5/1 01010000 by 1", "RULE P2: until it has lost somebody")
}

func TestWhoComesInSecondIsTold(t *testing.T) {
	s, p, set := pair(t, 4)
	q := s.addPeer("q")
	vote := testVote(set, 1, types.Prevote, 5, 0, valueOf(1))
	say(t, s, q, vote)
	say(t, s, p, vote) // the node has not looked at it yet
	s.publish(vote)
	require.Equal(t, []string{"has 5 0.1:1"}, says(t, s, p), "RULE P2: it hears that it was not needed")
	hear(t, s, q, &report{form: formStatus, height: 5})
	require.Equal(t, []string{"status 5/0 0.1:1"}, says(t, s, q), "RULE P2: and the first does not")
}

func TestALatePrecommitReachesThoseWhoAreAhead(t *testing.T) {
	s, p, set := pair(t, 4)
	hear(t, s, p, &report{form: formStatus, height: 6})
	s.publish(testVote(set, 1, types.Prevote, 5, 0, valueOf(1)))
	s.publish(testVote(set, 1, types.Precommit, 5, 0, valueOf(1)))
	require.Contains(t, says(t, s, p), "precommit 5/0 01010000 by 1", "RULE P2: for the commit in the next block")
	s.enter(6, 0, set)
	s.publish(testVote(set, 2, types.Precommit, 5, 0, valueOf(1)))
	require.Contains(t, says(t, s, p), "precommit 5/0 01010000 by 2")
}

func TestAPeerThatIsBehindIsServedFromTheStoreOnce(t *testing.T) {
	s, p, set := pair(t, 4)
	s.enter(9, 0, set)
	require.Equal(t, []string{"status 9/0", "load 5"}, says(t, s, p))
	h := newHeight(5, set)
	h.stored = true
	v, parts := testBlock(5, 0, 2*types.PartSize)
	for i := range 3 {
		h.add(testVote(set, i, types.Precommit, 5, 0, v))
	}
	for _, part := range parts {
		h.add(part)
	}
	s.loaded(p, 5, h)
	want := []string{"precommit 5/0 09000000 by 0", "precommit 5/0 09000000 by 1", "precommit 5/0 09000000 by 2", "part 5/0 0", "part 5/0 1"}
	require.Equal(t, want, says(t, s, p), "RULE P2: the commit, then the block")
	hear(t, s, p, &report{form: formHas, height: 5, groups: []groupBits{{key{0, kindPart, tag{}}, set2(0)}}})
	hear(t, s, p, &report{form: formValue, height: 5, value: v})
	require.Equal(t, want[3:], says(t, s, p), "RULE K5: again for who asks")
	hear(t, s, p, &report{form: formStatus, height: 6})
	require.Equal(t, []string{"load 6"}, says(t, s, p))
	s.loaded(p, 6, nil)
	require.Empty(t, says(t, s, p), "RULE P2: what the store has not is not asked for again and again")
	s.enter(10, 0, set)
	require.Equal(t, []string{"status 10/0", "load 6"}, says(t, s, p), "RULE P2: the disk had failed, and is not tried again")
}

func TestWhatWasOwedAndIsGoneIsNotSent(t *testing.T) {
	s, p, set := pair(t, 4)
	v := valueOf(1)
	s.publish(testVote(set, 3, types.Precommit, 5, 0, v))
	hear(t, s, p, &report{form: formWant, height: 5, groups: []groupBits{{key{0, kindPrecommit, tagOf(v)}, set2(3)}}})
	s.enter(9, 0, set)
	h := newHeight(5, set)
	h.stored = true
	h.add(testVote(set, 0, types.Precommit, 5, 0, v)) // the commit that was stored has not 3's
	require.Equal(t, []string{"status 9/0", "load 5"}, says(t, s, p))
	s.loaded(p, 5, h)
	require.Equal(t, []string{"precommit 5/0 01010000 by 0"}, says(t, s, p), "RULE P2: what is here")
}

func TestWhoSaysWhatNobodyCorrectSaysIsAtFault(t *testing.T) {
	s, p, set := pair(t, 4)
	good := (&report{form: formHas, height: 5, groups: []groupBits{{key{round: 1, kind: kindPart}, set2(3)}}}).encode()
	for what, msg := range map[string][]byte{
		"nothing":             {},
		"no form":             {99, 5},
		"half a message":      encode(testVote(set, 1, types.Prevote, 5, 0, valueOf(1)))[:40],
		"half a report":       good[:len(good)-1],
		"more than a report":  append(bytes.Clone(good), 1),
		"an empty group":      {byte(formHas), 5, 1, byte(kindPart), 0},
		"height 0":            {byte(formStatus), 0, 0},
		"a step back":         (&report{form: formStatus, height: 4}).encode(),
		"a number in 2 forms": {byte(formStatus), 0x85, 0, 0},
		"a graft with more":   {byte(formGraft), 1},
		"a value of no parts": (&report{form: formValue, height: 5}).encode(),
		"a group of no kind":  {byte(formHas), 5, 1, 4, 1, 1},
	} {
		_, err := s.heard(p, msg)
		require.ErrorIs(t, err, ErrMessage, "RULE P1: %s", what)
	}
}

func TestWhatIsKeptOfAPeersWordsIsBounded(t *testing.T) {
	s, p, _ := pair(t, 4)
	for r := range types.Round(20) {
		msg := &report{form: formHas, height: 5}
		for i := range maxGroups {
			msg.groups = append(msg.groups, groupBits{key{r, kindPrevote, tag{byte(i)}}, set2(maxBits - 1)})
		}
		hear(t, s, p, msg)
	}
	require.Len(t, p.view(5).keys, maxKeys, "RULE P1: bounded")
	require.LessOrEqual(t, len(p.wants), maxGroups)
	says(t, s, p)
}

func FuzzHeard(f *testing.F) {
	set := testSet(f, 4)
	f.Add(encode(testVote(set, 1, types.Prevote, 5, 0, valueOf(1))))
	for _, form := range []form{formStatus, formHas, formWant, formValue, formGraft} {
		f.Add((&report{form: form, height: 5, round: 2, value: valueOf(1), groups: []groupBits{{key{1, kindPrevote, tag{1}}, set2(3)}, {key{round: 1, kind: kindPart}, set2(0, 70)}}}).encode())
	}
	f.Fuzz(func(t *testing.T, msg []byte) {
		s := &state{}
		s.enter(5, 0, set)
		p, q := s.addPeer("p"), s.addPeer("q")
		s.publish(testVote(set, 0, types.Prevote, 5, 0, valueOf(1)))
		m, err := s.heard(p, msg)
		if err != nil {
			require.ErrorIs(t, err, ErrMessage)
		} else if form(msg[0]) != formSaid {
			r, err := decodeReport(msg)
			require.NoError(t, err)
			require.Equal(t, msg, r.encode(), "one encoding")
		}
		if m != nil {
			s.publish(m)
		}
		for _, p := range []*peer{p, q} {
			for range 100 {
				if msg, load := s.next(p); msg == nil && load == 0 {
					break
				} else if load != 0 {
					s.loaded(p, load, nil)
				}
			}
			msg, load := s.next(p)
			require.Nil(t, msg)
			require.Zero(t, load)
		}
	})
}
