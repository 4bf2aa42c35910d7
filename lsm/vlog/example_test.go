package vlog_test

import (
	"fmt"
	"os"

	"github.com/flagship-go/flagship/lsm/vlog"
)

// Values go in, pointers come out; a file with much garbage is rewritten.
func Example() {
	dir, err := os.MkdirTemp("", "vlog")
	check(err)
	defer os.RemoveAll(dir)
	log, err := vlog.Open(dir, nil)
	check(err)
	defer log.Close()

	pointers, err := log.Append([][]byte{[]byte("a large value"), []byte("a larger value")}, nil)
	check(err)
	check(log.Sync())
	v, err := log.Read(pointers[1], nil)
	check(err)
	fmt.Printf("%s, in file %d\n", v, pointers[1].File)

	// Nobody points to the first value any more.
	check(log.Seal())
	file := log.Files()[0]
	live := int64(pointers[1].Length)
	for _, num := range vlog.Pick([]vlog.Usage{{File: file.Num, Size: file.Size, Live: live}}, 1.5) {
		moved, err := log.Append([][]byte{v}, nil)
		check(err)
		check(log.Sync())
		check(log.Remove(num))
		fmt.Printf("now in file %d; file %d is gone\n", moved[0].File, num)
	}
	// Output:
	// a larger value, in file 1
	// now in file 2; file 1 is gone
}

func check(err error) {
	if err != nil {
		panic(err)
	}
}
