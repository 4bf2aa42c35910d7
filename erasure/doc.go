// Package erasure stores objects on a set of drives so that any of them may
// fail, as many as the object has parity shards. It is the heart of MinIO as a
// library: placement, erasure coding, quorums, healing.
//
// # The problem
//
// An object is cut into data shards and joined by parity shards ([rs] is the
// essay on that), one on each drive. That alone does not survive much: a write
// reaches some drives and not others, power goes between two of them, a drive
// comes back with the state of last week, another returns wrong bytes without
// an error. Of the drives of a set, some are always wrong about something; the
// store is what is true all the same.
//
// # The picture
//
//	name ── SipHash(deployment, name) ──> a set of n drives
//	name ── CRC-32(name) ───────────────> shard i of it lies on drive (i + r) mod n
//
//	       1 MiB block            2 + 2 shards        a drive
//	body ─┬─[ block 0 ]─ Split ─> d0 d1 │ p0 p1  ─┬─> tmp/ID.1   sum d0 sum d0 ...
//	      ├─[ block 1 ]─ Encode   d0 d1 │ p0 p1   ├─> tmp/ID.1   sum d1 sum d1 ...
//	      └─[ block 2 ]           d0 d1 │ p0 p1   ├─> tmp/ID.1   sum p0 sum p0 ...
//	                                              └─> tmp/ID.1   sum p1 sum p1 ...
//	       sync all; a write quorum is ready: on each drive at once
//	           rename the shards, then the version file, into the object's directory; sync it
//	       a write quorum has done so: the version is acknowledged, what it replaces is removed
//
// On a drive, an object is a directory, and each version of it is a file:
//
//	objects/photos/cat.jpg/@189f3c...-7be1...        the version: what, how large, which shard
//	objects/photos/cat.jpg/+7be1....1                its shard (of part 1), if not within the file
//	uploads/30c2.../@...                             an upload that goes on
//	uploads/30c2.../3/@...  +....1                   its part 3
//	tmp/...                                          what is being written; emptied when the drive is opened
//	format                                           whose drive it is, its place, what it may have missed
//
// There is no list of versions that would have to be changed: a new version is
// a new name beside the old ones, and the rename of its file is the moment at
// which it exists on that drive.
//
// # What is true
//
// A version has a write quorum: as many drives as it has data shards, one more
// when it has as many parity shards. So any two write quorums share a drive, and
// what a write quorum left out cannot be read: it is fewer than the data shards.
//
// To know the current version, all drives are asked. A drive holds a version,
// or says it does not, or is silent: unreachable, damaged, or new and not yet
// rebuilt. Then, from the newest version down, h drives holding it and u silent:
//
//	h >= data             it is the current version. If h is below the write quorum
//	                      it is first brought there: a reader has seen it.
//	h + u < write quorum  it was never acknowledged. It is removed from the h
//	                      drives first; then the next older one is looked at.
//	otherwise             nobody can know: ErrReadQuorum.
//
// This is judge.go, a pure function, and all the rest follows from it:
//
//   - A put that was cut off is completed or removed by whoever looks next, and
//     by all who look later in the same way.
//   - A put or delete that fails says so only when the drives that may hold the
//     version are fewer than its data shards. Otherwise it is
//     ErrOutcomeUnknown, and the next reader settles it.
//   - A delete removes the version from a write quorum; what the others still
//     hold cannot be read, is never acknowledged by the second line, and goes.
//   - A drive that returns with the state of last week is outvoted.
//
// With as many parity as data shards, half of the drives can read. Two halves do
// not overlap: a put that was cut off with exactly half of the drives holding it
// can be absent while only the other half is reachable, and present later.
//
// Three things about this are easy to get wrong:
//
//   - A version's time is the name of its file and not within: it is drawn under
//     the object's lock, after the file was written, and made larger than that of
//     any version that a drive lists.
//   - The null version, which the next of its kind replaces, is known by its ID.
//     A delete removes what it had replaced first: a put may have been cut off
//     between its acknowledgement and that, and a delete would uncover it.
//   - A rename that is still to come on a slow drive makes an undo before it, or a
//     delete, worthless: such a drive may hold the version. Until it has come, the
//     drive is silent about the object, whatever it would say.
//
// # Uploads
//
// A multipart upload, and each of its parts, is an object of a name that no user can
// give, under uploads, on the set of the object it is for. So parts have quorums, are
// replaced, judged and healed like objects. Completing is a put whose shards are
// already on the drives: they are renamed, then the version file, whose version has
// the upload's ID. The parts keep the seals they were written with.
//
// # Healing
//
// A healer looks under the object's lock, reads and writes shards without it, the
// version being pinned, and takes it again for the rename. It is told what to heal by
// reads and writes (queue.go), by drives that come (attach.go), and by a scanner that
// sees everything now and then (scan.go).
//
// # What is kept
//
//	E1   An acknowledged version is read back while the drives that missed it and
//	     are not healed, plus the drives lost since, are at most its parity.
//	E2   Shards of two versions are never mixed.                       meta, bitrot
//	E3   A put that returned an error, but for ErrOutcomeUnknown, is never seen.
//	E4   A put that was cut off is wholly there or not at all.                judge
//	E5   What was deleted stays deleted, whatever drive returns.              judge
//	E6   Old data goes only when a write quorum holds the new.               commit
//	E7   Every byte is checked before it is given out; a shard that is wrong is a
//	     shard that is missing, and is healed.                         bitrot, read
//	E8   The shard's index is what the version file on the drive says, never the
//	     drive's place; which place a drive has, its own format file says.   format
//	E9   An object is read by its own geometry, not the store's.               meta
//	E10  A new name is durable only when its directory is synced: a drive's commit
//	     syncs the file, then the name, in that order.                        drive
//	E11  Conditions are checked under the object's lock, with a read quorum.
//	E12  A drive that is slow delays nobody longer than a quorum plus the grace.
//	E13  Healing writes only what it has checked, purges what was never
//	     acknowledged, and never brings back what was deleted.                 heal
//	E14  Names are kept as they are, and never lead out of the drive.         names
//	E15  Files of a newer format, or of another deployment, are refused by name.
//
// Package erasuretest grades them; testdata/bugs has a bug or more for each.
//
// [rs]: https://pkg.go.dev/github.com/flagship-go/flagship/erasure/rs
package erasure
