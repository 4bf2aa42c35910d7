// Dump prints what the directory of a raft node holds, and what a node would
// start with.
//
//	go run ./raft/cmd/dump [-entries] [-from n] [-to n] [-json] [-verify] DIR...
//
// It only reads, and takes no lock: the node may be running. Its log is then
// seen at some moment, and a record that is being written looks like one that a
// power cut tore. Damage is reported where it is, and what lies behind it is
// printed too, as far as it can be found.
//
// # What it prints
//
//	node1: n1 in cluster "app", format 1
//	                                         one line for each file of the log
//	log/0000000000000001.wal  from record 1, 64.0 MiB
//	        32            1  term 0, no vote, commit 0
//	        64         2-40  term 1, vote n1, commit 0-38; entries 1/t1-39/t1, 4.1 KiB
//	         |            |  a run of saves in one term, as one line
//	         |            numbers of the records; "?" where damage hides them
//	         byte in the file
//	      4120               end
//
//	snapshots/00000000000003e8-0000000000000007.snap  1000/t7
//	            12.3 KiB, checksum good, voters n1 n2 n3
//
//	a node starts as n1 ...                  or: no node starts, and why
//
// 1000/t7 is the entry or snapshot at index 1000, of term 7.
//
// Reading order: main.go, text.go (for people), data.go (entries in words),
// json.go (for programs).
package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"io/fs"
	"math"
	"os"

	"github.com/flagship-go/flagship/raft"
	"github.com/flagship-go/flagship/raft/disk"
)

const usage = `Usage: dump [flags] DIR...

Prints what the directory of a raft node (the one given to disk.Open) holds, and
what a node would start with. It only reads: the node may be running.

`

// Exit codes.
const (
	exitFine  = 0
	exitWrong = 1 // with -verify: damage; always: a directory without a node
	exitUsage = 2
)

// options are the flags.
type options struct {
	entries  bool
	json     bool
	verify   bool
	from, to uint64
}

// limited says whether only some indexes are asked for.
func (o *options) limited() bool { return o.from > 0 || o.to < math.MaxUint64 }

func (o *options) wants(index uint64) bool { return index >= o.from && index <= o.to }

func main() { os.Exit(run(os.Args[1:], os.Stdout, os.Stderr, nil)) }

// run is main with everything it touches as an argument; a nil fsys is the
// operating system's.
func run(args []string, stdout, stderr io.Writer, fsys disk.FS) int {
	var o options
	flags := flag.NewFlagSet("dump", flag.ContinueOnError)
	flags.SetOutput(stderr)
	flags.BoolVar(&o.entries, "entries", false, "print every record and entry, not runs of them")
	flags.Uint64Var(&o.from, "from", 0, "print entries and snapshots from this `index` on")
	flags.Uint64Var(&o.to, "to", 0, "print entries and snapshots up to this `index` (default all)")
	flags.BoolVar(&o.json, "json", false, "print one JSON object a line")
	flags.BoolVar(&o.verify, "verify", false, "exit with status 1 if anything is damaged")
	flags.Usage = func() {
		fmt.Fprint(stderr, usage)
		flags.PrintDefaults()
		fmt.Fprint(stderr, "\nExit status: 1 if a directory holds no node or, with -verify, damage; 2 if the\nflags are wrong.\n")
	}
	switch err := flags.Parse(args); {
	case errors.Is(err, flag.ErrHelp):
		return exitFine
	case err != nil:
		return exitUsage
	case flags.NArg() == 0:
		fmt.Fprintln(stderr, "dump: no directory is named: give the one that disk.Open was given, or -h for help")
		return exitUsage
	}
	if o.to == 0 {
		o.to = math.MaxUint64
	}
	if o.from > o.to {
		fmt.Fprintf(stderr, "dump: -from %d is behind -to %d: exchange them\n", o.from, o.to)
		return exitUsage
	}
	code := exitFine
	for i, dir := range flags.Args() {
		if i > 0 && !o.json {
			fmt.Fprintln(stdout)
		}
		wrong, err := dump(stdout, dir, fsys, &o)
		if err != nil {
			fmt.Fprintf(stderr, "dump: %v\n", err)
			code = exitWrong
		}
		if wrong && o.verify {
			code = exitWrong
		}
	}
	return code
}

// sink is where findings go.
type sink interface {
	put(f *disk.Finding) error
}

// dump prints one directory. wrong says that something in it is damaged; the
// error is that there is no node in it, or that nothing can be printed.
func dump(w io.Writer, dir string, fsys disk.FS, o *options) (wrong bool, err error) {
	var out sink = &text{w: w, dir: dir, opts: o}
	if o.json {
		out = newJSON(w, dir, o)
	}
	for f := range disk.Inspect(dir, fsys) {
		if f.Err != nil {
			wrong = true
			if errors.Is(f.Err, fs.ErrNotExist) {
				return wrong, fmt.Errorf("%w; give the directory that disk.Open was given", f.Err)
			}
		}
		if err := out.put(limit(&f, o)); err != nil {
			return wrong, fmt.Errorf("printing %s: %w", dir, err)
		}
	}
	return wrong, nil
}

// limit leaves out the entries that are not asked for. A record without any
// other has nothing to show: it becomes nil.
func limit(f *disk.Finding, o *options) *disk.Finding {
	if !o.limited() {
		return f
	}
	switch f.Kind {
	case disk.FoundSave, disk.FoundForce:
		var some []raft.Entry
		for _, e := range f.Entries {
			if o.wants(e.Index) {
				some = append(some, e)
			}
		}
		if len(some) == 0 {
			return nil
		}
		f.Entries = some
	case disk.FoundNote, disk.FoundSnapshot:
		if !o.wants(f.Snapshot.Index) {
			return nil
		}
	}
	return f
}
