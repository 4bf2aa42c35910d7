package vfs_test

import (
	"fmt"
	"math/rand/v2"

	"github.com/flagship-go/flagship/internal/vfs"
)

// save replaces a file by way of a temporary one. It syncs the file before the
// rename; without that the new name could come before its contents.
func save(fsys vfs.FS, text string) error {
	f, err := fsys.Create("config.tmp")
	if err != nil {
		return err
	}
	defer f.Close()
	if _, err := f.Write([]byte(text)); err != nil {
		return err
	}
	if err := f.Sync(); err != nil {
		return err
	}
	if err := fsys.Rename("config.tmp", "config"); err != nil {
		return err
	}
	return fsys.SyncDir(".")
}

// Whenever power goes, the old configuration is there, or the new one.
func ExampleMem_CutPower() {
	start := vfs.NewMem()
	if err := save(start, "old"); err != nil {
		fmt.Println(err)
		return
	}
	total := start.Ops() // save is as long each time

	rng := rand.New(rand.NewPCG(1, 1))
	for n := range total + 1 {
		seen := map[string]bool{}
		for range 100 {
			m := start.CrashClone(nil)
			m.CutPower(n)
			_ = save(m, "new") // fails where power goes
			f, err := m.CrashClone(rng).Open("config", vfs.ReadOnly)
			if err != nil {
				fmt.Println(err)
				return
			}
			p := make([]byte, 3)
			k, _ := f.ReadAt(p, 0)
			seen[string(p[:k])] = true
		}
		fmt.Printf("after %d operations: %v\n", n, seen)
	}
	// Output:
	// after 0 operations: map[old:true]
	// after 1 operations: map[old:true]
	// after 2 operations: map[old:true]
	// after 3 operations: map[old:true]
	// after 4 operations: map[new:true old:true]
	// after 5 operations: map[new:true]
}
