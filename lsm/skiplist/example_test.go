package skiplist_test

import (
	"fmt"

	"github.com/flagship-go/flagship/lsm/key"
	"github.com/flagship-go/flagship/lsm/skiplist"
)

func Example() {
	list := skiplist.New(make([]byte, 1<<20), key.Plain)

	// Two writes of one key, and one of another.
	list.Add([]byte("color"), key.Trailer(1, key.Set), []byte("red"))
	list.Add([]byte("color"), key.Trailer(3, key.Set), []byte("blue"))
	list.Add([]byte("animal"), key.Trailer(2, key.Set), []byte("cat"))

	// A reader sees the newest entry that is not beyond its sequence number.
	for _, seq := range []uint64{1, 2, 3} {
		trailer, value, _ := list.Get([]byte("color"), seq)
		fmt.Printf("at %d: %s, written at %d\n", seq, value, key.SeqOf(trailer))
	}

	c := list.NewCursor()
	for k := c.First(); k != nil; k = c.Next() {
		user, trailer := key.Split(k)
		fmt.Printf("%s|%d = %s\n", user, key.SeqOf(trailer), c.Value())
	}
	// Output:
	// at 1: red, written at 1
	// at 2: red, written at 1
	// at 3: blue, written at 3
	// animal|2 = cat
	// color|3 = blue
	// color|1 = red
}
