// Killmatrix plants known bugs, one at a time, and proves that the tests kill
// them.
//
//	go run ./internal/killmatrix ./raft
//
// # Why plant bugs
//
// A passing test says that the code is right, or that the test cannot see that
// it is wrong. The two look the same. Coverage does not tell them apart: a line
// can be run by a hundred tests and judged by none. So for each rule that a
// package promises to keep, somebody breaks the rule on purpose, in the way
// that people have really broken it (a paper's counter-example, a known issue
// of a production system), and the tests must notice.
//
// Noticing is not enough: they must notice for the right reason. A broken
// commit rule that shows as a nil dereference twenty steps later, or as a test
// that hangs, was stumbled over, not found. Hence the one convention this
// command asks of tests: the failure of a rule is printed as
//
//	RULE commit-own-term: leader 1 counted replicas of an entry of term 2 in term 4
//
// by whatever means (t.Errorf, testify, a log), and the bug names the rule it
// must die for. A panic, a timeout or a build failure is not a kill.
//
//	<pkg>/testdata/bugs/x.bug
//	           |
//	       parse (bug.go)
//	           |                    the tree is only read;
//	find once, replace (plant.go)   the planted file lives in
//	           |                    a temporary folder, and the
//	go build -overlay               go command's -overlay puts it
//	go test -c -overlay             in the place of the real one
//	           |
//	run the killer, 5 s at most (execute.go)
//	           |
//	judge its end and its RULE lines (verdict.go)
//	           |
//	one row of the matrix (report.go)
//
// # The format
//
// A bug is a text file, <pkg>/testdata/bugs/<anything>.bug:
//
//	name: commit-older-term
//	rule: commit-own-term
//	source: Raft paper section 5.4.2, Figure 8
//	file: replication.go
//	test: ./raft TestLeaderCommitsOnlyEntriesOfItsTerm
//	--- find
//	if l.term(n) == c.term {
//	--- replace
//	if true {
//
// name is unique in the package; rule is the id that the killer must print;
// source says who made the mistake first; file is relative to the package's
// folder; test is one package folder, relative to the module's root, and a -run
// expression. Several test lines name several killers, of which each must kill.
// An optional line "expect: panic" or "expect: timeout" declares the other ways
// to die, for the rare rule whose breach can show in no other way. Lines that
// start with # and empty lines are skipped in the header.
//
// The text to find must occur exactly once in the file. It need not be a whole
// line, and it does not include the line break before the next "---". More
// pairs of find and replace may follow; each applies to the result of the one
// before.
//
// # Adding one
//
// Write the bug, then run the matrix on it alone and read what the killer says:
//
//	go run ./internal/killmatrix -run '^commit-older-term$' -v ./raft
//
// If it lives, the suite has a hole: mend the test, not the bug. If it dies for
// another rule, either the declared rule is judged too late or the rule is not
// what the bug breaks. When the code moves on and the text to find is gone, the
// matrix fails too, and the bug is rewritten against the new code: a matrix
// that quietly shrinks proves less each month.
//
// # What the matrix keeps
//
//  1. The killer passes on the unmodified code, and really runs there: a test
//     that fails anyway, skips itself or does not exist kills nothing.
//  2. The planted code compiles.
//  3. The bug dies within the limit, by a failed test, for the declared rule.
//  4. The tree is never modified, and nothing is left behind, whether the run
//     ends by itself or by Ctrl-C: overlays, binaries, the tests' own temporary
//     folders and the go command's are all inside one folder, which is removed,
//     and each command started is killed with its children.
//
// With hundreds of bugs a whole run takes its time. With -sample 4 -seed TEXT one in
// four is tried, others with each seed; of the rest it is only made sure that the
// planted code compiles.
//
// A bug in a file that build constraints leave out is shown as elsewhere and not
// counted: the matrix is run again with what the file needs, such as
// GOEXPERIMENT=simd in the environment.
//
// With -whole each bug meets all tests of its killers' packages instead: this
// tells whether a bug would be noticed for its rule without knowing where to
// look, and by default it is given a minute.
//
// Reading order: bug.go, plant.go, execute.go, compile.go, verdict.go, matrix.go, report.go,
// main.go.
package main
