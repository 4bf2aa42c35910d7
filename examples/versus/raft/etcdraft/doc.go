// Package etcdraft runs go.etcd.io/raft behind the interface of package raft's
// core, and speaks both languages. It serves three ends:
//
//   - the conformance kit grades the production library (kit_test.go), which
//     proves that the kit asks for Raft and not for package raft;
//   - both libraries form one cluster, each understanding the other's messages
//     (mixed_test.go);
//   - whoever outgrows package raft finds the way out: Core is a drop-in for
//     [raft.Core] in a program that drives the core itself.
//
// # The picture
//
//	               raft.Message                       raft.Ready
//	Step, Tick, Propose |                                  ^
//	                    v ToEtcd                           | FromEtcd
//	             +-------------+   etcd Ready   +----------+-----------+
//	             | etcd        |--------------->| Messages             | sent at once
//	             |   RawNode   |                | MsgStorageAppend     |
//	             |             |<-- Synced -----|   entries, responses | AfterSync
//	             |             |<-- Applied ----| MsgStorageApply      | Committed
//	             +------+------+                +----------------------+
//	                    | reads
//	             MemoryStorage: what is durable
//
// etcd's asynchronous storage writes are the same contract as package raft's
// Ready: what must wait for the disk hangs on the write (Responses there,
// AfterSync here), and the core goes on meanwhile.
//
// # What differs between the languages
//
//	raft                               etcd
//	AppendEntries                      MsgApp, and a MsgHeartbeat that carries Round
//	AppendEntries with a marked Round  MsgHeartbeat
//	AppendEntriesReply                 MsgAppResp
//	  with a marked Round              MsgHeartbeatResp
//	Round                              Context of heartbeats
//	Mid, MidTerm                       nothing: probes are then halved by nobody
//	ReadReply that rejects             nothing: the read is lost
//	EntryNoop                          an EntryNormal without data
//
// An empty command is therefore not told from a leader's empty entry, and
// changes of membership and sessions, whose entries only package raft reads,
// are not translated.
//
// # Reading order
//
//	translate.go  messages, both ways
//	core.go       the core: what goes into the RawNode
//	ready.go      what comes out of it, and back from the disk
//	log.go        what etcd's RawNode does not show: the log's terms
//	silent.go     its logger
package etcdraft
