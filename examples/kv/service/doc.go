// Package service is etcd's service without its wire: one member of the
// cluster, with a method for each request. Package httpapi gives it etcd's JSON
// over HTTP; another face can be put beside it.
//
// # The problem
//
// A state machine that is the same on every member still is no service. A
// client speaks to any member, and only the leader may decide; it wants to know
// whether its write happened, when a leader died half-way; leases end by a
// clock, and a replicated state has none; and a store that only grows will one
// day fill its disk.
//
// # The picture
//
//	client                     this member                        the leader
//	  |   Put                     |                                    |
//	  |-------------------------->| Validate, quota                    |
//	  |                           |--- Peers.Call "propose" bytes ---->| Node.Propose
//	  |                           |                                    |  ... the log ...
//	  |                           |<-- result -------------------------| Store.Apply
//	  |<--------------------------| DecodeResult                       |
//	  |   Range                   |                                    |
//	  |-------------------------->| Node.Read ---- read index -------->|
//	  |                           |<-----------------------------------|
//	  |<--------------------------| Store.Range, here                  |
//
// # The rules
//
//	S1  A command is proposed again only if it certainly was not: the member was
//	    no leader, was not reached, or its proposal was overwritten. Otherwise
//	    the client hears "request timed out, possibly due to previous leader
//	    failure", and decides.                                     propose.go
//	S2  A read is linearizable unless it asks not to be: it waits for the
//	    leader's commit index, and is answered here.               kv.go
//	S3  A lease ends by its leader's clock, through the log; a keepalive is
//	    answered by a leader that has just made sure it is one. A lease may last
//	    longer than it was granted, never shorter.                 lease.go
//	S4  Whether the quota is exceeded is decided by one member, and becomes true
//	    for all at one place of the log.                           propose.go
//	S5  A member that is to vote can be reached, and a member without a majority
//	    behind it changes no membership.                           cluster.go
//	S6  A removed member stops, also if nobody tells it.           member.go
//	S7  A planned stop hands leadership over first.                member.go
//	S8  Members whose data differ are found, and the cluster stops writing.
//	                                                               maintenance.go
//	S9  History is compacted when it is due, and not before.       maintenance.go
//	S10 A member that lacks the log is sent the state, whatever storage either
//	    has, and members agree whatever storages they have.        courier.go
//	S11 A store on a disk is where it was left when its member starts again, and
//	    raft's snapshots of it are names.                          machine.go
//	S12 A store whose disk fails ends its member, not the process, and no command
//	    is taken for executed that was not.                        machine.go
//
// Raft's sessions (exactly once) are not used: etcd has none, its clients
// repeat a command only if it may run twice, or guard it with a transaction.
//
// Tests print the rule that was broken; testdata/bugs breaks each on purpose.
//
// # Reading order
//
//	member.go       a member and its chores
//	propose.go      the way of a command; calls between members
//	machine.go      the store under raft, in memory or on a disk
//	courier.go      states on their way to another member
//	kv.go, lease.go, maintenance.go, cluster.go: the requests
//	errors.go       what clients are told
//	local.go        members in one process
package service
