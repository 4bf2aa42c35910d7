// Package store keeps a chain on disk: blocks, the commits that were seen for them, states with their validators, and
// what the application said.
//
//	s, err := store.Open(dir, nil)
//	node, err := bft.NewNode(bft.Options{Store: s, ...})
//
// # The picture
//
// A chain only grows at its end and is dropped at its beginning: it is a log (internal/wal), of three records a height.
// So a record's number follows from its height, and no index is needed:
//
//	number    1   2  |  3   4   5  |  6   7   8  |  9  ...
//	         S0  R0  | B1  S1  R1  | B2  S2  R2  | B3         <- the crash was here: B3 has no state yet
//	         genesis |  height 1   |  height 2   |
//
//	B   block, its id, the commit seen for it      SaveBlock: synced before the application finalises it (W3)
//	S   state after it, with validators            SaveState: S and R in one batch, synced before the application commits
//	R   the application's results
//
// # The rules
//
//	T1   What Save returned from survives a power cut. A height's state and results are there together or not at all.
//	T2   Heights follow one another. What does not is refused, and nothing is written.
//	T3   Damage is reported with file and offset, a newer format by its version. Neither is changed or skipped.
//	T4   Prune drops whole segment files, from the front; what is kept has the validators of its first block, too.
//	T5   One store at a time has the directory.
//
// store.go is all of it.
package store
