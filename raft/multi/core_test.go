package multi

import (
	"testing"

	"github.com/flagship-go/flagship/raft"
	"github.com/stretchr/testify/require"
)

// lab is three cores in lockstep, whose links can be cut and whose disks and
// state machines can be slow.
type lab struct {
	*trio
	t        *testing.T
	cut      [4]bool // takes no part in the traffic
	noApply  [4]bool
	lose     func(Message) bool
	events   []Event
	woken    int
	lifetime uint64
}

func newLab(t *testing.T, groups int, change func(*Config)) *lab {
	l := &lab{trio: &trio{}, t: t, lifetime: 1}
	for i := range l.cores {
		l.boot(i, change)
	}
	for g := 1; g <= groups; g++ {
		for _, c := range l.cores {
			require.NoError(t, c.Create(GroupID(g), raft.Membership{Voters: []raft.NodeID{1, 2, 3}}, nil))
		}
	}
	l.settle()
	return l
}

func (l *lab) boot(i int, change func(*Config)) {
	cfg := Config{ID: raft.NodeID(i + 1), Life: l.lifetime, Raft: raft.Config{Seed: 1}, Trace: func(e Event) {
		l.events = append(l.events, e)
		if e.Kind == EventWoke {
			l.woken++
		}
	}}
	if change != nil {
		change(&cfg)
	}
	c, err := NewCore(cfg)
	require.NoError(l.t, err)
	l.cores[i] = c
}

// settle does what the cores ask for until they ask for nothing.
func (l *lab) settle() {
	for again := true; again; {
		again = false
		for i, c := range l.cores {
			for c.HasReady() {
				again = true
				rd := c.Ready()
				l.deliver(rd.Send)
				c.Synced(rd.Seq)
				l.deliver(rd.AfterSync)
				for _, g := range rd.Joining {
					require.NoError(l.t, c.Join(g))
				}
				for _, cm := range rd.Committed {
					if !l.noApply[i+1] {
						c.Applied(cm.Group, cm.Entries[len(cm.Entries)-1].Index)
					}
				}
			}
		}
	}
}

func (l *lab) deliver(envelopes []Envelope) {
	for _, e := range envelopes {
		l.sent++
		if l.cut[e.From] || l.cut[e.To] {
			continue
		}
		if l.lose != nil {
			var kept []Message
			for _, m := range e.Messages {
				if !l.lose(m) {
					kept = append(kept, m)
				}
			}
			e.Messages = kept
		}
		l.cores[e.To-1].Step(e)
	}
}

func (l *lab) tick(n int) {
	for range n {
		for i, c := range l.cores {
			if !l.cut[i+1] {
				c.Tick()
			}
		}
		l.settle()
	}
}

func (l *lab) propose(host int, g GroupID) {
	l.t.Helper()
	_, _, err := l.cores[host-1].Propose(g, encodeCommand([]byte("x")))
	require.NoError(l.t, err)
	l.settle()
}

func (l *lab) asleep(host int, g GroupID) bool { return l.cores[host-1].replica(g).core == nil }

func (l *lab) status(host int, g GroupID) raft.Status { return l.cores[host-1].replica(g).status() }

func (l *lab) rest() {
	l.t.Helper()
	for range 100 {
		if l.tick(1); l.awake() == 0 {
			return
		}
	}
	broken(l.t, "M3", "groups do not come to rest, %d replicas are awake", l.awake())
	l.t.FailNow()
}

func TestHeartbeatsOfAllGroupsShareTwoEnvelopesATick(t *testing.T) {
	awake := newTrio(t, 50, raft.Config{Seed: 1}) // each host leads a third
	for _, c := range awake.cores {
		c.cfg.NeverRest = true
	}
	for range 5 {
		awake.tick()
	}
	awake.sent = 0
	for range 100 {
		awake.tick()
	}
	require.Equal(t, 150, awake.awake())
	if awake.sent != 600 {
		broken(t, "M1", "50 groups on 3 hosts that are awake take %d envelopes in 100 ticks, 600 are two a pair", awake.sent)
	}
	l := newLab(t, 50, nil)
	l.rest()
	l.sent = 0
	l.tick(100)
	require.Zero(t, l.awake())
	if l.sent != 600 {
		broken(t, "M1", "50 groups that sleep take %d envelopes in 100 ticks, 600 are two a pair", l.sent)
	}
}

