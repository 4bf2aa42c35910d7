// Command objectstore is MinIO in small: package erasure behind Amazon's S3 API.
//
//	checksum  the checksums of S3's clients
//	sigv4     AWS Signature Version 4
//	s3api     S3 over HTTP, before a Store
//	.         package erasure as that Store; flags, listening, and an orderly end
//
// # Rules
//
//	F1  Flags and arguments that cannot work are refused, and say why. config.go
//	F2  A directory belongs to one process at a time.              server.go
//	F3  What was acknowledged is there after kill -9, and while as many drives
//	    are lost as there is parity.                               store.go
//	F4  After SIGINT or SIGTERM requests under way are done, and the exit code
//	    is 0.                                                      server.go
//	F5  A bucket that is removed was empty, and nothing comes into it
//	    meanwhile.                                                 buckets.go
//	F6  The store's errors have S3's codes.                        store.go
//	F7  What administers is signed, like everything else.          admin.go
//	F8  A drive that is back is taken up again; a new one if somebody says so,
//	    and nothing is written where a drive is missing.           drives.go
//	F9  A bucket that the host names has every key.                server.go
//
// Tests print the rule that was broken; testdata/bugs breaks each on purpose.
//
// Reading order: main.go, config.go, server.go, store.go, buckets.go, uploads.go,
// drives.go, admin.go, heal.go. See README.md.
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
	if len(args) > 0 && args[0] == "heal" {
		return exit(stderr, healCommand(ctx, args[1:], os.Getenv, stdout, stderr))
	}
	c, err := parse(args, os.Getenv, stderr)
	if err != nil {
		return exit(stderr, err)
	}
	log := slog.New(slog.NewTextHandler(stderr, &slog.HandlerOptions{Level: c.level}))
	return exit(stderr, run(ctx, c, stdout, log))
}

// usageError is what the user has to put right.
type usageError struct{ error }

func exit(stderr io.Writer, err error) int {
	var wrong usageError
	switch {
	case err == nil, errors.Is(err, flag.ErrHelp):
		return 0
	case errors.As(err, &wrong):
		fmt.Fprintln(stderr, "objectstore:", err, "(-h shows how it is used)")
		return 2
	}
	fmt.Fprintln(stderr, "objectstore:", err)
	return 1
}
