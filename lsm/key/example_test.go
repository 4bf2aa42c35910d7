package key_test

import (
	"fmt"
	"slices"

	"github.com/flagship-go/flagship/lsm/key"
)

func ExampleOrder_Compare() {
	keys := [][]byte{
		key.Append(nil, []byte("banana"), key.Trailer(7, key.Set)),
		key.Append(nil, []byte("apple"), key.Trailer(4, key.Set)),
		key.Append(nil, []byte("apple"), key.Trailer(9, key.Delete)),
	}
	slices.SortFunc(keys, key.Plain.Compare)
	for _, k := range keys {
		user, trailer := key.Split(k)
		fmt.Println(string(user), key.SeqOf(trailer))
	}
	// Output:
	// apple 9
	// apple 4
	// banana 7
}

func ExampleOrder_Fragment() {
	deletes := key.Plain.Fragment([]key.Span{
		{Start: []byte("b"), End: []byte("h"), Seq: 7},
		{Start: []byte("a"), End: []byte("e"), Seq: 5},
	})
	fmt.Println(deletes.Cover([]byte("c"), 9), deletes.Cover([]byte("c"), 6), deletes.Cover([]byte("h"), 9))
	for _, s := range deletes.Clip([]byte("d"), nil) {
		fmt.Printf("[%s, %s) at %d\n", s.Start, s.End, s.Seq)
	}
	// Output:
	// 7 5 0
	// [d, h) at 7
	// [d, e) at 5
}