func TestACommandDoesNotWaitForATick(t *testing.T) {
	l := newLab(t, 1, nil)
	for round := range 3 {
		l.propose(1, 1)
		for host := 1; host <= 3; host++ {
			if st := l.status(host, 1); st.Commit != st.Last || st.Last != uint64(3+round) {
				broken(t, "M1", "a command waits for a tick: %+v", st)
			}
		}
		require.NoError(t, l.cores[1].ReadIndex(1, uint64(round+1)))
		l.tick(1)
	}
	// A read in a tick's own turn must not wait for the next one either.
	l.cores[0].Tick()
	require.NoError(t, l.cores[0].ReadIndex(1, 77))
	decided := false
	for again := true; again; {
		again = false
		for _, c := range l.cores {
			for c.HasReady() {
				again = true
				rd := c.Ready()
				decided = decided || len(rd.Reads) > 0
				l.deliver(rd.Send)
				c.Synced(rd.Seq)
				l.deliver(rd.AfterSync)
			}
		}
	}
	if !decided {
		broken(t, "M1", "a read waits for a tick")
	}
}

func TestPromisesWaitForTheirRecords(t *testing.T) {
	l := newLab(t, 2, nil)
	l.rest()
	_, _, err := l.cores[0].Propose(1, encodeCommand(nil))
	require.NoError(t, err)
	rd := l.cores[0].Ready()
	for _, e := range rd.Send {
		if e.To == 2 {
			l.cores[1].Step(e)
		}
	}
	speaks := func(es []Envelope, g GroupID) bool {
		for _, e := range es {
			for _, m := range e.Messages {
				if m.Group == g {
					return true
				}
			}
		}
		return false
	}
	first := l.cores[1].Ready()
	require.True(t, first.MustSync)
	if speaks(first.Send, 1) || !speaks(first.AfterSync, 1) {
		broken(t, "M2", "the answer of g1 does not wait for its record")
	}
	// Asked again while the disk still works, it promises no sooner; another
	// group, whose promises are all durable, does not wait.
	for g := GroupID(1); g <= 2; g++ {
		st := l.status(1, g)
		beat := raft.Message{Type: raft.AppendEntries, From: 1, To: 2, Term: st.Term, Index: st.Last, LogTerm: st.LastTerm, Commit: st.Commit}
		l.cores[1].Step(Envelope{From: 1, To: 2, Life: 1, Messages: []Message{{Group: g, Raft: beat}}})
	}
	second := l.cores[1].Ready()
	if !speaks(second.AfterSync, 1) || speaks(second.Send, 1) {
		broken(t, "M2", "a second answer of g1 does not wait for its record")
	}
	if !speaks(second.Send, 2) {
		broken(t, "M2", "g2 waits for the record of g1")
	}
	l.cores[1].Synced(first.Seq)
	st := l.status(1, 1)
	beat := raft.Message{Type: raft.AppendEntries, From: 1, To: 2, Term: st.Term, Index: st.Last, LogTerm: st.LastTerm, Commit: st.Commit}
	l.cores[1].Step(Envelope{From: 1, To: 2, Life: 1, Messages: []Message{{Group: 1, Raft: beat}}})
	require.True(t, speaks(l.cores[1].Ready().Send, 1), "the record is durable")
}

func TestAGroupSleepsOnlyWhenAllHaveAll(t *testing.T) {
	l := newLab(t, 1, nil)
	// Of host 3 there are signs of life, and none of its replica.
	l.lose = func(m Message) bool { return m.Raft.To == 3 || m.Raft.From == 3 }
	l.propose(1, 1)
	for tick := range 60 {
		l.tick(1)
		if l.asleep(1, 1) {
			broken(t, "M3", "the leader sleeps after %d ticks, and a follower lacks an entry", tick)
			break
		}
	}
	l.lose = nil
	l.rest()

	l.noApply[2] = true
	l.propose(1, 1)
	l.tick(24)
	if l.asleep(2, 1) {
		broken(t, "M3", "a follower sleeps before it has applied everything")
	}
	require.True(t, l.asleep(1, 1), "that holds up nobody else")
	l.noApply[2] = false
	l.cores[1].Applied(1, l.status(2, 1).Commit)
	l.settle()
	if !l.asleep(2, 1) {
		broken(t, "M3", "a follower that has applied everything does not sleep")
	}
	require.Zero(t, l.awake())
}

