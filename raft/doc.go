// Package raft keeps a log of commands identical on several machines, so that
// a service built on it survives the loss of some of them: the consensus
// algorithm of etcd, TiKV and CockroachDB, from Ongaro and Ousterhout's paper
// "In Search of an Understandable Consensus Algorithm" (extended version; §
// below cites it, D§ Ongaro's dissertation).
//
// # The problem
//
// A value that must not be lost has to be on more than one machine. As soon as
// it is, machines can disagree: messages are lost, late, repeated and out of
// order; machines stop at any moment and come back with what their disk kept;
// and nobody can tell a dead machine from a slow one. Clients nevertheless
// want one answer, and want it to stay true.
//
// The replicated state machine reduces this to one question. If every machine
// executes the same commands in the same order, all reach the same state; so
// the machines only have to agree on a log. Raft agrees on it by electing a
// leader who alone decides the order, and by making sure that whoever is
// elected has everything that was ever decided.
//
//	client --x=7--> leader                        follower          follower
//	                  | log   [x=1][y=2][x=7]       [x=1][y=2]        [x=1][y=2]
//	                  |        1    1    3           1    1            1    1     <- terms
//	                  |
//	                  |--AppendEntries prev=2/t1 [x=7]--->|
//	                  |--AppendEntries prev=2/t1 [x=7]-------------------->|
//	                  |<--match=3 (once it is on disk)----|                |
//	                  |
//	                  | 3 is on a majority of disks: committed; apply; answer
//	client <---ok-----|
//	                  |--AppendEntries commit=3---------->| apply          |
//
// Of 2f+1 machines any f may fail. Two majorities always share a machine; that
// one sentence carries all proofs.
//
// # Time
//
// Time is cut into terms, numbered upwards. A term begins with an election and
// has at most one leader. Every message carries its sender's term; who hears
// of a higher one enters it as a follower, and words of a lower one are
// refused. Terms are Raft's clock: they tell the news of today's leader from
// that of a deposed one who does not know it yet.
//
//	term 1              term 2          term 3 (nobody won)  term 4
//	|election|  work   |election| work |election            |election| work ...
//
// # The rules
//
// The code cites the section at the line that obeys it; rafttest grades by the
// same rules, and each has a planted bug that proves its test.
//
//	R1  A node votes once a term, and remembers term and vote on disk before it
//	    says so. (§5.2, Figure 2)                             election.go, ready.go
//	R2  It votes only for a candidate whose log is at least as up to date as its
//	    own: later last term, or same term and as long. (§5.4.1)      election.go
//	R3  Only silence of the leader, measured from the leader's last word or the
//	    last vote given, starts a campaign; the timeout is random. (§5.2)
//	                                                        core.go, election.go
//	R4  A campaign starts by asking whether it could be won, so that a node which
//	    comes back raises no term in vain; who hears a leader does not answer.
//	    (§6, D§9.6)                                                   election.go
//	R5  A leader never changes its log, it only adds; it starts with an empty
//	    entry of its term. (§5.3, §8)                                 election.go
//	R6  A follower takes entries only behind one that matches in index and term,
//	    removes only what conflicts, and never what is committed. (§5.3)
//	                                                        replication.go, log.go
//	R7  It acknowledges what is on its disk, nothing else; the leader counts its
//	    own copy by the same measure. (Figure 2, D§10.2.1)    ready.go
//	R8  An entry of the leader's own term is committed when a majority holds it,
//	    earlier ones with it, never by themselves. (§5.4.2, Figure 8)
//	                                                                replication.go
//	R9  A follower's commit index is the leader's, but not beyond the last entry
//	    the message vouched for. (Figure 2)                         replication.go
//	R10 Committed entries are applied in order, each once. (§5.3)         ready.go
//	R11 matchIndex only grows within a term, nextIndex stays above it. (Figure 2)
//	                                                                   progress.go
//	R12 A snapshot replaces a prefix of the log; an older one, or one whose last
//	    entry the log holds, removes nothing. (§7)                     snapshot.go
//	R13 A leader answers a read after a commit in its term and a round of answers
//	    that started after the read came. (§8, D§6.4)                     reads.go
//	R14 A leader who does not hear from a majority for an election timeout steps
//	    down. (D§6.2)                                                  election.go
//	R15 A node uses the newest membership in its log, committed or not; a change
//	    of voters passes through a joint one, in which every decision needs a
//	    majority of the old and of the new; one change at a time, and none before
//	    the leader committed in its term. (§6, D§4.3)                membership.go
//	R16 A voter that is being removed may campaign until it knows the change to be
//	    committed; a removed leader steps down then. (§6, D§4.2.2)   membership.go
//	R17 A lease is given up for the term when leadership is given away, and when
//	    the clock may have stood still; a voter that restarts gives no vote for
//	    an election timeout. (D§6.4.1)                     lease.go, transfer.go
//	R18 A command of a session is executed once, and its result is part of the
//	    replicated state. (D§6.3)                                     session.go
//
// They add up to the five properties of Figure 3, which invariant.go states as
// code and which the simulator checks after every step: election safety,
// leader append-only, log matching, leader completeness, state machine safety.
//
// # Core and shell
//
// The algorithm is [Core], a deterministic value without goroutine, clock,
// random source or I/O: [Core.Step] takes a message, [Core.Tick] a unit of
// time, [Core.Propose] a command; [Core.Ready] says what to store, send and
// apply, and [Core.Synced] and [Core.Applied] report back. The same calls give
// the same answers, so a whole cluster runs in one goroutine from one seed,
// thousands of times faster than life, and a failure replays exactly.
//
// [Node] is the shell: one goroutine that feeds the core, one that writes to a
// [Storage] (package raft/disk, or memory), one that runs your [StateMachine],
// and a [Transport] that never waits.
//
// Readings of a [Ready] that matter: Messages may leave at once, AfterSync
// only when the disk has answered. A leader's appends are in the first group,
// so its disk works in parallel with its followers'; acknowledgements and
// votes are in the second.
//
// # What is not here
//
// Clocks decide nothing but when to campaign, unless a lease is asked for
// (Config.Lease). Byzantine nodes, which lie, need package bft. A node that
// comes back without what its disk had promised must come back under a new ID:
// it might vote twice under the old one. Witnesses, which vote without a log,
// are not here.
//
// # Reading order
//
//	message.go      the vocabulary: Entry, Message, HardState, Snapshot
//	log.go          the log of one node and its marks: commit, durable, applied
//	entries.go      where its entries are
//	config.go       what a core must be told
//	core.go         state, roles, terms; Tick, Step and the table of handlers
//	election.go     campaigns, votes, PreVote, CheckQuorum
//	progress.go     what a leader knows of a follower: matchIndex, nextIndex
//	replication.go  sending, accepting, backing up, committing
//	ready.go        what the shell must store and send, and in which order
//	snapshot.go     when the log is cut
//	reads.go        linearizable reads without writing
//	lease.go        and without a round of messages, by the clock
//	membership.go   who takes part, and changing that
//	transfer.go     giving leadership away
//	sleep.go        a core without work, put away and built again
//	quorum/         majorities
//	event.go        what happened, as data
//	invariant.go    the five properties
//	node.go         the shell as its users see it
//	loop.go         its loop; inbox.go, writer.go and apply.go are its ends
//	session.go      commands that run exactly once
//	admin.go        what an operator asks of a node
//	storage.go, transport.go, options.go, status.go, errors.go: the seams
//	encoding.go     messages and entries as bytes
//	rafttest/       the conformance kit and the simulator
//	disk/           the durable storage
//	tcp/            the transport between processes
//	multi/          many groups in one process
package raft
