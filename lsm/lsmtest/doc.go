// Package lsmtest grades ordered key-value stores. [Run] is a conformance kit in
// the manner of testing/fstest: it takes a function that opens a store and makes
// a subtest of each rule. It grades package lsm, a student's homework and,
// through an adapter, a production engine.
//
// # Grade your own
//
//	package mystore_test
//
//	func TestMyStore(t *testing.T) {
//		lsmtest.Run(t, lsmtest.Implementation{
//			Name: "mystore",
//			// Claim what you have built; the rest is not graded.
//			Claims: lsmtest.Capabilities{Reverse: true, Snapshots: true},
//			Open: func(o lsmtest.Options) (lsmtest.Store, error) {
//				return adapt(mystore.Open(o.Dir)) // Get, NewIter, Apply, Close: see Store
//			},
//		})
//	}
//
// A broken rule fails its own subtest, TestMyStore/required/deleted-stays-deleted,
// and says what was seen:
//
//	RULE deleted-stays-deleted: step 11, scan: key a should not be there (badger issues 2143 and 2310)
//
// # How a rule is judged
//
// Most rules are stories in words, played on the store and on a model at once;
// whatever is read is compared:
//
//	put a 1*300                 the model is a map, obviously right (model.go)
//	flush                       the words are listed in step.go
//	del a
//	compact
//	get a      <- compared
//	reopen
//	scan       <- compared
//
// Rule metamorphic makes such stories up, by a seed, and plays each with all
// option sets of the implementation ([Implementation].Sets): whatever the
// options, one log has one meaning. What fails is made short, and printed so that
// [Replay] plays it again. A set that may forget keys is compared with a model
// that may forget, too.
//
// Rules about crashes need a store that lives in a file system in memory
// (Capabilities.Memory). The kit then sees every operation on the disk, and
// after each can look at what a power cut there would leave:
//
//	batch  1  2  3  4  5
//	          ^     ^  ^     after a power cut the store holds the first 2, 3, 4
//	   promised acked begun  or 5 batches, after a kill 4 or 5; nothing else
//
// The others let one operation fail (a full disk, a failing one), or spoil files
// while the store is closed. Without a file system in memory there is still
// Capabilities.Kill: the test starts itself again, as a process to be killed.
//
// What the kit keeps to itself:
//
//  1. It looks at answers, never inside.
//  2. Every rule asks for something good to happen, too: a store that does
//     nothing keeps no rule.
//  3. No wall clock, no random source but seeded ones. Only the rules about
//     readers beside writers, and about killed processes, depend on timing; they
//     cannot fail for a right store.
//  4. A panic of the implementation fails the rule in whose story it happened,
//     but is not reported as RULE: it was stumbled over. Rule damage is the
//     exception, because there it is what is asked.
//
// [Rules] lists them all as data; [Grade] returns results without a testing.T.
// [Runs] sets how much is tried: the zero value takes some seconds, a night's run
// sets Crashes to 100,000 and Damages to 10,000.
//
// # How the kit is proven
//
// A grader that lets wrong code pass is worse than none. reference_test.go holds
// the smallest store that keeps every rule, and some fifty ways to break it; each
// must fail the rule that it breaks. Bugs planted in package lsm must, too
// (lsm/testdata/bugs).
//
// # Reading order
//
//	lsmtest.go            what is graded: Store, Capabilities, Implementation
//	step.go  model.go     the words, and what they mean
//	player.go  read.go    both played at once
//	rule.go               a rule as data, Run and Grade
//	rules_basic.go        then the rules: what every store keeps,
//	rules_iterate.go      iterators,
//	rules_snapshot.go     snapshots and levels,
//	rules_range.go        range tombstones,
//	rules_merge.go        merges and expiry,
//	rules_owner.go        checkpoints, and who may open a store,
//	rules_concurrent.go   readers beside writers,
//	rules_metamorphic.go  random logs (generate.go makes them),
//	rules_crash.go        power cuts (crash.go knows what may be left),
//	rules_fault.go        full and failing disks,
//	rules_damage.go       spoilt files,
//	rules_kill.go         killed processes
package lsmtest
