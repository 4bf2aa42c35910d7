package history_test

import (
	"fmt"

	"github.com/flagship-go/flagship/mvcc/history"
)

// A reader saw one of two appends that one transaction made.
func ExampleCheck() {
	h := &history.History{Txns: []history.Txn{
		{Ops: []history.Op{{Kind: history.Append, Key: 1, Value: 10}, {Kind: history.Append, Key: 2, Value: 20}}},
		{Ops: []history.Op{{Key: 1, List: []int{10}}, {Key: 2}}},
	}}
	r, err := history.Check(h, nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, a := range r.Breaks(history.SnapshotIsolation) {
		fmt.Print(a.Text)
	}
	// Output:
	// G-single: read skew
	//
	// +-> T1  read 1 [10]; read 2 []
	// |   |   rw 2: T1 read [], and T0 appended 20 behind it
	// |   v
	// |   T0  append 1 10; append 2 20
	// |   |   wr 1: T0 appended 10, and T1 read [10]
	// +---+
}
