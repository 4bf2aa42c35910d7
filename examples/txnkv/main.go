// Command txnkv is TiKV and CockroachDB in small, the first half: three nodes in one
// process, the key space cut into ranges, each range a raft group of its own over the
// nodes' stores, transactions across all of them, and SELECT where the rows are.
//
//	lsmengine  a store of package lsm as an engine of package mvcc
//	ranges     nodes, ranges, leases, splits; the way to them
//	service    transactions by name, tables, queries, apart from any protocol
//	httpapi    the service over HTTP and JSON
//	.          flags, listening, the page of the operator, and an orderly end
//
// # Rules
//
//	P1  Flags that cannot work are refused, and say why.              config.go
//	P2  A directory belongs to one process at a time; what was acknowledged is
//	    there after kill -9.                                          server.go
//	P3  After SIGINT or SIGTERM requests under way are done, what is open is
//	    rolled back, and the exit code is 0.                          server.go
//	P4  What operators do is not on the clients' address.             admin.go
//	P5  The page and /health say what is so, also while nodes are down.
//	                                                       admin.go, page.html
//
// Tests print the rule that was broken; testdata/bugs breaks each on purpose. The
// packages have rules of their own.
//
// Reading order: main.go, config.go, server.go, admin.go, metrics.go. See README.md.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"syscall"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code := cli(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}

// cli is the command: 0 after a signal, 1 when it could not go on, 2 when it
// was used wrongly.
func cli(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	c, err := parse(args, stderr)
	if err == nil {
		log := slog.New(slog.NewTextHandler(stderr, &slog.HandlerOptions{Level: c.level}))
		err = run(ctx, c, stdout, log)
	}
	var wrong usageError
	switch {
	case err == nil, errors.Is(err, flag.ErrHelp):
		return 0
	case errors.As(err, &wrong):
		fmt.Fprintln(stderr, "txnkv:", err, "(-h shows how it is used)")
		return 2
	}
	fmt.Fprintln(stderr, "txnkv:", err)
	return 1
}

// usageError is what the user has to put right.
type usageError struct{ error }
