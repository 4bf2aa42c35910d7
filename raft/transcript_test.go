package raft_test

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/flagship-go/flagship/raft"
)

var update = flag.Bool("update", false, "write what the transcripts in testdata really say")

// TestTranscripts plays the stories of testdata/*.txt and compares every line.
// A line that begins with "> " is a command, the lines below it are what
// happened; lines with "#" are prose. The commands:
//
//	cluster 3 prevote one-entry   the voters n1..n3, and options: prevote, checkquorum,
//	                              one-entry (a message carries one entry)
//	start 1 term=3 1 1 2          starts n1, in term 3, with a log of these terms
//	join 4                        starts a new node, which knows nobody
//	show role Request*            what is shown from here on: kinds of events and of
//	                              messages, "*" for the rest of a name
//	tick 1 x10                    ten ticks of n1; "tick all" of all that are up
//	campaign 1                    ticks n1 until it asks for votes
//	propose 1 x=1                 a command to n1
//	deliver                       all messages, until nothing is left to say
//	deliver 1->2                  those that are on this link now; "*" is anybody
//	deliver 1->2 first            the first of them only
//	lose 1->3                     as deliver, but they are lost
//	cut 3, heal                   n3 hears nobody and nobody hears it, until healed
//	crash 2, restart 2            only what its storage holds comes back
//	change 1 1 2 4 learners 5     asks n1 to make n1, n2, n4 the voters and n5 a learner
//	transfer 1 2                  asks n1 to give leadership to n2
//	compact 1 5                   n1 makes a snapshot, and forgets entries up to 5
//	logs                          each log by its terms, "|" behind what is committed
//	status, state, members        roles and terms; what the state machines hold; who takes
//	                              part, as each node knows it
//
// A message is shown when it arrives, followed by what it causes.
func TestTranscripts(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txt")
	require.NoError(t, err)
	require.NotEmpty(t, files)
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txt"), func(t *testing.T) {
			data, err := os.ReadFile(file)
			require.NoError(t, err)
			want := strings.ReplaceAll(string(data), "\r\n", "\n")
			got := play(t, want)
			if *update {
				require.NoError(t, os.WriteFile(file, []byte(got), 0o644))
				return
			}
			wants, gots := strings.Split(want, "\n"), strings.Split(got, "\n")
			for i := range max(len(wants), len(gots)) {
				if i >= len(wants) || i >= len(gots) || wants[i] != gots[i] {
					t.Fatalf("%s:%d: the story goes differently from here on; -update writes how:\nwritten:\n%s\nhappened:\n%s",
						file, i+1, excerpt(wants, i), excerpt(gots, i))
				}
			}
		})
	}
}

// excerpt is the next lines of a transcript.
func excerpt(lines []string, from int) string {
	from = min(from, len(lines))
	return strings.Join(lines[from:min(from+8, len(lines))], "\n")
}

// play runs the commands of a transcript and returns it with what happened.
func play(t *testing.T, text string) string {
	s := &stage{t: t}
	for line := range strings.Lines(text) {
		line = strings.TrimSuffix(line, "\n")
		switch {
		case strings.HasPrefix(line, "> "):
			s.printf("%s", line)
			s.command(strings.Fields(line[2:]))
		case line == "" || strings.HasPrefix(line, "#"):
			s.printf("%s", line)
		}
	}
	return s.out.String()
}

// stage is where a transcript is played. Disks never fail and are done at once.
type stage struct {
	t      *testing.T
	out    strings.Builder
	config raft.Config
	actors []*actor
	wire   []raft.Message
	cut    map[raft.NodeID]bool
	shown  []string
}

type actor struct {
	id      raft.NodeID
	core    *raft.Core // nil while it is down
	storage *raft.MemStorage
	state   []string
	joined  bool // started without voters
}

func (s *stage) printf(format string, args ...any) { fmt.Fprintf(&s.out, format+"\n", args...) }

func (s *stage) command(words []string) {
	do, args := words[0], words[1:]
	switch do {
	case "cluster":
		s.cluster(args)
	case "show":
		s.shown = args
	case "logs", "status", "state", "members":
		s.report(do)
	case "join":
		s.actors = append(s.actors, &actor{id: raft.NodeID(s.number(args[0])), storage: &raft.MemStorage{}, joined: true})
		s.boot(s.actor(args[0]))
	case "heal":
		clear(s.cut)
	case "deliver", "lose":
		switch {
		case len(args) == 0:
			s.settle(do == "lose")
		case len(args) > 1 && args[1] == "first":
			s.pass(args[0], do == "lose", 1)
		default:
			s.pass(args[0], do == "lose", len(s.wire))
		}
	case "tick":
		s.tick(args)
	default:
		s.one(do, s.actor(args[0]), args[1:])
	}
}

