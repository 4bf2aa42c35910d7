// Package tcp carries the messages of package raft between processes: a
// [raft.Transport] over TCP, with or without TLS.
//
// # The problem
//
// Raft asks little of a network. It may lose messages, repeat them and reorder
// them; the protocol notices and sends again. What it must not do is change
// them, or make a node wait: a leader that waits for one slow follower has
// stopped for all. So the whole of this package is about being allowed to drop
// things, and about doing so where it hurts least.
//
//	node 1                                                     node 2
//	                bounded                 a connection
//	Send --> queue for 2 ---> writer ===== frames ========> reader --> deliver
//	    |                       ^  <------ pongs ----------
//	    |                       |
//	    +--> queue for 3        +-- dials, says hello, dials again
//	    |
//	    +--> snapshot for 2 --> ========== chunks ========> collects, checks --> deliver
//	                            <--- acknowledgements -----
//
// Every node dials for what it sends itself, so two nodes have a connection in
// each direction, which fail and return on their own. A snapshot is sent over
// one more, so that heartbeats do not wait behind it.
//
// # A connection
//
//	dialer                                        listener
//	"raft/tcp" 0 1                                            magic, version
//	hello: stream, encodings, instance, from, to, cluster -->
//	                               <-- "raft/tcp" 0 1, answer: welcome, or why not
//	message, message, message ... -->
//	ping -->                       <-- pong
//
//	frame   | length 4 | kind 1 | CRC32C 4 | payload |
//
// The payload of a message is package raft's own encoding. Both sides say which
// versions of it they read, and the newest that both do is spoken: a cluster is
// upgraded, and downgraded, one node at a time.
//
// # What is lost, when, and why that is well
//
//   - A queue that is full drops what comes, not what is there: a follower can
//     use the beginning of a run of entries, but not its end (queue.go).
//   - A connection that fails takes with it what was queued for it, and what
//     the kernel had not delivered. Old messages are not kept for a new
//     connection: what they say has been overtaken, and Raft says it again, an
//     AppendEntries with the next heartbeat, a vote at the next election.
//   - A peer that takes nothing costs its queue, Options.QueueBytes, and no
//     more; after Options.Timeout the connection is given up. One that has
//     vanished, with nothing to tell TCP so, is noticed by its missing pongs:
//     TCP itself would wait for minutes after a partition has healed.
//   - A snapshot is not lost so lightly: it is sent over as many connections as
//     it takes, each going on where the last one ended (snapshot_send.go). Only
//     if nothing is acknowledged for four timeouts it is given up and reported.
//
// Nothing is delivered twice by the transport, or out of order, within a
// connection; over a reconnection both may happen, as in any network.
//
// # The rules
//
//	T1  Send never waits, and what waits to be sent is bounded, per peer: the end
//	    of it is dropped, not the beginning.              queue.go, transport.go
//	T2  What is delivered is what was sent: every frame has a checksum, every
//	    snapshot one of its whole.                   frame.go, snapshot_receive.go
//	T3  A message is delivered only if it comes from whom the handshake named,
//	    in this cluster, to this node.                   handshake.go, incoming.go
//	T4  Whatever is read from a stranger, or from a peer that has gone mad, is
//	    bounded in memory, in connections, in time and in the log.
//	                                                       frame.go, incoming.go
//	T5  Of two processes under one ID one is refused, and both logs say so.
//	                                                                  incoming.go
//	T6  A peer is never given up, and never called in a frenzy.           peer.go
//	T7  A heartbeat does not wait behind a snapshot; a snapshot goes on where it
//	    broke, and how it goes is reported.                      snapshot_send.go
//	T8  When Close returns, nothing is delivered any more, and no goroutine is
//	    left.                                                        transport.go
//	T9  The newest version that both ends read is spoken; two that share none say
//	    so.                                                          handshake.go
//
// Each rule has been broken on purpose, in testdata/bugs, and a test notices.
//
// One message is one frame: a heartbeat waits behind an entry of 64 MiB, as
// long as that takes on the wire. Keep entries small, or ElectionTicks large.
//
// # Security
//
// Without TLS whoever reaches the port is believed: a stranger that knows the
// cluster's ID and a node's can vote in its name, and every message can be
// read. The handshake is against mistakes, not against attackers. Use it on a
// network that is closed by other means, or set Options.TLS: then both sides
// show certificates, always. A certificate of the right authority may speak for
// any node, unless Options.VerifyPeer binds it to one.
//
// The checksums are against accidents as well. A node with a certificate is
// trusted to speak the protocol; Raft does not defend itself against liars.
//
// # Reading order
//
//	options.go           what can be set
//	frame.go             the bytes of everything but the magic
//	handshake.go         who talks to whom, and in which version
//	queue.go             what waits for a peer, and what is dropped
//	peer.go              the dialer: connect, write, ping, again
//	incoming.go          the listener: admit, replace, deliver
//	snapshot_send.go     snapshots: offer, chunks, again
//	snapshot_receive.go  collect, check, deliver
//	transport.go         the whole; metrics.go and errors.go: what it tells
package tcp
