// Package region is the half of package mvcc that lies where the data is: a region has a
// range of keys, an engine with their records, and answers requests. It knows no client,
// and gives out no timestamp; what a transaction is, it learns from requests and from what
// lies in the engine. The essay of package mvcc has the problem and the picture, and who
// sends what when; here is what a request does. (§ and figures are Percolator's, which is
// cited there.)
//
// # Three column families
//
// A region keeps nothing but records, in three key spaces of an [Engine]. A lock has the
// key alone as its key: there is one at most. The other two have key and timestamp,
// newest first (record.go).
//
//	lock     key             who is at work there: StartTS, primary, how long it lives
//	write    key + CommitTS  what was committed: kind, StartTS, and a short value
//	default  key + StartTS   a value that is too long for the write record
//
// A transaction moves through them one request at a time, each of which may be its last:
//
//	             lock             write                  default
//	prewrite     L of StartTS                            value, if it is long
//	commit       -                W@StartTS at CommitTS
//	rollback     -                R at StartTS           -
//
// A reader at time t looks for a lock at or below t, because then somebody may be
// committing below t and nobody knows yet; without one it takes the first write record at or
// below t.
//
// # A request is a function
//
// A request is a function from a snapshot of the engine, and its own fields, to a batch of
// changes and an answer. It looks at all of its keys first, and then changes all of them or
// none; it asks no clock, sends nothing, and waits for nobody. So it is tested without any
// of them, and a leader's log may have the batch instead of the request.
//
// Around it is what cannot be such a function (serve.go), in this order:
//
//	admit     is it for this region, as it is now, and can it be meant?         V17
//	latches   requests that share a key come one after the other                V2
//	bound     reads tell how late a commit must be; prewrites ask               V11
//	snapshot  --> apply --> batch --> engine
//	wake      whoever waits for a lock that went
//
// Reads take no latch. A request that only reads raises the region's read bound before
// it looks; a prewrite takes its least CommitTS from that bound after it can be seen among
// the pending ones. So either the reader finds the lock, or finds the prewrite under
// way, or the prewrite commits above the reader.
//
// Requests come twice, late, and after later ones. None needs a memory of what came
// before, as the records are that memory: the commit that is repeated finds its write
// record, the prewrite that is late finds the rollback. Once records may have been
// collected they tell nothing any more, and requests of that age are refused.
//
// What a region remembers beside its records is latches, who waits for whom, the read
// bound, and the safepoint, of which the engine has a copy. All may be lost but for the
// bound: a new leader begins with one above all that the old one can have served.
//
// # The rules
//
// Rules V1 to V17 are those of transactions as a whole. These are kept here; V5, V10 and
// V12 to V15, which clients keep, are in the essay of package mvcc. The code cites the rule
// where it obeys it.
//
//	V1   A read at t returns the value with the highest CommitTS at or below t. It
//	     passes over any number of rollback and lock records, and is stopped by
//	     a lock with StartTS at or below t, unless that cannot commit at or below t;
//	     not by one above. (§2.2)                          reader.go, scanner.go
//	V2   A request is a function of a snapshot and its own fields to a batch and an
//	     answer. Requests that share a key run one after the other, by latches taken
//	     in order, and those that share none at once.                  latch.go
//	V3   A request that comes twice, late, or after a later one of its transaction
//	     changes nothing that was decided, while its StartTS is above the safepoint;
//	     at or below, it is refused.                                  all requests
//	V4   A key takes a lock only if nobody else's is there, and nothing was committed
//	     on it above StartTS; the CommitTS decides, not the StartTS. (figure 6)
//	                                                                  prewrite.go
//	V6   A rollback leaves a record, also where no lock was, so that a prewrite
//	     which is late finds it. A record of another transaction at the
//	     same timestamp is not taken for it, nor overwritten. (tikv#921, #5673)
//	                                                                  commit.go
//	V7   A lock expires by the time of day in its StartTS and TTL. Only the primary's
//	     expiry counts, and a heartbeat prolongs it.                  commit.go
//	V8   Pessimistic locks are taken at a ForUpdateTS, above which nothing is
//	     committed; prewrite finds them still there, or fails. They hold no reader up.
//	     (tikv#7291)                                                  pessimistic.go
//	V9   Who waits in a circle is told so, whatever its length: one of them gives way.
//	                                                                  deadlock.go
//	V11  A CommitTS that was not taken from the oracle after the last prewrite is
//	     above every timestamp at which the region was read: with async and one-phase
//	     commit, and with hybrid clocks always. The bound survives a change of leader
//	     and a split. (tikv#10570)                          latch.go, serve.go
//	V16  Collection keeps, of each key, what is visible at the safepoint and all after
//	     it. No active transaction is older than the safepoint; no lock is left at or
//	     below it.                                gc.go; the client's collect.go
//	V17  A request that comes to a region which has split or moved is refused by
//	     its epoch; the client looks again and sends the parts.
//	                                           admit.go; the client's client.go
//
// # Reading order
//
// Vocabulary: command.go (requests and answers, to be looked things up in), errors.go,
// engine.go (what is needed of a storage, and the one in memory), record.go (what lies in
// the three families, byte by byte). grid.go draws any state of them.
//
// What requests do, as functions of a snapshot: reader.go; walk.go with scanner.go;
// prewrite.go, commit.go, pessimistic.go with deadlock.go, gc.go, pushdown.go (a query, over
// a scanner).
//
// How they get to do it: region.go, admit.go, serve.go, latch.go. local.go has several
// regions in one process.
package region