func TestACommandKeepsAGroupAwake(t *testing.T) {
	l := newLab(t, 1, nil)
	for range 10 {
		l.propose(1, 1)
		l.tick(15)
		if l.asleep(1, 1) {
			broken(t, "M3", "a group sleeps 15 ticks after a command, RestTicks is 20")
		}
	}
	l.rest()
	l.propose(1, 1)
	l.tick(19)
	require.False(t, l.asleep(1, 1))
	l.tick(2)
	require.True(t, l.asleep(1, 1))
}

func TestAHostThatWasAwayIsToldWhatItMissed(t *testing.T) {
	l := newLab(t, 3, nil)
	l.rest()
	l.cut[3] = true
	l.propose(1, 1)
	l.tick(60)
	require.True(t, l.asleep(1, 1), "the group waits for a host that is away")
	l.cut[3] = false
	l.tick(10)
	if st := l.status(3, 1); st.Last != l.status(1, 1).Last {
		broken(t, "M4", "a host that is back has %d of %d entries", st.Last, l.status(1, 1).Last)
	}
	l.rest()
}

func TestARestartedHostWakesItsGroups(t *testing.T) {
	for host := 1; host <= 3; host += 2 { // the leader's, and a follower's
		l := newLab(t, 1, nil)
		l.rest()
		old := l.cores[host-1]
		l.lifetime++
		l.boot(host-1, nil)
		st := old.replica(1).status()
		require.NoError(t, l.cores[host-1].Restore(1, raft.State{
			HardState: raft.HardState{Term: st.Term, VotedFor: st.VotedFor, Commit: st.Commit},
			Snapshot:  &raft.Snapshot{Index: st.Last, Term: st.LastTerm, Membership: raft.Membership{Voters: []raft.NodeID{1, 2, 3}}},
		}, st.Applied))
		l.woken = 0
		l.tick(2)
		if host == 3 && l.asleep(1, 1) || host == 1 && (l.asleep(2, 1) || l.asleep(3, 1)) {
			broken(t, "M4", "host %d is restarted, and who shares a group with it sleeps on", host)
		}
		l.tick(30)
		l.rest()
		terms := l.status(1, 1).Term
		if host == 3 && terms != st.Term {
			broken(t, "M4", "a follower's restart costs the leader its term: %d, it was %d", terms, st.Term)
		}
		// An envelope of the earlier life does not bring it back to life.
		l.cores[1].Step(Envelope{From: raft.NodeID(host), To: 2, Life: 1})
		l.tick(3)
		if l.awake() > 0 {
			broken(t, "M4", "a word of an earlier life wakes groups")
		}
	}
}

func TestOldNewsWakesNobody(t *testing.T) {
	l := newLab(t, 1, nil)
	// The leader's word that it sleeps does not reach host 3, which answers the
	// heartbeat before.
	lost := 0
	l.lose = func(m Message) bool {
		if m.Rest && m.Raft.To == 3 && lost == 0 {
			lost++
			return true
		}
		return false
	}
	l.tick(21)
	require.Equal(t, 1, lost)
	l.woken = 0
	l.tick(3)
	if !l.asleep(3, 1) {
		broken(t, "M5", "who has not heard that the group sleeps is not told again")
	}
	if l.woken > 0 || !l.asleep(1, 1) {
		broken(t, "M5", "an answer without news wakes the leader")
	}
	// An answer that says less is news: the follower has lost something.
	st := l.status(1, 1)
	l.cores[0].Step(Envelope{From: 3, To: 1, Life: 1, Messages: []Message{{Group: 1, Raft: raft.Message{
		Type: raft.AppendEntriesReply, From: 3, To: 1, Term: st.Term, Index: st.Last - 1}}}})
	if l.asleep(1, 1) {
		broken(t, "M5", "an answer with news does not wake the leader")
	}
}

