// Package mvcc gives transactions over many keys to a store that only knows how to
// write a batch: snapshots at a StartTS, atomic commits at a CommitTS, over regions
// that live on different machines. It is the algorithm of TiKV, which is Percolator's
// (Peng and Dabek, "Large-scale Incremental Processing Using Distributed Transactions
// and Notifications", OSDI 2010; § below cites it), with what TiKV and CockroachDB
// have added since: async commit, one-phase commit, pessimistic locks, serializable
// isolation by read refresh, and hybrid logical clocks.
//
// # The problem
//
// Two accounts are on two machines, and money goes from one to the other. Whoever
// looks must see it on one side or the other, never on both or neither; also if the
// machine that moves it stops in between, and nobody can tell whether it has stopped
// or is slow. And who adds up all accounts should not have to lock them.
//
// Nothing is overwritten. Each value is kept beside the older ones under the time at
// which it was committed, and a reader who began at some time sees what had been
// committed by then. That leaves one question, what "committed" means when the keys
// are apart; and the answer is that one of them, the primary, decides for all.
//
// # The picture
//
// Bob gives Joe 7 of his 10. The transaction began at 5 and commits at 8. Keys go
// down, time goes to the right; a letter is the column family, and (bob) points to
// the primary.
//
//	      begin              prewrite            commit primary       commit the rest
//	      1     5            1     5             1     5     8        1     5     8
//	bob   W=10               W=10  L             W=10        W@5=3    W=10        W@5=3
//	joe   W=2                W=2   L(bob)        W=2   L(bob)         W=2         W@5=9
//	                                             ^ here it is decided
//
// Three column families hold this. A lock has the key alone as its key: there is one
// at most. The other two have key and timestamp, newest first (record.go).
//
//	lock     key             who is at work there: StartTS, primary, how long it lives
//	write    key + CommitTS  what was committed: kind, StartTS, and a short value
//	default  key + StartTS   a value that is too long for the write record
//
// A reader at time t (reader.go) looks for a lock at or below t, because then somebody
// may be committing below t and nobody knows yet; without one it takes the first write
// record at or below t. Who finds a lock in its way (resolve.go) asks the primary what
// became of the transaction, and does for the key what the one who has gone can not:
// commit it or roll it back. So a client may vanish at any point.
//
// # Two more ways to commit
//
// A commit waits for two rounds: prewrite, then the primary. Async commit waits for
// one. Every lock carries the least CommitTS that no reader could contradict, and the
// transaction is committed as soon as all its locks are there, at the highest of
// those; the primary's lock lists the others, so that anybody can find out. If all keys
// are in one region and one request, it commits in that request: one-phase commit.
// Both live of one bound: a region remembers the highest timestamp it was read at,
// and who commits later does so above it.
//
// # Isolation
//
// Snapshot isolation comes with the above: a transaction reads at StartTS, and fails if
// a key that it writes was written since. Two that each read what the other writes both
// succeed (write skew). A serializable transaction also looks, once it has its CommitTS,
// whether everything it read, keys that were absent and ranges too, would read the same
// then (refresh.go): so it might as well have happened all at that instant, and
// the order of CommitTS is the serial order. A pessimistic one locks keys before it
// reads them, and waits instead of failing. One engine has all of them at once.
//
// # The rules
//
// The code cites the rule where it obeys it; mvcctest grades by the same ones, and each
// has a planted bug that proves its test.
//
//	V1   A read at t returns the value with the highest CommitTS at or below t. It
//	     passes over any number of rollback and lock records, and is stopped by
//	     a lock with StartTS at or below t, unless that cannot commit at or below t;
//	     not by one above. (§2.2)                                     reader.go
//	V2   A request is a function of a snapshot and its own fields to a batch and an
//	     answer. Requests that share a key run one after the other, by latches taken
//	     in order, and those that share none at once.                  latch.go
//	V3   A request that comes twice, late, or after a later one of its transaction
//	     changes nothing that was decided, while its StartTS is above the safepoint;
//	     at or below, it is refused.                                  all commands
//	V4   A key takes a lock only if nobody else's is there, and nothing was committed
//	     on it above StartTS; the CommitTS decides, not the StartTS. (figure 6)
//	                                                                  prewrite.go
//	V5   A transaction is committed when its primary is; the secondaries follow, never
//	     lead. Committed is never rolled back, nor the reverse. (§2.2)
//	                                                        commit.go, twophase.go
//	V6   A rollback leaves a record, also where no lock was, so that a prewrite
//	     which is late finds it. A record of another transaction at the
//	     same timestamp is not taken for it, nor overwritten. (tikv#921, #5673)
//	                                                                  commit.go
//	V7   A lock expires by the time of day in its StartTS and TTL. Only the primary's
//	     expiry counts, and a heartbeat prolongs it.                  status.go
//	V8   Pessimistic locks are taken at a ForUpdateTS, above which nothing is
//	     committed; prewrite finds them still there, or fails. They hold no reader up.
//	     (tikv#7291)                                                  pessimistic.go
//	V9   Who waits in a circle is told so, whatever its length: one of them gives way.
//	                                                                  deadlock.go
//	V10  An async commit is committed if all its keys are locked, at the highest
//	     MinCommitTS of them; who finds one missing prevents it there first.
//	     It falls back to two phases as a whole. (tidb#24384)         resolve.go
//	V11  A CommitTS that was not taken from the oracle after the last prewrite is
//	     above every timestamp at which the region was read: with async and one-phase
//	     commit, and with hybrid clocks always. The bound survives a change of leader
//	     and a split. (tikv#10570)                          latch.go, serve.go
//	V12  Where clocks differ, a value between a reader's time and that plus the offset
//	     may be older than the reader, and is not passed over: the reader moves up,
//	     if what it has read so far is the same there, or fails.      txn.go, refresh.go
//	V13  A serializable transaction commits if keys, absent keys and ranges that
//	     it read are the same at CommitTS, and stay so.               refresh.go
//	V14  A transaction reads what it has itself written, in order, in both directions;
//	     a savepoint takes back what came after it.                   buffer.go
//	V15  A commit whose outcome is unknown says so, and never that it failed. A
//	     transaction is not run again but by Run.                     txn.go, twophase.go
//	V16  Collection keeps, of each key, what is visible at the safepoint and all after
//	     it. No active transaction is older than the safepoint; no lock is left at or
//	     below it.                                                    gc.go
//	V17  A request that comes to a region which has split or moved is refused by
//	     its epoch; the client looks again and sends the parts.       admit.go, client.go
//
// # Reading order
//
// Vocabulary: engine.go, command.go, errors.go, transport.go, record.go (what lies in
// the three families, byte by byte) with enginekey.go, memory.go (the engine that is the
// default).
//
// The region, which is a server's half. What requests do, as functions of a snapshot:
// reader.go with scanner.go, ahead.go and unchanged.go, prewrite.go, commit.go, status.go,
// pessimistic.go with deadlock.go, gc.go, pushdown.go. How they get to do it: region.go, admit.go,
// serve.go, latch.go. local.go has several regions in one process.
//
// The client's half: db.go, txn.go with buffer.go and scan.go, forupdate.go, twophase.go
// with firstphase.go, refresh.go, resolve.go, client.go (regions found, requests split and
// sent again), select.go (queries; pushdown.go is the region's part), collect.go (what
// drives collection), export.go, metrics.go. grid.go draws the picture above of any state.
//
// Packages below: timestamp, clock (what clocks are made of), oracle and hlc (the two
// clocks), ordmap (the map under the engine in memory), coprocessor (plans that are pushed
// to the regions), history (finds anomalies in what clients saw), enginetest (what an
// engine has to pass), mvcctest (the kit).
package mvcc
