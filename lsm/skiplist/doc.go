// Package skiplist is the memtable's list: sorted, written by many goroutines at
// once, read without a lock.
package skiplist
