package disk_test

import (
	"fmt"
	"path/filepath"

	"github.com/flagship-go/flagship/raft"
	"github.com/flagship-go/flagship/raft/disk"
)

// rotten is a directory whose log has a flipped bit in its first record.
func rotten() (*disk.MemFS, error) {
	fs := disk.NewMemFS()
	s, err := disk.Open("node1", &disk.Options{FS: fs, Node: 1, Cluster: "app", SegmentSize: 4 << 10})
	if err != nil {
		return nil, err
	}
	for i := uint64(1); i <= 3; i++ {
		if err := s.Save(raft.HardState{Term: 1, VotedFor: 1}, []raft.Entry{{Index: i, Term: 1, Data: []byte("x")}}, true); err != nil {
			return nil, err
		}
	}
	if err := s.Close(); err != nil {
		return nil, err
	}
	return fs, fs.FlipBit(filepath.Join("node1", "log", "0000000000000001.wal"), 8*60)
}

// What go run ./raft/cmd/dump prints, as data: it changes nothing, and goes on
// behind damage, where records have lost their numbers.
func ExampleInspect() {
	fs, err := rotten()
	if err != nil {
		fmt.Println(err)
		return
	}
	for f := range disk.Inspect("node1", fs) {
		switch f.Kind {
		case disk.FoundSave:
			fmt.Printf("%s of record %d: term %d, %d entries\n", f.Kind, f.Seq, f.HardState.Term, len(f.Entries))
		case disk.FoundDamage:
			fmt.Printf("%s at byte %d\n", f.Kind, f.Offset)
		case disk.FoundState:
			fmt.Printf("a node starts: %t\n", f.Err == nil)
		}
	}
	// Output:
	// save of record 1: term 0, 0 entries
	// damage at byte 56
	// save of record 0: term 1, 1 entries
	// save of record 0: term 1, 1 entries
	// a node starts: false
}
