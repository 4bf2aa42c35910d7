// Package p2p is how nodes that do not trust the network, nor each other, talk: links that are
// authenticated and encrypted, and a [Switch] that keeps them and carries channels of messages over them.
//
// # The problem
//
// A validator's port is open to whoever finds it. What comes in may be a peer, a scanner, a peer of another
// chain, somebody who replays what a peer once said, or a peer that is paid for by an enemy: one that
// sends half of a frame and waits, that never reads, or that sends without end. None of it may cost another link
// anything, nor more memory than is stated, and each must be called by its name in the log.
//
// # The picture
//
//	Send, TrySend           a link                                     another node
//	   |                    |                                          |
//	   +--> queue, bounded -+  packets    +--------+   records         +-> inbox, bounded --> Handler.Receive
//	   +--> queue, bounded -+-----------> | writer | ================> +-> inbox, bounded --> Handler.Receive
//	Next <-- asked ---------+  by weight  +--------+   AES-256-GCM
//
// Each channel of a link has a queue out and an inbox, bounded in bytes. The writer takes from the queues in proportion
// to their channels' priorities, in packets of at most 16 KiB, so that a vote waits for a packet of a block and not for a block; it
// takes all that there is into one write, and writes at once: what comes during a write goes with the next. There is no flush timer.
//
// A channel may also be asked for what to send ([ChannelOptions].Next), after [Peer.Wake], when the link is ready to
// take it. So what is sent is decided at the last moment, by what is known then, and nothing waits in a queue to go stale.
//
// # A link begins
//
//	dialer                                                      listener
//	magic, X25519 point -------------------------------------->
//	     <---------------------- magic, X25519 point | sealed: key, signature, hello
//	sealed: key, signature, hello ----------------------------->
//
// Station to station: the points are made for this link alone. Their shared secret gives, by HKDF over both points, one key for each
// direction and a challenge, which each signs with its node key, together with which side it is. Who
// replays an old handshake meets a new point, hence other keys. A hello has the protocol's version, the chain's id and the channels.
// A node's id is the address of its key: the first 20 bytes of the key's SHA-256, in hex.
//
// # Rules
//
//	P1  Links are authenticated and encrypted, bounded in both directions, and a garbled one ends alone.
//
// In detail, each with a test and a planted bug: the other end is who it was dialed for, and not ourselves; no low-order points;
// a record that was changed, repeated, left out or turned back does not open; the chain's id and the version are the same;
// one link a node, and when two dial each other at once, both keep that of the lower id; a message is not longer than its channel
// allows; half a frame, a reader that does not read and silence end by a timeout; too many that dial push out the oldest that has
// not introduced itself.
//
// # Reading order
//
//	secret.go   the handshake, and records
//	hello.go    what nodes say of themselves
//	channel.go  channels, and the two bounded queues that a peer has for each
//	peer.go     a link at work, from its beginning to its end; writer.go packets out, reader.go packets in
//	switch.go   who is connected; accepting
//	dial.go     persistent peers
//	options.go errors.go status.go key.go memory.go
package p2p
