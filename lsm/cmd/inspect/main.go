// Inspect shows and checks the directory of a store, offline: manifest, tables,
// log and value log.
//
//	go run ./lsm/cmd/inspect [-edits] [-blocks] [-keys] [-check] DIR
//
// It only reads. A store that is open changes meanwhile: what is printed is then
// of several moments, and a file may be gone.
//
// # What it prints
//
//	manifest db/MANIFEST-000001: 14 edits          which file is in force; -edits: each
//	levels                                         what the edits come to
//	  L0  000031.sst  4.1 KiB  40 entries  "a".."k"  seq 90-131
//	  L2  000027.sst  ...
//	log                                            one line for each file, and what
//	  0000000000000004.wal  12 records, seq 132-150  of it no table has yet
//	values                                         files, and how much is pointed to
//	  0000000000000002.vlog  16.0 KiB, 71 % live
//	damage: none                                   with -check: everything was read
//
// With -blocks the tables' blocks are listed, with -keys all entries of tables
// and log. With -check every table, every record of the log, and every value that
// a table points to is read, and the exit status is 1 if something is damaged.
package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"os"

	"github.com/flagship-go/flagship/internal/vfs"
)

const usage = `Usage: inspect [flags] DIR

Shows the directory of a store (the one given to lsm.Open). It only reads.

`

// Exit codes.
const (
	exitFine  = 0
	exitWrong = 1 // damage, or no store
	exitUsage = 2
)

// options are the flags.
type options struct{ edits, blocks, keys, check bool }

func main() { os.Exit(run(os.Args[1:], os.Stdout, os.Stderr, vfs.OS())) }

// run is main with everything it touches as an argument.
func run(args []string, stdout, stderr io.Writer, fsys vfs.FS) int {
	var o options
	flags := flag.NewFlagSet("inspect", flag.ContinueOnError)
	flags.SetOutput(stderr)
	flags.BoolVar(&o.edits, "edits", false, "print every edit of the manifest")
	flags.BoolVar(&o.blocks, "blocks", false, "print the blocks of every table")
	flags.BoolVar(&o.keys, "keys", false, "print every entry of the tables and of the log")
	flags.BoolVar(&o.check, "check", false, "read and check everything")
	flags.Usage = func() {
		fmt.Fprint(stderr, usage)
		flags.PrintDefaults()
		fmt.Fprint(stderr, "\nExit status: 1 if something is damaged or there is no store, 2 if the flags are\nwrong.\n")
	}
	switch err := flags.Parse(args); {
	case errors.Is(err, flag.ErrHelp):
		return exitFine
	case err != nil:
		return exitUsage
	case flags.NArg() != 1:
		fmt.Fprintln(stderr, "inspect: name one directory, the one that lsm.Open was given, or -h for help")
		return exitUsage
	}
	in := &inspector{fs: fsys, dir: flags.Arg(0), opts: o, w: stdout}
	if err := in.all(); err != nil {
		fmt.Fprintf(stderr, "inspect: %v\n", err)
		return exitWrong
	}
	return exitFine
}
