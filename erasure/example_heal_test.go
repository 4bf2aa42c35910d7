package erasure_test

import (
	"context"
	"fmt"
	"log"
	"os"
	"path/filepath"
	"strings"

	"github.com/flagship-go/flagship/erasure"
)

// openDirs opens a store on folders below dir.
func openDirs(dir string, drives int) *erasure.Store {
	var all []erasure.Drive
	for i := range drives {
		d, err := erasure.OpenDir(filepath.Join(dir, fmt.Sprint("drive", i)))
		if err != nil {
			log.Fatal(err)
		}
		all = append(all, d)
	}
	store, err := erasure.Open(all, &erasure.Options{ScanEvery: -1}) // nothing is healed by itself here
	if err != nil {
		log.Fatal(err)
	}
	return store
}

// A drive is replaced by an empty one: opening rebuilds it, and Heal says how far that
// has come, and finds what nobody has noticed.
func ExampleStore_Heal() {
	dir, err := os.MkdirTemp("", "erasure")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)
	store := openDirs(dir, 4)
	ctx := context.Background()
	for _, name := range []string{"a", "b", "c"} {
		if _, err := store.Put(ctx, name, strings.NewReader(strings.Repeat(name, 1000)), -1, nil); err != nil {
			log.Fatal(err)
		}
	}
	store.Close()
	os.RemoveAll(filepath.Join(dir, "drive1"))

	store = openDirs(dir, 4)
	defer store.Close()
	if _, err := store.Heal(ctx, &erasure.HealOptions{Deep: true}, nil); err != nil {
		log.Fatal(err)
	}
	report, err := store.Heal(ctx, &erasure.HealOptions{Deep: true, DryRun: true}, func(r erasure.HealReport) {
		fmt.Println("looked at", r.Name)
	})
	fmt.Println(report.Objects, "objects,", report.Absent+report.Corrupt, "shards to heal,", err)
	// Output:
	// looked at a
	// looked at b
	// looked at c
	// 3 objects, 0 shards to heal, <nil>
}
