package erasure_test

import (
	"bytes"
	"context"
	"fmt"
	"log"
	"os"

	"github.com/flagship-go/flagship/erasure"
)

// An object is uploaded in parts, in any order, and is there at once.
func ExampleStore_CompleteUpload() {
	dir, err := os.MkdirTemp("", "erasure")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)
	store := openDirs(dir, 4)
	defer store.Close()
	ctx := context.Background()

	up, err := store.NewUpload(ctx, "film", &erasure.PutOptions{Metadata: map[string]string{"reel": "2"}})
	if err != nil {
		log.Fatal(err)
	}
	sizes := []int{erasure.MinPart, 1000} // only the last may be smaller
	parts := make([]erasure.Part, len(sizes))
	for _, i := range []int{1, 0} {
		body := bytes.NewReader(make([]byte, sizes[i]))
		if parts[i], err = store.PutPart(ctx, "film", up.ID, i+1, body, int64(sizes[i])); err != nil {
			log.Fatal(err)
		}
	}
	info, err := store.CompleteUpload(ctx, "film", up.ID, parts, erasure.Condition{}, false)
	if err != nil {
		log.Fatal(err)
	}
	o, err := store.Get(ctx, "film", nil)
	if err != nil {
		log.Fatal(err)
	}
	defer o.Close()
	over := make([]byte, 10) // over the edge of the parts
	n, err := o.ReadAt(over, erasure.MinPart-5)
	fmt.Println(info.Size, "bytes in", len(info.Parts), "parts, reel", info.Metadata["reel"], n, err)
	// Output:
	// 5243880 bytes in 2 parts, reel 2 10 <nil>
}
