// Package peer is the network between the processes of a cluster: raft's
// messages (raft/tcp) and the calls of package service, on one address with one
// set of certificates, as etcd has one peer URL for both.
//
//	accept -- TLS? -- first byte --+-- 'r' of raft/tcp's magic ----> raft/tcp
//	                               +-- 'P' of "POST /kv/..." ------> HTTP --> Member.Serve
//
// TLS is on both sides, and both show certificates: whoever is let in is
// believed. Without TLS whoever reaches the port is.
//
// Reading order: split.go (one address, two protocols), peers.go (calling, and
// being called).
package peer
