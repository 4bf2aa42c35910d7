// Package mvcctest grades transactional ordered stores, and drives package mvcc through
// everything that may happen to it.
//
// # Grade your own
//
//	package mystore_test
//
//	func TestMyStore(t *testing.T) {
//		mvcctest.Run(t, func() (mvcctest.DB, error) {
//			return adapt(mystore.Open()) // Begin; Get, Scan, Put, Delete, Commit, Rollback: see DB, Txn
//		}, mvcctest.Mode{Name: "mystore", Serializable: true}) // what it claims; the rest is not graded
//	}
//
// A broken rule fails its own subtest, TestMyStore/Serializable/g2-item, and shows why
// no order of the transactions explains what they saw:
//
//	RULE V13: g2-item (Hermitage): G2-item: write skew
//
//	+-> T1  read a 10; read b 20; write a 11
//	|   |   rw b: T1 read 20, and T2 wrote 21 over it
//	|   v
//	|   T2  read a 10; read b 20; write b 21
//	|   |   rw a: T2 read 10, and T1 wrote 11 over it
//	+---+
//
// Snapshot isolation is required. A [Mode] claims more: serializable, of keys and of
// ranges; in the order of real time; inserts, savepoints, locks that wait, scans backwards,
// reads of the past. V13 is the rule of package mvcc's essay.
//
// # How a rule is judged
//
// Most rules are stories, a line a step, of transactions that are under way together
// (player.go has the words):
//
//	init a=10 b=20
//	t1: begin
//	t2: begin
//	t1: get a
//	t2: put a 12
//	t2: commit
//	t1: get b = 20        what must come of it
//	t1: commit ?          may fail, for a conflict; not all may
//
// Whether the outcome is allowed is not written down, but found out by package history,
// which looks for a cycle among what the transactions saw. So one story serves all modes,
// and stores that fail early or late, or make others wait.
//
// # The simulation
//
// [Simulate] runs package mvcc in a world made of a seed, with clients as coroutines in
// one goroutine: each request has a boundary before and after it, where the client may be
// gone for good, or stall, and the request or its answer be lost, come late, or come twice;
// between them regions split and change leaders, clocks step and start anew, and what is old
// is collected. At the end nothing may be locked for ever, and no money be missing; and
// package history judges what all clients saw. A seed that fails prints the story of the
// transactions concerned.
//
//	go test ./mvcc/mvcctest -run TestSimulation                  ten thousand transactions
//	go test ./mvcc/mvcctest -run TestSimulation -txns 1000000    a million
//	go test ./mvcc/mvcctest -run TestSimulation -seed 27 -v      one world again
//
// # Scripts
//
// testdata has stories with what comes of each step in package mvcc below it, to be
// read: hermitage.txt plays each anomaly in all modes at once, and shows the line at which
// they part; walk.txt goes through the protocol with its requests and the grid of the three
// column families. script_test.go plays them; with -update it writes them.
//
// # How the kit is proven
//
// broken_test.go breaks package mvcc at the kit's interface, for each rule, and the
// rule must find it. The bugs in mvcc/testdata/bugs whose names begin with kit are planted in
// package mvcc itself, and killed by rules, scripts and simulations.
//
// # Reading order
//
//	mvcctest.go                    what is graded: DB, Txn, Mode; and package mvcc as such
//	rule.go                        a rule as data, and Run
//	player.go steps.go             stories, and their words
//	rules_basic.go                 then the rules: what every store keeps,
//	rules_anomaly.go               Hermitage's anomalies,
//	rules_claims.go                what may be claimed,
//	workload.go rules_workload.go  and many transactions at random
//	world.go wire.go               the simulated world: regions, clients, clocks; and requests
//	simulate.go verdict.go         what happens in it, and what must hold
//
// requests_test.go and protocol_test.go tell what single requests promise, the latter by
// the bugs of others.
package mvcctest
