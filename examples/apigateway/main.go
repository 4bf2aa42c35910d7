// Command apigateway is Skipper in small: a gateway that takes its routes from an eskip
// file, which it watches. Started without arguments it brings its own upstreams and a file
// that shows what can be done with them.
//
//	main.go        the command
//	config.go      flags, with Skipper's names
//	start.go       the files that a first start finds: routes.eskip, library.pb
//	server.go      listening, serving, an orderly end
//	check.go       check, explain and print: questions about a file, without any server
//	upstreams/     four small servers to be in front of
//
// # Rules
//
//	A1  Flags and arguments that cannot work are refused with 2, and say why.     config.go, main.go
//	A2  A file that is wrong is told as file:line:column with a caret, all that is wrong with it, and 1.
//	                                                                              check.go
//	A3  What check, explain and print say of a file is what the gateway does with it; they send nothing.
//	                                                                              check.go
//	A4  What somebody has written is not written over.                            start.go
//	A5  A second instance on an address fails at once, and says which address.    server.go
//	A6  After SIGINT or SIGTERM readiness turns false, requests under way are done, who is in the chat is
//	    told goodbye, and the exit code is 0.                                     server.go
//	A7  What operators see is not on the clients' address.                        server.go
//	A8  The dashboard and the alerts ask for metrics that there are.              grafana.json, alerts.yml
//
// Tests print the rule that was broken; testdata/bugs breaks each on purpose. The rules of what happens to a
// request are package gateway's. See README.md.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
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

// cli is the command: 0 after a signal and for a file that is right, 1 when it could not go on or the file is
// wrong, 2 when it was used wrongly.
func cli(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	err := dispatch(ctx, args, stdout, stderr)
	var wrong usageError
	switch {
	case err == nil, errors.Is(err, flag.ErrHelp):
		return 0
	case errors.As(err, &wrong):
		fmt.Fprintln(stderr, "apigateway:", err, "(-h shows how it is used)")
		return 2
	}
	fmt.Fprintln(stderr, "apigateway:", err)
	return 1
}

func dispatch(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	if len(args) > 0 {
		if ask := questions[args[0]]; ask != nil {
			return ask(args[1:], stdout, stderr)
		}
	}
	c, err := parse(args, stderr)
	if err != nil {
		return err
	}
	return run(ctx, c, stdout, stderr)
}

// usageError is what the user has to put right.
type usageError struct{ error }