// one is a command to one node.
func (s *stage) one(do string, a *actor, args []string) {
	switch do {
	case "start":
		s.start(a, args)
	case "cut":
		s.cut[a.id] = true
	case "crash":
		a.core = nil
	case "restart":
		s.boot(a)
	case "campaign":
		for asked := false; !asked; {
			a.core.Tick()
			n := len(s.wire)
			s.pump(a)
			asked = slices.ContainsFunc(s.wire[n:], func(m raft.Message) bool { return m.Type == raft.RequestVote || m.Type == raft.RequestPreVote })
		}
	case "propose":
		_, _, err := a.core.Propose([]byte(strings.Join(args, " ")))
		if err != nil {
			s.printf("%v", err)
		}
		s.pump(a)
	case "change":
		s.change(a, args)
	case "transfer":
		if err := a.core.TransferLeadership(raft.NodeID(s.number(args[0]))); err != nil {
			s.printf("%v", err)
		}
		s.pump(a)
	case "compact":
		s.compact(a, args[0])
	default:
		s.t.Fatalf("no such command: %s", do)
	}
}

func (s *stage) number(word string) uint64 {
	n, err := strconv.ParseUint(word, 10, 64)
	require.NoError(s.t, err)
	return n
}

func (s *stage) actor(word string) *actor {
	id := raft.NodeID(s.number(word))
	for _, a := range s.actors {
		if a.id == id {
			return a
		}
	}
	s.t.Fatalf("no node %s", word)
	return nil
}

func (s *stage) cluster(args []string) {
	s.actors, s.wire, s.cut = nil, nil, map[raft.NodeID]bool{}
	s.config = raft.Config{
		Seed: 1, NoPreVote: !slices.Contains(args, "prevote"), NoCheckQuorum: !slices.Contains(args, "checkquorum"),
	}
	if slices.Contains(args, "one-entry") {
		s.config.MaxMessageBytes = 1
	}
	s.config.Trace = func(e raft.Event) {
		if s.shows(e.Kind.String()) {
			s.printf("  %s", e)
		}
	}
	for id := range raft.NodeID(s.number(args[0])) {
		s.config.Voters = append(s.config.Voters, id+1)
		s.actors = append(s.actors, &actor{id: id + 1, storage: &raft.MemStorage{}})
	}
}

func (s *stage) start(a *actor, args []string) {
	var hard raft.HardState
	var entries []raft.Entry
	for _, word := range args {
		if term, ok := strings.CutPrefix(word, "term="); ok {
			hard.Term = s.number(term)
			continue
		}
		i := uint64(len(entries)) + 1
		entries = append(entries, raft.Entry{Index: i, Term: s.number(word), Data: fmt.Appendf(nil, "x%d", i)})
		hard.Term = max(hard.Term, s.number(word))
	}
	require.NoError(s.t, a.storage.Save(hard, entries, true))
	s.boot(a)
}

func (s *stage) boot(a *actor) {
	st, err := a.storage.Load()
	require.NoError(s.t, err)
	cfg := s.config
	cfg.ID = a.id
	if a.joined {
		cfg.Voters = nil
	}
	a.core, err = raft.NewCore(cfg, st)
	require.NoError(s.t, err)
	a.state = nil
	if st.Snapshot != nil {
		a.state = strings.Fields(string(st.Snapshot.Data))
	}
	s.pump(a)
}

// pump is the shell of a node.
func (s *stage) pump(a *actor) {
	for a.core.HasReady() {
		rd := a.core.Ready()
		if rd.Snapshot != nil {
			require.NoError(s.t, a.storage.SaveSnapshot(*rd.Snapshot))
			a.state = strings.Fields(string(rd.Snapshot.Data))
		}
		require.NoError(s.t, a.storage.Save(rd.HardState, rd.Entries, rd.MustSync))
		for _, m := range slices.Concat(rd.Messages, rd.AfterSync) {
			if m.Type == raft.InstallSnapshot {
				m.Snapshot, _ = a.storage.Snapshot()
			}
			s.wire = append(s.wire, m)
		}
		a.core.Synced(rd.Seq)
		for _, e := range rd.Committed {
			if e.Type == raft.EntryCommand {
				a.state = append(a.state, string(e.Data))
			}
			a.core.Applied(e.Index)
		}
	}
}

