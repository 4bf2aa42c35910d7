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
// A lock says who is at work on a key, and where his primary is; a write record, what was
// committed there and when. Package region has both, byte by byte. A reader at time t is
// stopped by a lock at or below t, because then somebody may be committing below t and
// nobody knows yet; without one it takes the first write record at or below t. Who finds
// a lock in its way (resolve.go) asks the primary what became of the transaction, and does
// for the key what the one who has gone can not: commit it or roll it back. So a client may
// vanish at any point.
//
// # Two halves
//
// Package region lies where the data is. It answers requests, each of which is a function
// from a snapshot of its records to a batch of changes and an answer, and knows nothing of
// transactions but what lies in its records. This package is what runs in the client: a
// transaction with what it has read and written, and the order in which requests are
// sent. Between them are only requests (region/command.go) and who carries them, a
// [Transport]. Read this one to know why the protocol is right if requests do what they
// promise, and that one to see that they do.
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
// has a planted bug that proves its test. The regions keep the others of V1 to V17, which
// are in the essay of package region: what a read returns (V1), latches (V2), requests that
// come twice (V3), conflicts (V4), rollbacks (V6), expiry (V7), pessimistic locks and
// circles (V8, V9), the read bound (V11), collection (V16, of which collect.go has the
// client's part), and epochs (V17, with client.go).
//
//	V5   A transaction is committed when its primary is; the secondaries follow, never
//	     lead. Committed is never rolled back, nor the reverse. (§2.2)
//	                                                        twophase.go, region/commit.go
//	V10  An async commit is committed if all its keys are locked, at the highest
//	     MinCommitTS of them; who finds one missing prevents it there first,
//	     once the primary has expired. It falls back to two phases as
//	     a whole. (tidb#24384)                                        resolve.go
//	V12  Where clocks differ, a value between a reader's time and that plus the offset
//	     may be older than the reader, and is not passed over: the reader moves up,
//	     if what it has read so far is the same there, or fails.      txn.go, refresh.go
//	V13  A serializable transaction commits if keys, absent keys and ranges that
//	     it read are the same at CommitTS, and stay so.               refresh.go
//	V14  A transaction reads what it has itself written, in order, in both directions;
//	     a savepoint takes back what came after it.                   buffer.go
//	V15  A commit whose outcome is unknown says so, and never that it failed. A
//	     transaction is not run again but by Run.                     txn.go, twophase.go
//
// # Reading order
//
// options.go, db.go, txn.go with buffer.go and scan.go; client.go (how a request finds its
// region, and is sent again). Then package region, at least its command.go.
//
// The commit: twophase.go with firstphase.go, refresh.go (what was read is the same), resolve.go
// (others' locks). forupdate.go takes locks before.
//
// The rest: select.go (queries), collect.go (what drives collection), export.go, and names.go
// (what is package region's, for users of this one).
//
// Packages below: region (the other half), timestamp, clock (what clocks are made of), oracle
// and hlc (the two clocks), ordmap (the map under the engine in memory), coprocessor (plans
// that are pushed to the regions), history (finds anomalies in what clients saw), enginetest
// (what an engine has to pass), mvcctest (the kit).
package mvcc
