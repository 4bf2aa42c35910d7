package erasure_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"os"
	"strings"

	"github.com/flagship-go/flagship/erasure"
)

// Versions are kept side by side, a delete is a marker on top of them, and of many
// who write under a condition one succeeds.
func ExampleStore_Put_versions() {
	dir, err := os.MkdirTemp("", "erasure")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)
	store := openDirs(dir, 4)
	defer store.Close()
	ctx := context.Background()

	versioned := &erasure.PutOptions{Versioned: true}
	first, err := store.Put(ctx, "plan", strings.NewReader("one"), -1, versioned)
	if err != nil {
		log.Fatal(err)
	}
	if _, err := store.Put(ctx, "plan", strings.NewReader("two"), -1, versioned); err != nil {
		log.Fatal(err)
	}
	_, err = store.Put(ctx, "plan", strings.NewReader("three"), -1,
		&erasure.PutOptions{Versioned: true, Condition: erasure.Condition{IfMatch: first.ETag}})
	fmt.Println("somebody was faster:", errors.Is(err, erasure.ErrPrecondition))

	if _, err := store.Delete(ctx, "plan", &erasure.DeleteOptions{Versioned: true}); err != nil {
		log.Fatal(err)
	}
	_, err = store.Stat(ctx, "plan", nil)
	fmt.Println("deleted:", errors.Is(err, erasure.ErrDeleted))
	page, err := store.ListVersions(ctx, erasure.ListOptions{})
	if err != nil {
		log.Fatal(err)
	}
	for _, v := range page.Objects {
		fmt.Println(v.Name, v.Size, "bytes, marker:", v.DeleteMarker)
	}
	o, err := store.Get(ctx, "plan", &erasure.GetOptions{VersionID: first.VersionID})
	if err != nil {
		log.Fatal(err)
	}
	defer o.Close()
	body, err := io.ReadAll(o)
	fmt.Println(string(body), err)
	// Output:
	// somebody was faster: true
	// deleted: true
	// plan 0 bytes, marker: true
	// plan 3 bytes, marker: false
	// plan 3 bytes, marker: false
	// one <nil>
}
