package table_test

import (
	"fmt"
	"log"

	"github.com/flagship-go/flagship/internal/vfs"
	"github.com/flagship-go/flagship/lsm/bloom"
	"github.com/flagship-go/flagship/lsm/key"
	"github.com/flagship-go/flagship/lsm/table"
)

func Example() {
	fs := vfs.NewMem()

	// Write entries in order, sync, close.
	f, err := fs.Create("000001.sst")
	if err != nil {
		log.Fatal(err)
	}
	w := table.NewWriter(f, table.WriterOptions{})
	for i, word := range []string{"apple", "banana", "cherry"} {
		k := key.Append(nil, []byte(word), key.Trailer(uint64(i+1), key.Set))
		if err := w.Add(k, fmt.Appendf(nil, "%d letters", len(word))); err != nil {
			log.Fatal(err)
		}
	}
	props, err := w.Finish()
	if err == nil {
		err = f.Sync()
	}
	if err == nil {
		err = f.Close()
	}
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(props.Entries, "entries")

	// Open it, and read one key as the newest reader does.
	if f, err = fs.Open("000001.sst", vfs.ReadOnly); err != nil {
		log.Fatal(err)
	}
	r, err := table.Open(f, table.ReaderOptions{Mmap: true})
	if err != nil {
		log.Fatal(err)
	}
	defer r.Close()
	word := []byte("banana")
	seek := key.Append(nil, word, key.Trailer(key.MaxSeq, key.MaxKind))
	trailer, value, ok, err := r.Get(seek, bloom.Hash(word), nil)
	fmt.Printf("%s (written at %d) %v %v\n", value, key.SeqOf(trailer), ok, err)

	// Walk backwards.
	c := r.NewCursor(nil)
	for k := c.Last(); k != nil; k = c.Prev() {
		fmt.Printf("%s: %s\n", key.UserKey(k), c.Value())
	}
	fmt.Println(c.Close(), r.Verify())
	// Output:
	// 3 entries
	// 6 letters (written at 2) true <nil>
	// cherry: 6 letters
	// banana: 6 letters
	// apple: 5 letters
	// <nil> <nil>
}
