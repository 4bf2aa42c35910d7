package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/flagship-go/flagship/lsm"
)

// config is what the command line says.
type config struct {
	command string // "" is the demonstration
	log     *slog.Logger

	// The store. The names are those of lsm.Options, which are Badger's.
	dir                              string
	retention                        time.Duration
	syncWrites, mmapAtStartup        bool
	numVersionsToKeep, numMemtables  int
	memTableSize, baseTableSize      size
	valueThreshold, valueLogFileSize size
	readOnly                         bool
	clock                            func() time.Time // tells when lines expire; nil: time.Now

	// Sources.
	files           []string
	generate        uint64
	lineSize, batch int
	rate            float64
	writers         int
	follow, restart bool
	stdin           string

	address, admin string
	question       url.Values // of tail and query
}

const usage = `usage: logstore [command] [flags]

Keeps lines of logs, sorted by time, in a directory, on package lsm.

  logstore                         a demonstration: 200,000 generated lines, and questions
  logstore ingest [flags] [FILE...]  store the lines of files, or of standard input
  logstore serve [flags] [FILE...]   the same, take lines over HTTP too, until a signal
  logstore tail [-f] [flags]       the newest lines, and those that arrive
  logstore query [flags]           lines of a range of times
  logstore stats [flags]           counts, and the picture of the tree

A line that begins with an RFC 3339 time is kept under it, any other under the time
it arrived. A file goes on where it was, whatever happened to the process that
stored it: each line is stored once. Tail, query and stats ask the process that has
the directory, if there is one. Exit code 0 after SIGINT or SIGTERM too, 1 when it
cannot go on, 2 on wrong usage. Flags may be written with - or --.

`

var commands = []string{"", "ingest", "serve", "tail", "query", "stats"}

// parse reads the command line. The error is flag.ErrHelp after -h.
func parse(args []string, stderr io.Writer) (*config, error) {
	c := &config{}
	if len(args) > 0 && !strings.HasPrefix(args[0], "-") {
		c.command, args = args[0], args[1:]
	}
	if !slices.Contains(commands, c.command) {
		return nil, fmt.Errorf("there is no command %q; there are:%s", c.command, strings.Join(commands, " "))
	}
	fs := flag.NewFlagSet("logstore", flag.ContinueOnError)
	fs.SetOutput(stderr)
	fs.Usage = func() {
		fmt.Fprint(stderr, usage)
		if c.command == "" {
			fmt.Fprint(stderr, "Flags of the demonstration; logstore COMMAND -h lists those of a command:\n")
		}
		fs.PrintDefaults()
	}
	var level string
	fs.StringVar(&c.dir, "dir", "logstore.data", "`directory` of the store")
	fs.StringVar(&level, "log-level", "info", "`level` of the log on standard error: debug, info, warn, error")
	asks := c.command == "tail" || c.command == "query"
	switch {
	case asks:
		c.questionFlags(fs)
	case c.command != "stats":
		c.storeFlags(fs)
		c.sourceFlags(fs)
	}
	if err := fs.Parse(args); err != nil {
		return nil, err
	}
	c.readOnly = asks || c.command == "stats"
	c.files = fs.Args()
	if len(c.files) > 0 && c.command != "ingest" && c.command != "serve" {
		return nil, fmt.Errorf("unexpected argument %q", c.files[0])
	}
	if asks {
		c.question = url.Values{}
		fs.Visit(func(f *flag.Flag) {
			if f.Name != "dir" && f.Name != "log-level" {
				c.question.Set(f.Name, f.Value.String())
			}
		})
		_, err := parseQuery(c.question, time.Now())
		if err != nil {
			return nil, fmt.Errorf("-%w", err)
		}
	}
	return c, c.finish(level, stderr)
}

func (c *config) storeFlags(fs *flag.FlagSet) {
	fs.DurationVar(&c.retention, "retention", 7*24*time.Hour, "how long a line is kept after it arrived (0: for ever)")
	fs.BoolVar(&c.syncWrites, "sync-writes", false, "every batch survives a power cut; without, only a killed process")
	fs.IntVar(&c.numVersionsToKeep, "num-versions-to-keep", 1, "how many `versions` of a line that is stored again are kept")
	c.numMemtables, c.valueThreshold, c.valueLogFileSize, c.baseTableSize, c.memTableSize = 5, 1<<10, 256<<20, 8<<20, 64<<20
	fs.IntVar(&c.numMemtables, "num-memtables", c.numMemtables, "memtables in memory before writers wait for the disk; at least 2")
	fs.Var(&c.memTableSize, "mem-table-size", "`size` of a memtable: larger ones mean less compaction, more memory, and a longer replay")
	fs.Var(&c.baseTableSize, "base-table-size", "`size` at which a table is ended")
	fs.Var(&c.valueThreshold, "value-threshold", "lines of this `size` or more go to the value log, not through compactions (0: none do)")
	fs.Var(&c.valueLogFileSize, "value-log-file-size", "`size` at which a file of the value log is ended; a whole file at a time is cleaned")
	fs.BoolVar(&c.mmapAtStartup, "mmap-at-startup", false, "map and check every table at the start, not when it is first read")
}