func TestASilentHostIsSuspectedOnceForAllItsGroups(t *testing.T) {
	l := newLab(t, 20, nil)
	l.rest()
	l.cut[1] = true // leads all
	l.events = nil
	l.tick(9)
	if l.woken > 0 && !l.asleep(2, 1) {
		broken(t, "M6", "groups wake after 9 ticks of silence, an election timeout is 10")
	}
	l.tick(1)
	suspected := 0
	for _, e := range l.events {
		if e.Kind == EventSuspected {
			suspected++
		}
	}
	if suspected != 2 {
		broken(t, "M6", "a silent host is suspected %d times, once by each of the two others is right", suspected)
	}
	for g := GroupID(1); g <= 20; g++ {
		if l.asleep(2, g) || l.asleep(3, g) {
			broken(t, "M6", "%s sleeps on, and its leader's host is silent", g)
		}
	}
	// The silence counts: at most another timeout, and not two.
	l.tick(11)
	led := 0
	for g := GroupID(1); g <= 20; g++ {
		if l.status(2, g).Leader != 1 && l.status(2, g).Leader != raft.None {
			led++
		}
	}
	if led < 18 { // votes may be split
		broken(t, "M6", "%d groups of 20 have a leader again after 21 ticks of silence", led)
	}
}

// A voter turns candidates away for an election timeout after its leader's word,
// asleep or awake: leases rely on it. Not a tick less, and not for long after.
func TestASleepingVoterKeepsItsWord(t *testing.T) {
	for silent := 1; silent <= 12; silent++ {
		l := newLab(t, 1, nil)
		l.rest()
		l.cut[1], l.cut[2] = true, true
		l.tick(silent)
		st := l.status(3, 1)
		l.cores[2].Step(Envelope{From: 2, To: 3, Life: 1, Messages: []Message{{Group: 1, Raft: raft.Message{
			Type: raft.RequestVote, From: 2, To: 3, Term: st.Term + 5, Index: st.Last, LogTerm: st.LastTerm}}}})
		voted := l.status(3, 1).VotedFor == 2 && l.status(3, 1).Term == st.Term+5
		if want := silent >= 10; voted != want {
			broken(t, "M6", "after %d ticks of its leader's silence a sleeping voter votes for another: %v", silent, voted)
		}
	}
}

func TestAHostJoinsAGroupThatCountsOnIt(t *testing.T) {
	l := newLab(t, 1, nil)
	for _, c := range l.cores[:2] {
		require.NoError(t, c.Create(2, raft.Membership{Voters: []raft.NodeID{1, 2, 3}}, nil))
	}
	joining, at := 0, 0
	for ticks := 1; ticks <= 35; ticks++ {
		if joining > 0 && at == 0 {
			at = ticks - 1
		}
		for _, c := range l.cores {
			c.Tick()
		}
		for range 10 {
			for i, c := range l.cores {
				for c.HasReady() {
					rd := c.Ready()
					l.deliver(rd.Send)
					c.Synced(rd.Seq)
					l.deliver(rd.AfterSync)
					joining += len(rd.Joining)
					require.True(t, len(rd.Joining) == 0 || i == 2 && rd.Joining[0] == 2)
				}
			}
		}
	}
	if joining != 1 || at < 20 || at > 22 {
		broken(t, "M8", "a host joins %d groups after %d ticks, one after 20 is right", joining, at)
	}
	require.NoError(t, l.cores[2].Join(2))
	l.tick(5)
	require.NoError(t, l.cores[2].Remove(2))
	l.events = nil
	l.tick(60)
	for _, e := range l.events {
		require.NotEqual(t, EventJoined, e.Kind)
	}
	if err := l.cores[2].Join(2); err == nil {
		broken(t, "M9", "a group that was removed joins again")
	}
	require.ErrorIs(t, l.cores[2].Join(2), ErrRemoved)
	require.ErrorIs(t, l.cores[2].Create(2, raft.Membership{Voters: []raft.NodeID{3}}, nil), ErrRemoved)
	require.ErrorIs(t, l.cores[2].Create(1, raft.Membership{Voters: []raft.NodeID{3}}, nil), ErrExists)
	require.ErrorIs(t, l.cores[2].Create(5, raft.Membership{Voters: []raft.NodeID{1}}, nil), raft.ErrInvalid)
	require.ErrorIs(t, l.cores[2].Create(0, raft.Membership{Voters: []raft.NodeID{3}}, nil), raft.ErrInvalid)
}

