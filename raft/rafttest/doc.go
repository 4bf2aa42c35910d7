// Package rafttest grades implementations of Raft. [Run] is a conformance kit
// in the manner of testing/fstest: it takes a constructor and makes a subtest
// of each rule that the protocol asks for. It grades package raft, a student's
// homework and, through an adapter, a production library.
//
// # Grade your own in twenty lines
//
// The kit wants Raft as a deterministic value, a step core: messages and ticks
// go in, and what is to be stored, sent and applied comes out of Ready. There
// is no goroutine, clock, disk or network in it, so the kit can own all of
// them, and play each rule's story the same way every time.
//
//	package myraft_test
//
//	func TestMyRaft(t *testing.T) {
//		rafttest.Run(t, rafttest.Implementation{
//			Name: "myraft",
//			// Claim what you have built; the rest is not graded.
//			Claims: rafttest.Capabilities{FastBackup: true},
//			NewCore: func(cfg raft.Config, st raft.State) (rafttest.Core, error) {
//				return myraft.New(cfg, st) // has Tick, Step, Ready, ...: see Core
//			},
//		})
//	}
//
// A broken rule fails its own subtest, TestMyRaft/required/vote-once, and says
// what was seen, in one line that names nodes, terms and indexes:
//
//	RULE vote-once: n1 voted for n2 and for n3 in term 1 (§5.2)
//
// Work through them by chapter: go test -run 'TestMyRaft/required/(vote|log)'.
// A library that runs by itself has no step core; it offers NewCluster instead
// and is graded as a black box, by fewer rules.
//
// # How a rule is judged
//
//	             +----------------- world ------------------+
//	rule's       |   n1: Core <--Step--- wire ---Step--> n2 |   the other nodes are
//	story  ----> |    |  ^                 ^                |   cores too, or played
//	             |  Ready Synced           |                |   by the rule itself
//	             |    v  |                 |                |
//	             |   disk --- AfterSync ---+                |
//	             +------------------------------------------+
//
// Nothing moves in a world by itself. The story ticks a clock, delivers or
// loses a message, lets a disk finish one write, cuts the power. What a crash
// leaves is exactly what was synced, so each promise that left too early shows
// as a broken one.
//
// What the kit keeps to itself:
//
//  1. It looks at effects, never inside. It reads messages, Ready and Status; a
//     vote is a vote whatever is sent beside it, and an acknowledgement
//     vouches for all entries up to its index. Any behaviour that the paper
//     allows passes.
//  2. Every rule asks for something good to happen, too. A core that does
//     nothing breaks no promise; it must pass no rule, and it passes none.
//  3. Liveness counts. Timers that are restarted too often or too seldom give
//     no wrong answer, only a cluster that stands still, and are graded as
//     rules of their own. Bounds are generous multiples of ElectionTicks.
//  4. Stories are deterministic: no random source, no clock, no order of a map.
//  5. The required rules run without the extensions (Config.NoPreVote and
//     NoCheckQuorum are set), because these change what the paper asks for. A
//     capability's rules run with the capability on.
//  6. A panic of the implementation fails the rule in whose story it happened,
//     but is not reported as RULE: it was stumbled over, not found.
//
// [Rules] lists them all as data, with the section of the paper and a sentence
// each; [Grade] returns results without a testing.T.
//
//	required       votes, terms, timers, the log, commitment, durability, applying
//	Figure2        what Figure 2 asks for beyond safety: old terms are answered
//	NoOp           a new leader commits what it inherits by an empty entry (§8)
//	PreVote        who cannot win does not raise the term (dissertation §9.6)
//	CheckQuorum    a leader that nobody hears stops; its followers are loyal (§6)
//	FastBackup     where logs differ, one probe skips a term (§5.3, end)
//	LogProbes      where terms alternate, log n probes settle n entries
//	Pipeline       sending ahead of the answers, within a window
//	Bounds         what a leader takes and cannot commit is bounded
//	Snapshots      compaction, InstallSnapshot, restart from one (§7)
//	ReadIndex      linearizable reads without a log entry (dissertation §6.4)
//	SharedReads    reads that come together cost one round, with ReadIndex
//	FollowerReads  a follower asks its leader for the index
//	LeaseReads     reads without a round of messages, if clocks may be trusted (§6.4.1)
//	Transfer       leadership is given away (dissertation §3.10)
//	Priority       who should lead is elected first (Config.ElectionDelay)
//	Membership     joint consensus, learners, who joins and who leaves (§6)
//	Strict         of PreVote, Bounds and FollowerReads what no safety needs: old grants, what was inherited, refusals
//	Cluster        the black-box part: agreement through crashes and partitions,
//	               replacement and sessions where they are offered
//
// A capability that needs more methods than [Core] has says which: see
// [MembershipCore], [TransferCore] and [LeaseCore]. A claim without them fails.
// Some rules are about two capabilities together, a joint majority for reads,
// say; they are graded where both are claimed ([Rule].With).
//
// # How the kit is proven
//
// A grader that lets wrong code pass is worse than none. Each file of
// raft/testdata/bugs plants one known mistake in package raft: committing an
// older term by counting (Figure 8), a duplicate vote counted twice, an
// acknowledgement before the sync, a vote that does not restart the timer. The
// kill matrix builds each and demands that the rule it breaks is the rule that
// is reported:
//
//	go run ./internal/killmatrix ./raft
//
// And two stubs sit the exam in kit_test.go: one that does nothing, which
// must fail every rule, and one that agrees to everything, which must fail
// those that ask for a refusal.
//
// What a story of ten lines cannot find, an interleaving that nobody thought
// of, is the business of [Simulate]: a seeded world of crashes, partitions and
// failing disks.
//
// # Reading order
//
//	rafttest.go           what is graded: Core, Cluster, Capabilities
//	rule.go               a rule as data, Run and Grade
//	world.go  node.go     the world, and the shell around each core
//	script.go             the words in which stories are told
//	rules_election.go     then the stories, in the paper's order:
//	rules_timer.go  rules_replication.go  rules_commit.go  rules_durability.go
//	rules_apply.go  rules_prevote.go  rules_checkquorum.go  rules_flow.go
//	rules_bounds.go  rules_snapshot.go  rules_read.go  rules_followerread.go
//	rules_lease.go  rules_transfer.go  rules_priority.go  rules_membership.go
//	rules_members.go
//	box.go  rules_cluster.go   the black-box part
package rafttest
