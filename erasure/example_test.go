package erasure_test

import (
	"context"
	"fmt"
	"io"
	"log"
	"os"
	"path/filepath"
	"strings"

	"github.com/flagship-go/flagship/erasure"
)

// Eight directories as drives, of which any two may be lost.
func Example() {
	dir, err := os.MkdirTemp("", "erasure")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)
	var drives []erasure.Drive
	for i := range 8 {
		d, err := erasure.OpenDir(filepath.Join(dir, fmt.Sprint("drive", i)))
		if err != nil {
			log.Fatal(err)
		}
		drives = append(drives, d)
	}
	store, err := erasure.Open(drives, &erasure.Options{Parity: 2})
	if err != nil {
		log.Fatal(err)
	}
	defer store.Close()

	ctx := context.Background()
	info, err := store.Put(ctx, "photos/cat.txt", strings.NewReader("a cat"), -1, nil)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Printf("%d + %d, %d missing, ETag %s\n", info.Data, info.Parity, info.Missing, info.ETag)

	// Two drives lose what they have.
	for _, i := range []int{2, 5} {
		os.RemoveAll(filepath.Join(dir, fmt.Sprint("drive", i), "objects", "photos"))
	}
	object, err := store.Get(ctx, "photos/cat.txt", nil)
	if err != nil {
		log.Fatal(err)
	}
	defer object.Close()
	body, err := io.ReadAll(object)
	fmt.Println(string(body), err)
	// Output:
	// 6 + 2, 0 missing, ETag c1d0e44b09d5ac52f90f463fe410fc88
	// a cat <nil>
}
