// Package multi runs many raft groups in one process: thousands of replicated
// logs that share one wire, one disk and one clock, as the ranges of CockroachDB
// and the regions of TiKV do. Each group is a [raft.Core] of package raft; what
// is here is how they share.
//
//	host, err := multi.Start(multi.Options{ID: 1, Storage: disk, Transport: network.Join(1),
//		StateMachine: func(g multi.GroupID) (raft.StateMachine, error) { return newStore(g) }})
//	err = host.Create(ctx, 1, []raft.NodeID{1, 2, 3})      // on each of the three
//	result, err := host.Propose(ctx, 1, command)           // on the leader of group 1
//	err = host.Read(ctx, 1)                                // then read the state machine
//	err = host.Split(ctx, 1, 2, []byte("m"))               // group 2 takes what is behind m
//
// # The problem
//
// One log is one order, and one order is one leader's work: it does not grow with
// the machines. So a large store is cut into ranges, each with a log of its own,
// whose leaders are spread over the machines. Then there are ten thousand groups
// on three machines, most of which have had nothing to do for an hour, and what
// was cheap in one is the whole load: a heartbeat a tick to each follower is
// 600,000 messages a second, a sync for each group's log is a disk that does
// nothing else, a kilobyte of timers and progress is memory that holds no data.
//
// # The picture
//
//	      host 1                                         host 2
//	+-----------------+                            +-----------------+
//	| g1 leader       |   one envelope a tick      | g1 follower     |
//	| g2 follower     | -------------------------> | g2 leader       |
//	| g3 asleep       |   heartbeats of g1, the    | g3 asleep       |
//	| g4 asleep       |   answer to g2's of before | g4 asleep       |
//	|   ...           | <------------------------- |   ...           |
//	| g9999 asleep    |   and no word of the rest  | g9999 asleep    |
//	+--------+--------+                            +--------+--------+
//	         | one batch, one sync                          |
//	   [g1 g2 g1 | g7 | g1 g2 ...]                    [g1 g2 | g7 ...]    one log each
//
// A group without work sleeps: nothing ticks, nothing is sent, and what is left
// of its core is some 200 bytes (raft.Asleep). That its leader lives is told by
// the leader's host, once for all its groups. Such a group wakes for a command, a
// read, a message with something new in it, or a host that falls silent or comes
// back.
//
//	awake --- leader: no command for RestTicks, all have all; it says so ---> asleep
//	      <-- command, read, news, leader's host silent, member's host back --
//
// # The rules
//
// Tests print the rule that was broken; bugs are planted against each
// (testdata/bugs). §, D§ and R are package raft's.
//
//	M1   What a host has to say to another is one envelope at a time. Heartbeats
//	     and their answers travel with the ticks: two envelopes a pair of hosts
//	     and tick, whatever the number of groups.           ready.go, peer.go
//	M2   All groups write to one log, and share its syncs. What is written
//	     together is there together or not at all. A promise leaves when its
//	     record is durable, and all records before it.      ready.go, disk.go
//	M3   A leader lets its group sleep when it has had nothing to do for RestTicks
//	     and everybody has, committed, all there is; a follower joins in if that
//	     is so for it, and it has applied it.                         rest.go
//	M4   Nobody is left behind: a host that was silent, or was restarted, wakes
//	     the groups that may owe it something, or that it led.        peer.go
//	M5   What is new wakes a group; an answer to what was said before does not,
//	     and who has not heard that the group sleeps is told again.   rest.go
//	M6   Hosts live or die, not groups: one that is silent for an election timeout
//	     is suspected, once, and the groups that it leads wake. To a group that
//	     wakes, its host's silence has passed like its own time, and not a tick
//	     more: voters keep their word to a lease.            peer.go, rest.go
//	M7   The replicas of the right group of a split are made at one index of the
//	     left group's log, of one state and with the same members, and with the
//	     left group's change or not at all.                 split.go, group.go
//	M8   A host joins a group that it lacks when the members count on it, but not
//	     before a split that is late had the time to come.            group.go
//	M9   A group that was removed from a host never comes back to it: it would
//	     have forgotten its votes.                          group.go, disk.go
//	M10  A group's commands are applied in order, by one worker at a time; those
//	     of a slow group hold up no other.                           apply.go
//	M11  A host whose disk does not answer falls silent and holds no lease, nor
//	     does one whose clock has stood still.                        loop.go
//	M12  What no correct host sends changes nothing, and is reported.
//	                                                   core.go, encoding.go
//	M13  A read sees what was acknowledged before it was asked for. A lease ends
//	     when the group sleeps.                        package raft: sleep.go
//	M14  The log is cut where no group needs it any more; a group that holds an
//	     old file is written again at the end, and is durable there before the
//	     file goes.                                                   disk.go
//
// # Leases
//
// With Options.Raft.Lease a leader answers reads by itself (raft's lease.go). A
// lease counts from the tick at which a round of heartbeats starts. As answers
// travel with the next tick (M1) a round is confirmed about two ticks later than
// in a group alone, which shortens the lease and never lengthens it; at an
// election timeout of 10 ticks a lease of 8 or 10 is always held by a leader that
// is awake. A sleeping leader holds none: nobody counts for it. The first read
// after a sleep costs a round of messages, and the next RestTicks are local.
//
// # Core and shell
//
// [Core] decides, as a value: which replicas are ticked, which messages share an
// envelope, who sleeps and who wakes. [Host] is the shell: a loop that owns the
// core, a writer that owns the disk, workers for the state machines. All of it is
// tested on failing disks, networks and clocks in virtual time, with package
// raft's own judge of the paper's five properties looking at every group.
//
// # What was measured
//
// 2 cores of an Intel Xeon, Linux 6.18, ext4, go1.26, 27 November 2026, the
// machine shared with other work: go test -bench . ./raft/multi.
//
//	10,000 groups on 3 hosts, all asleep: a tick of the three hosts takes 1.1 µs,
//	no allocation, and two envelopes a pair (1 group: 1.0 µs)
//	10,000 groups that are kept awake: still two envelopes a pair; 2.6 µs for each
//	replica's heartbeat and answer
//	heap of a sleeping replica: 350 to 410 B in a core, 490 B in a host on a disk;
//	awake it takes 1,070 B in a core, with a lease 1,120 B
//	64 clients, commands of 64 B, three hosts with a synced log each, in one
//	process: 30 commands share a sync, be they of 1 group or of 1,000
//
// # What is not here
//
// Groups do not merge. Members are placed by whoever uses this; the package moves
// only leadership and membership when asked. A snapshot is one message in memory:
// groups should be some ten megabytes, which is why they split. Nobody but the
// leader's host vouches for a lease (CockroachDB's store liveness).
//
// # Reading order
//
//	message.go, event.go  the vocabulary
//	config.go             what a core must be told, and the errors
//	core.go               replicas, ticks and messages
//	rest.go               falling asleep and waking up
//	peer.go               the other hosts: signs of life, suspicion
//	ready.go              what the shell must store and send: envelopes, one sync
//	group.go              how groups begin, are cut, and end
//	host.go               the shell as its users see it
//	options.go            what it needs: state machines
//	loop.go               its loop; inbox.go, writer.go and apply.go are its ends
//	split.go              a command that makes a group
//	snapshot.go           states for followers, and for the log to be cut
//	admin.go, status.go   what an operator asks
//	storage.go            the seam to the disk; record.go and disk.go: one log
//	transport.go          the seam to the network; encoding.go: envelopes as bytes
package multi