func (c *config) sourceFlags(fs *flag.FlagSet) {
	generate := uint64(0)
	if c.command == "" {
		generate = 200_000
	}
	fs.Uint64Var(&c.generate, "generate", generate, "make up this many `lines` in all, from -writers sources named generated-N")
	fs.IntVar(&c.lineSize, "line-size", 120, "`bytes` of a generated line, about")
	fs.Float64Var(&c.rate, "rate", 0, "generated `lines` per second in all (0: as fast as they are stored)")
	fs.IntVar(&c.writers, "writers", 4, "how many sources, or parts of standard input, are stored at a time")
	fs.IntVar(&c.batch, "batch", 100, "at most this many `lines` are stored as one write")
	address := "127.0.0.1:0"
	switch c.command {
	case "":
		return
	case "serve":
		address = "127.0.0.1:7314"
	}
	fs.BoolVar(&c.restart, "restart", false, "read files from their beginning; lines that begin with a time are not doubled")
	fs.StringVar(&c.stdin, "source", "stdin", "`name` of the lines of standard input")
	fs.BoolVar(&c.follow, "follow", c.command == "serve", "go on when a file grows")
	fs.StringVar(&c.address, "address", address, "`host:port` for HTTP: lines, questions, /health, /metrics (empty: none)")
	fs.StringVar(&c.admin, "admin-address", "", "`host:port` for pprof, /health and /metrics (default none)")
}

func (c *config) questionFlags(fs *flag.FlagSet) {
	fs.String("prefix", "", "only lines whose `time` begins so, in UTC: 2026-11-26T18:1")
	fs.String("from", "", "only lines from this `time` on: the beginning of one in UTC, a whole one with its zone, 5m for five minutes ago, or now")
	fs.String("to", "", "only lines before this `time`")
	fs.String("source", "", "only lines of the source of this `name`")
	fs.String("contains", "", "only lines with this `text` in them")
	if c.command == "tail" {
		fs.Int("n", 10, "how many `lines`")
		fs.Bool("f", false, "go on with the lines that arrive, of any time")
		return
	}
	fs.Int("limit", 0, "at most this many `lines` (0: all)")
	fs.Bool("count", false, "only say how many")
	fs.Bool("all-versions", false, "show all versions that are kept, newest first, with their numbers")
}

// finish checks what parsing alone does not.
func (c *config) finish(level string, stderr io.Writer) error {
	var l slog.Level
	if err := l.UnmarshalText([]byte(level)); err != nil {
		return fmt.Errorf("-log-level: %w", err)
	}
	c.log = slog.New(slog.NewTextHandler(stderr, &slog.HandlerOptions{Level: l}))
	if c.readOnly {
		return nil
	}
	switch {
	case c.retention < 0:
		return errors.New("-retention is negative; 0 keeps lines for ever")
	case c.writers < 1 || c.writers > 1024 || c.batch < 1 || c.batch > 1<<16:
		return errors.New("-writers must be in 1..1024, and -batch in 1..65536")
	case c.lineSize < 50 || c.lineSize > maxLine:
		return fmt.Errorf("-line-size must be in 50..%d", maxLine)
	case c.rate < 0:
		return errors.New("-rate is negative")
	case c.numMemtables < 2 || c.numVersionsToKeep < 1:
		return errors.New("-num-memtables must be at least 2, and -num-versions-to-keep at least 1")
	}
	if c.command == "" {
		return nil
	}
	return checkSource(c.stdin)
}

// options are those of the store.
func (c *config) options() *lsm.Options {
	return &lsm.Options{
		ReadOnly: c.readOnly, SyncWrites: c.syncWrites, MemTableSize: int(c.memTableSize), NumMemtables: c.numMemtables,
		BaseTableSize: int64(c.baseTableSize), MmapAtStartup: c.mmapAtStartup, ValueThreshold: int(c.valueThreshold),
		ValueLogFileSize: int64(c.valueLogFileSize), NumVersionsToKeep: c.numVersionsToKeep, Clock: c.clock, Logger: c.log,
	}
}

// size is a number of bytes, as a flag: 8388608, 8192KiB or 8MiB.
type size int64

func (s *size) String() string {
	n, unit := int64(*s), ""
	for _, u := range []string{"KiB", "MiB", "GiB"} {
		if n == 0 || n%1024 != 0 {
			break
		}
		n, unit = n/1024, u
	}
	return strconv.FormatInt(n, 10) + unit
}

func (s *size) Set(text string) error {
	shift := 0
	for i, unit := range []string{"KiB", "MiB", "GiB"} {
		if rest, ok := strings.CutSuffix(text, unit); ok {
			text, shift = rest, 10*(i+1)
		}
	}
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil || n < 0 || n > 1<<50>>shift {
		return errors.New("want bytes, or a number with KiB, MiB or GiB")
	}
	*s = size(n << shift)
	return nil
}
