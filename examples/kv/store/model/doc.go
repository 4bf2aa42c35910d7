// Package model says what etcd's data model means, as plainly as it can be
// said, to judge an implementation by: package store's own tests run it beside
// the store, and histories of concurrent clients of a cluster are checked
// against it by porcupine.
//
// It keeps one whole map of the keys for each revision, and copies it for every
// change. There are no indexes, no compaction of anything, no
// cleverness: nothing in it is like the store except the outcome.
//
//	State{revision 3}        State{revision 2}        State{revision 1}
//	  a: "x"  b: "y"   past->  a: "x"           past->  -
//	  events: put b            events: put a
//
// Files: state.go (what there is, reading it), step.go (commands), porcupine.go
// (checking histories).
package model
