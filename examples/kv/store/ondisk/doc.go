// Package ondisk keeps the state of examples/kv's store in a tree of package lsm: the
// data may be larger than memory, a start reads none of it, and a snapshot is a
// name.
//
// # The problem
//
// Raft's textbook state machine is in memory. Every so many commands all of it is
// written to a file, so that the log can be cut; a start reads the file, and runs
// the log behind it. With ten gigabytes of data that is ten gigabytes every ten
// thousand commands, and the memory for it.
//
// A tree on the disk already is what the file is for. It remains to say how far it
// has come, and how much of that would survive a power cut.
//
// # The picture
//
//	raft's log     ... 98 99 100 101 102 103 104 105         every entry synced
//	                        |                     |
//	tree           ---------|---------------------|  index 105, in the same batch as
//	                     durable at               |  what command 105 changed;
//	                     least up to 100          written, not synced
//	raft's snapshot      at 100: "state 1, index 100"
//
// Each command is one batch of the tree, with the command's index in it. The
// batch is not synced: the log has the command, durably, and a second sync would
// buy nothing. Killed, the process loses nothing that it has written; without
// power the tree may fall back to an earlier batch, whole, and raft's log, which
// begins further back, is replayed over it. Commands that the tree has are passed
// over by their index. So each is executed exactly once.
//
// # A snapshot
//
// When raft asks for one, the tree is synced, and what raft is given to store is a
// name of 32 bytes. From then on the log may be cut: the tree cannot fall back
// behind the name. Nothing is copied, nobody waits but for the sync, which runs
// beside the commands. What a checkpoint of hard links would be for, a state that
// stands still, is not needed: a state that is ahead of its name is as good, and
// a view of the tree stands still for whoever reads it.
//
// A follower needs the rows themselves. They are read from a view of the leader's
// tree, and sent as they are read (service/courier.go); the bytes are those of
// store.Frozen, which any storage writes and reads. The follower writes them to a
// second tree:
//
//	state-000001   in use           in use        replaced, removed when no view
//	state-000002   being received   complete ...  in use     is open any more
//	STORE          state-000001     state-000001  state-000002
//	raft           snapshot 40      snapshot 100: "state 2, index 117"
//	               |---- a crash ---|---- a crash: state 2 is in use after the start
//	                  state 2 goes
//
// Raft stores the name when the second tree is durable, and answers the leader
// then. The file STORE, replaced as a whole, says which one is in use.
//
// # The rules
//
// Tests (in the folder above) print the rule that was broken; testdata/bugs breaks
// each on purpose.
//
//	crash-exact      whatever is killed or loses its power, the state is that after some
//	                 number of commands, and after the replay that after all
//	name-durable     what a name stands for survives a power cut from when it is written,
//	                 and is not removed
//	restore-forward  a state is not replaced by an older one
//	install-whole    during an installation there is the old state or the new one
//	states-removed   what is not in use, nor promised, goes
//	view-pinned      a view reads its state to the end, although it was replaced
//	memory-bounded   memory does not grow with the data
//	defragment       room that nothing uses comes back
//	directory        it is one owner's; one that is damaged, or a newer build's, is refused
//	                 by name
//	failure          a disk that fails is never passed over
//
// # What is where in the tree
//
// The key of a row is its table's number and its key. Reading keys as of a revision
// is a seek: etcd's index of all keys in memory has no counterpart here.
//
// # Reading order
//
// dir.go: the directory. engine.go: a tree as a store.Engine. machine.go: names,
// and one state in the place of another.
package ondisk
