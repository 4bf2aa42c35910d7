package manifest_test

import (
	"fmt"

	"github.com/flagship-go/flagship/internal/vfs"
	"github.com/flagship-go/flagship/lsm/manifest"
)

// A flush adds a table, a compaction puts another in its place, and power goes.
func Example() {
	disk := vfs.NewMem()
	check(disk.MkdirAll("db"))
	check(disk.SyncDir("."))
	log, err := manifest.Create(disk, "db", manifest.Edit{NextFile: 1, WALFirst: 1})
	check(err)
	check(log.Append(&manifest.Edit{
		NextFile: 2, LastSeq: 40, WALFirst: 41,
		Added: []manifest.Table{{Num: 1, Level: 0, Smallest: []byte("a"), Largest: []byte("m")}},
	}))
	check(log.Append(&manifest.Edit{
		NextFile: 3, LastSeq: 40, WALFirst: 41,
		Removed: []manifest.Removed{{Level: 0, Num: 1}},
		Added:   []manifest.Table{{Num: 2, Level: 1, Smallest: []byte("a"), Largest: []byte("m")}},
	}))

	after := disk.CrashClone(nil) // nothing that was not synced is left
	log, edits, _, err := manifest.Open(after, "db")
	check(err)
	defer log.Close()
	for _, e := range edits {
		for _, r := range e.Removed {
			fmt.Printf("- table %d from L%d\n", r.Num, r.Level)
		}
		for _, t := range e.Added {
			fmt.Printf("+ table %d in L%d, %s to %s\n", t.Num, t.Level, t.Smallest, t.Largest)
		}
	}
	// Output:
	// + table 1 in L0, a to m
	// - table 1 from L0
	// + table 2 in L1, a to m
}

func check(err error) {
	if err != nil {
		panic(err)
	}
}