// Hosts 1 and 2 made a group and put it to sleep while host 3, its third member,
// was away. It knows nothing of it, and must show that it is there.
func TestAHostThatKnowsOfNoGroupAnswersThoseThatCountOnIt(t *testing.T) {
	l := newLab(t, 0, nil)
	l.cut[3] = true
	for _, c := range l.cores[:2] {
		require.NoError(t, c.Create(2, raft.Membership{Voters: []raft.NodeID{1, 2, 3}}, nil))
	}
	l.settle()
	l.tick(60)
	require.True(t, l.asleep(1, 2))
	l.cut[3] = false
	l.tick(30)
	if l.cores[2].replica(2) == nil {
		broken(t, "M4", "a host that missed the making of a group never hears of it")
	}
	// And hosts that share nothing leave one another alone.
	l = newLab(t, 0, nil)
	require.NoError(t, l.cores[0].Create(2, raft.Membership{Voters: []raft.NodeID{1}}, nil))
	l.settle()
	l.sent = 0
	l.tick(10)
	require.Zero(t, l.sent)
}

func TestTheRightGroupOfASplitIsTheSameEverywhere(t *testing.T) {
	l := newLab(t, 1, nil)
	l.propose(1, 1)
	index := l.status(1, 1).Last
	_, _, err := l.cores[0].ChangeMembership(1, raft.Membership{Voters: []raft.NodeID{1, 2}, Learners: []raft.NodeID{3}})
	require.NoError(t, err)
	l.settle()
	for i, c := range l.cores { // some replicas come to the split late
		made, err := c.Split(1, 2, index, []byte("state"))
		require.NoError(t, err)
		require.True(t, made)
		m, err := c.Membership(2)
		require.NoError(t, err)
		if len(m.Voters) != 3 || len(m.Learners) != 0 {
			broken(t, "M7", "host %d makes the right group of %v, at the split it was three voters", i+1, m)
		}
	}
	l.tick(1)
	if l.status(1, 2).Role != raft.Leader {
		broken(t, "M7", "the right group has no leader a tick after the split: %+v", l.status(1, 2))
	}
	_, err = l.cores[0].Split(1, 2, index, nil)
	require.ErrorIs(t, err, ErrExists, "the split is replayed")
	// Where a snapshot of the left came past the split, nothing is made.
	l.propose(1, 1)
	require.NoError(t, l.cores[0].Compact(1, l.status(1, 1).Applied, nil, 0))
	made, err := l.cores[0].Split(1, 3, index, nil)
	require.NoError(t, err)
	require.False(t, made)
	l.rest()
}

func TestWhatNoCorrectHostSendsChangesNothing(t *testing.T) {
	l := newLab(t, 1, nil)
	l.rest()
	st := l.status(2, 1)
	vote := func(from, to raft.NodeID) Message {
		return Message{Group: 1, Raft: raft.Message{Type: raft.RequestVote, From: from, To: to, Term: st.Term + 1, Index: 99, LogTerm: 99, Force: true}}
	}
	for name, e := range map[string]Envelope{
		"for another host":               {From: 1, To: 3, Life: 1},
		"for another host, as all in it": {From: 1, To: 3, Life: 1, Messages: []Message{vote(1, 3)}},
		"from nobody":                    {From: 0, To: 2, Life: 1, Messages: []Message{vote(0, 2)}},
		"from itself":                    {From: 2, To: 2, Life: 1, Messages: []Message{vote(2, 2)}},
		"in the name of another":         {From: 1, To: 2, Life: 1, Messages: []Message{vote(3, 2)}},
		"with a message for another":     {From: 1, To: 2, Life: 1, Messages: []Message{vote(1, 3)}},
		"without a type":                 {From: 1, To: 2, Life: 1, Messages: []Message{{Group: 1, Raft: raft.Message{From: 1, To: 2}}}},
	} {
		l.events = nil
		l.cores[1].Step(e)
		refused := 0
		for _, ev := range l.events {
			if ev.Kind == EventRefused {
				refused++
				require.Error(t, ev.Err)
			}
		}
		if now := l.status(2, 1); refused != 1 || now.Term != st.Term || now.VotedFor != st.VotedFor {
			broken(t, "M12", "an envelope %s is refused %d times, and leaves %+v", name, refused, now)
		}
	}
}

func TestConfigurationsThatCannotWorkAreRefused(t *testing.T) {
	for _, cfg := range []Config{
		{}, {ID: 1}, {ID: 1, Life: 1, RestTicks: -1}, {ID: 1, Life: 1, Raft: raft.Config{Lease: 11}},
		{ID: 1, Life: 1, Raft: raft.Config{HeartbeatTicks: 10}},
	} {
		_, err := NewCore(cfg)
		require.ErrorIs(t, err, raft.ErrInvalid)
	}
}
