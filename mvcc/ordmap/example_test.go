package ordmap_test

import (
	"fmt"

	"github.com/flagship-go/flagship/mvcc/ordmap"
)

func Example() {
	m := ordmap.New(2) // two spaces
	m.Update(func(w *ordmap.Writer) {
		w.Put(0, []byte("apple"), []byte("red"))
		w.Put(0, []byte("pear"), []byte("green"))
		w.Put(1, []byte("fruits"), []byte("2"))
	})

	// A snapshot does not see what comes after it.
	before := m.Snapshot()
	defer before.Close()
	m.Update(func(w *ordmap.Writer) {
		w.Put(0, []byte("apple"), []byte("brown"))
		w.Delete(0, []byte("pear"))
		w.Put(1, []byte("fruits"), []byte("1"))
	})
	now := m.Snapshot()
	defer now.Close()

	for _, s := range []*ordmap.Snapshot{before, now} {
		n, _ := s.Get(1, []byte("fruits"))
		fmt.Printf("%s:", n)
		it := s.Iter(0, nil, nil)
		for ok := it.SeekLT([]byte("z")); ok; ok = it.Prev() {
			fmt.Printf(" %s=%s", it.Key(), it.Value())
		}
		fmt.Println()
	}
	// Output:
	// 2: pear=green apple=red
	// 1: apple=brown
}
