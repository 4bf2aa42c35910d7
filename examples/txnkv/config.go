package main

import (
	"flag"
	"fmt"
	"io"
	"log/slog"
	"net"
	"strings"
	"time"
)

// config is what the flags say.
type config struct {
	store               string
	listen, http        string
	clock               string
	maxOffset           time.Duration
	nodes               int
	rangeMaxBytes       int64
	gcTTL, idleTimeout  time.Duration
	memory, maxOpenTxns int
	tick                time.Duration
	level               slog.Level
}

const (
	defaultStore  = "txnkv-data" // relative to where the command is run, and stays
	defaultListen = "127.0.0.1:26257"
	defaultHTTP   = "127.0.0.1:8080"
)

const usage = `usage: txnkv [flags]

TiKV and CockroachDB in small: three nodes in one process, ranges of keys that are a
raft group each, transactions across them, and SELECT that runs where the rows are.

  txnkv
        everything below ./txnkv-data, which stays when it ends; clients are served on
        127.0.0.1:26257, and the operator's page is on http://127.0.0.1:8080
  txnkv --clock hlc
        timestamps of hybrid logical clocks, as in CockroachDB, instead of an oracle's, as
        in TiKV; fixed at the first start
  curl -d '{"key":"a","value":"1"}' localhost:26257/v1/put
        a transaction of one call; POST /v1/begin opens one of many
  curl -X POST localhost:8080/admin/nodes/2/stop
        stops a node; start brings it back

Anybody who reaches the addresses may do everything: keep them on loopback. It exits with
0 after SIGINT or SIGTERM, when the requests under way are done; with 1 when it cannot
go on, 2 on wrong usage.

`

// parse reads the arguments. The error is flag.ErrHelp after -h.
func parse(args []string, stderr io.Writer) (*config, error) {
	c := &config{}
	var level string
	fs := flag.NewFlagSet("txnkv", flag.ContinueOnError)
	fs.SetOutput(stderr)
	fs.Usage = func() {
		fmt.Fprint(stderr, usage)
		fs.PrintDefaults()
	}
	fs.StringVar(&c.store, "store", defaultStore, "`directory` of all nodes")
	fs.StringVar(&c.listen, "listen-addr", defaultListen, "`host:port` to listen on for clients")
	fs.StringVar(&c.http, "http-addr", defaultHTTP, "`host:port` of the operator's page, /health, /metrics, /admin and /debug/pprof")
	fs.StringVar(&c.clock, "clock", "tso", "where timestamps come from: `tso` or hlc; fixed at the first start")
	fs.DurationVar(&c.maxOffset, "max-offset", 50*time.Millisecond, "by how much hybrid clocks may differ; a range pauses for as long when its leader changes")
	fs.IntVar(&c.nodes, "nodes", 3, "`number` of nodes, 1 to 9, of which a minority may be down; fixed at the first start")
	fs.Int64Var(&c.rangeMaxBytes, "range-max-bytes", 16<<20, "`size` at which a range is split, about")
	fs.DurationVar(&c.gcTTL, "gc-ttl", 10*time.Minute, "how long old versions are kept, for reading in the past")
	fs.DurationVar(&c.idleTimeout, "idle-timeout", time.Minute, "how long a transaction may do nothing before it is rolled back")
	fs.IntVar(&c.maxOpenTxns, "max-transactions", 1000, "`transactions` that may be open")
	fs.IntVar(&c.memory, "max-sql-memory", 64<<20, "`bytes` of a query's groups and sorted rows, in each range and again where they are merged")
	fs.DurationVar(&c.tick, "tick", 50*time.Millisecond, "a tenth of the shortest election timeout")
	fs.StringVar(&level, "log-level", "warn", "`level` of the log: debug, info, warn, error")
	if err := fs.Parse(args); err != nil {
		if err != flag.ErrHelp {
			err = usageError{err}
		}
		return nil, err
	}
	if err := c.level.UnmarshalText([]byte(level)); err != nil {
		return nil, usageError{fmt.Errorf("--log-level %s: must be debug, info, warn or error", level)}
	}
	if err := c.check(fs.Args()); err != nil {
		return nil, usageError{err}
	}
	return c, nil
}

func (c *config) check(rest []string) error {
	for name, addr := range map[string]string{"listen-addr": c.listen, "http-addr": c.http} {
		if _, _, err := net.SplitHostPort(addr); err != nil {
			return fmt.Errorf("--%s %s: must be host:port, as in %s", name, addr, defaultListen)
		}
	}
	switch {
	case len(rest) > 0:
		return fmt.Errorf("%s: there are flags only", strings.Join(rest, " "))
	case c.store == "":
		return fmt.Errorf("--store: must name a directory")
	case c.clock != "tso" && c.clock != "hlc":
		return fmt.Errorf("--clock %s: must be tso or hlc", c.clock)
	case c.nodes < 1 || c.nodes > 9:
		return fmt.Errorf("--nodes %d: must be 1 to 9", c.nodes)
	case c.rangeMaxBytes < 64<<10:
		return fmt.Errorf("--range-max-bytes %d: must be at least 65536", c.rangeMaxBytes)
	case c.maxOffset < time.Millisecond || c.maxOffset > time.Minute:
		return fmt.Errorf("--max-offset %v: must be 1ms to 1m", c.maxOffset)
	case c.tick < 5*time.Millisecond || c.tick > 10*time.Second:
		return fmt.Errorf("--tick %v: must be 5ms to 10s", c.tick)
	case c.gcTTL < time.Second || c.idleTimeout < 10*time.Millisecond:
		return fmt.Errorf("--gc-ttl %v, --idle-timeout %v: must be at least 1s and 10ms", c.gcTTL, c.idleTimeout)
	case c.maxOpenTxns < 1 || c.memory < 1<<16:
		return fmt.Errorf("--max-transactions %d, --max-sql-memory %d: must be at least 1 and 65536", c.maxOpenTxns, c.memory)
	}
	return nil
}
