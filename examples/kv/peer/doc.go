// Package peer is the network between the processes of a cluster: raft's
// messages (raft/tcp) and the calls of package service, on one address with one
// set of certificates, as etcd has one peer URL for both.
//
//	accept -- TLS? -- first byte --+-- 'r' of raft/tcp's magic ----> raft/tcp
//	                               +-- 'P' of "POST /kv/..." ------> HTTP --> Member.Serve
//
// # Rules
//
//	P1  TLS is on both sides, and both show certificates: whoever is let in is
//	    believed. Without TLS whoever reaches the port is.   peers.go
//	P2  A call that fails says whether it was made: service.ErrNotSent if
//	    certainly not, raft.ErrOutcomeUnknown if it may have been.  peers.go
//	P3  A stranger who connects and is silent, or speaks neither protocol, holds
//	    nothing for long.                                    split.go
//	P4  Who is gone is not called any more, and who has moved is called where
//	    he is.                                               peers.go
//	P5  A snapshot is streamed: neither end has it in memory, and one that is cut
//	    off is none.                                         snapshot.go
//	P6  A connection that cannot be accepted is one connection less, and not a
//	    member that is deaf from then on.                    split.go
//
// Tests print the rule that was broken; testdata/bugs breaks each on purpose.
//
// Reading order: split.go (one address, two protocols), peers.go (calling, and
// being called), snapshot.go.
package peer
