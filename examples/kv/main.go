// Command kv is etcd in small: packages raft, raft/disk and raft/tcp under
// etcd's revisioned store, spoken to by etcd's v3 JSON API.
//
//	store     the state machine: revisions, transactions, leases, watches
//	service   a member of the cluster, without a wire
//	httpapi   etcd's JSON over HTTP
//	peer      the network between members
//	.         flags, identity, listening, and an orderly end
//
// # Rules
//
//	F1  Flags mean what etcd's do, and reach the member; those that cannot work
//	    are refused, in etcd's words.            config.go, server.go, storage.go
//	F2  A directory belongs to one member, to one process at a time, and to no
//	    older build than the one that wrote it.          identity.go, server.go
//	F3  What was acknowledged is there after kill -9.
//	F4  After SIGINT or SIGTERM requests under way are done, streams are told,
//	    and the exit code is 0.                                     server.go
//	F5  A member that lost its directory does not come back under its ID.
//	                                                                identity.go
//	F6  With an authority, clients must show a certificate, and with TLS members
//	    must.                                                       server.go
//
// Tests print the rule that was broken; testdata/bugs breaks each on purpose.
//
// Reading order: main.go, config.go, identity.go, server.go. See README.md.
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
	"runtime"
	"syscall"
)

func main() {
	roomForSyncs()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code := cli(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}

// roomForSyncs lets goroutines run while logs are synced. A thread that waits
// for the disk keeps its place among GOMAXPROCS until the runtime takes it away,
// 20 µs to 10 ms later, and a process here has up to three logs: on two cores
// all places are taken again and again, and requests wait for nothing.
func roomForSyncs() {
	if os.Getenv("GOMAXPROCS") == "" {
		runtime.GOMAXPROCS(runtime.GOMAXPROCS(0) + 3)
	}
}

// cli is the command: 0 after a signal, 1 when it could not go on, 2 when it
// was used wrongly.
func cli(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	c, err := parse(args, stderr)
	switch {
	case errors.Is(err, flag.ErrHelp):
		return 0
	case err != nil:
		fmt.Fprintln(stderr, "kv:", err)
		return 2
	}
	log := slog.New(slog.NewTextHandler(stderr, &slog.HandlerOptions{Level: c.level}))
	if err := run(ctx, c, stdout, log); err != nil {
		fmt.Fprintln(stderr, "kv:", err)
		return 1
	}
	return 0
}