// settle delivers until nothing is left to say.
func (s *stage) settle(lose bool) {
	for len(s.wire) > 0 {
		s.pass("*->*", lose, len(s.wire))
	}
}

// pass lets the first messages that are on a link now arrive, or get lost.
func (s *stage) pass(link string, lose bool, most int) {
	wire := s.wire
	s.wire = nil
	var rest []raft.Message
	for _, m := range wire {
		from, to, _ := strings.Cut(link, "->")
		here := (from == "*" || s.actor(from).id == m.From) && (to == "*" || s.actor(to).id == m.To)
		if !here || most == 0 {
			rest = append(rest, m)
			continue
		}
		most--
		a := s.actors[m.To-1]
		lost := lose || a.core == nil || s.cut[m.From] || s.cut[m.To]
		switch {
		case s.shows(m.Type.String()) && lost:
			s.printf("%s    lost", m)
		case s.shows(m.Type.String()):
			s.printf("%s", m)
		}
		if !lost {
			require.NoError(s.t, a.core.Step(m))
			s.pump(a)
		}
	}
	s.wire = append(rest, s.wire...)
}

func (s *stage) tick(args []string) {
	times := uint64(1)
	if len(args) > 1 {
		times = s.number(strings.TrimPrefix(args[1], "x"))
	}
	for range times {
		for _, a := range s.actors {
			if a.core != nil && (args[0] == "all" || args[0] == fmt.Sprint(uint64(a.id))) {
				a.core.Tick()
				s.pump(a)
			}
		}
		if args[0] == "all" {
			s.settle(false)
		}
	}
}

func (s *stage) change(a *actor, args []string) {
	var m raft.Membership
	set := &m.Voters
	for _, word := range args {
		if word == "learners" {
			set = &m.Learners
			continue
		}
		*set = append(*set, raft.NodeID(s.number(word)))
	}
	if _, _, err := a.core.ChangeMembership(m); err != nil {
		s.printf("%v", err)
	}
	s.pump(a)
}

func (s *stage) compact(a *actor, upTo string) {
	index := a.core.Status().Applied
	es, err := a.core.Entries(index, index)
	require.NoError(s.t, err)
	snap := raft.Snapshot{Index: index, Term: es[0].Term, Membership: a.core.Membership(), Data: []byte(strings.Join(a.state, " "))}
	require.NoError(s.t, a.storage.SaveSnapshot(snap))
	require.NoError(s.t, a.core.Compact(snap, s.number(upTo)))
	require.NoError(s.t, a.storage.Compact(s.number(upTo)))
	s.pump(a)
}

// shows says whether the story tells events or messages of this name.
func (s *stage) shows(name string) bool {
	return slices.ContainsFunc(s.shown, func(word string) bool {
		prefix, open := strings.CutSuffix(word, "*")
		return word == name || open && strings.HasPrefix(name, prefix)
	})
}

func (s *stage) report(what string) {
	for _, a := range s.actors {
		if a.core == nil {
			s.printf("%s  down", a.id)
			continue
		}
		st := a.core.Status()
		switch what {
		case "status":
			s.printf("%s  %s of term %d, follows %s, committed %d of %d", a.id, st.Role, st.Term, st.Leader, st.Commit, st.Last)
		case "members":
			m := a.core.Membership()
			line := fmt.Sprintf("%s  voters %v", a.id, m.Voters)
			if m.Joint() {
				line += fmt.Sprintf(", outgoing %v", m.Outgoing)
			}
			if len(m.Learners) > 0 {
				line += fmt.Sprintf(", learners %v", m.Learners)
			}
			s.printf("%s", line)
		case "state":
			s.printf("%s  %s", a.id, strings.Join(a.state, " "))
		case "logs":
			line := a.id.String() + " "
			if st.First > 1 {
				line += fmt.Sprintf(" [..%d]", st.First-1)
			}
			es, err := a.core.Entries(st.First, st.Last)
			require.NoError(s.t, err)
			for i, e := range es {
				if i > 0 && e.Index == st.Commit+1 {
					line += " |"
				}
				line += fmt.Sprintf(" %d", e.Term)
			}
			if st.Commit == st.Last {
				line += " |"
			}
			s.printf("%s", line)
		}
	}
}
