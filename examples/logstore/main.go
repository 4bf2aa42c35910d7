// Command logstore keeps lines of logs, sorted by time, on package lsm: from
// files, standard input, HTTP, or made up; by many writers; for a time.
//
//	file       --\                                            /-- query, tail, stats
//	stdin      ---> source -> batch -> store.append -> lsm ---
//	generated  --/  (source.go)  (ingest.go)  (store.go)      \-- followers (tail -f)
//	POST /ingest ----------------/
//
// # Rules
//
//	G1  A line that was stored is there after kill -9: that is, once the process
//	    said so, or stored something later.                           store.go
//	G2  A line of a file is stored once, whatever happened to the processes that
//	    stored it: the lines of a batch and the position behind them are one
//	    write.                                              store.go, ingest.go
//	G3  A directory belongs to one process at a time, and to no older build than
//	    the one that wrote it.                                        store.go
//	G4  Lines come in the order of their times, as they were stored.
//	                                                        line.go, query.go
//	G5  A line is gone when its time to live is over.                 store.go
//	G6  After SIGINT or SIGTERM what was begun is finished, streams are ended,
//	    and the exit code is 0.                             main.go, server.go
//	G7  A line is stored when it is complete; it waits for no other.  source.go
//	G8  Who follows, and is too slow, is told where lines are missing, and how
//	    many.                                               store.go, query.go
//
// Tests print the rule that was broken; testdata/bugs breaks each on purpose.
//
// Reading order: line.go, store.go, source.go, ingest.go, query.go, ask.go,
// server.go, metrics.go, progress.go, config.go, main.go. See README.md.
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
	"time"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code := cli(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}

// cli is the command: 0 also after a signal, 1 when it could not go on, 2 when it
// was used wrongly.
func cli(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	c, err := parse(args, stderr)
	switch {
	case errors.Is(err, flag.ErrHelp):
		return 0
	case err != nil:
		fmt.Fprintln(stderr, "logstore:", err)
		return 2
	}
	run := ask
	switch c.command {
	case "":
		run = func(ctx context.Context, c *config, stdout io.Writer) error {
			return demonstrate(ctx, c, stdout, stderr)
		}
	case "ingest", "serve":
		run = func(ctx context.Context, c *config, stdout io.Writer) error { return ingest(ctx, c, stdout, stderr) }
	}
	if err := run(ctx, c, stdout); err != nil {
		fmt.Fprintln(stderr, "logstore:", err)
		return 1
	}
	return 0
}

// ingest stores lines until the sources end; command serve goes on after that.
func ingest(ctx context.Context, c *config, stdout, stderr io.Writer) (err error) {
	sources, err := c.openSources()
	if err != nil {
		return err
	}
	s, err := openStore(c)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.close()) }()
	m := s.db.Metrics()
	c.log.Info("opened", "dir", c.dir, "took", s.opening.Round(time.Millisecond), "replayed", m.Replayed, "cut", m.Cut)
	h, err := startServer(c, s)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, h.close()) }()
	if h.url != "" {
		fmt.Fprintf(stdout, "listening on %s\n", h.url)
	}
	if c.command == "serve" {
		greet(c, h.url, stdout)
	}
	running, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	go func() {
		select {
		case err := <-h.failed:
			cancel(err)
		case <-running.Done():
		}
	}()
	err = storeAll(running, c, s, sources, stdout, stderr)
	if c.command == "serve" && err == nil {
		<-running.Done()
		err = context.Cause(running)
	}
	if ctx.Err() != nil { // what a signal has ended is no failure
		c.log.Info("stopping", "because", context.Cause(ctx))
		return nil
	}
	return err
}

// storeAll stores the lines of the sources, tells how far it is, and what it did.
func storeAll(ctx context.Context, c *config, s *store, sources []source, stdout, stderr io.Writer) error {
	if len(sources) == 0 {
		return nil
	}
	if c.generate > 0 {
		fmt.Fprintf(stdout, "%s lines are made up, by %d sources\n", thousands(c.generate), c.writers)
	}
	in := &ingester{config: c, store: s}
	in.begin(sources)
	p := newProgress(in, sources, stderr)
	stop, told := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(told)
		p.run(stop)
	}()
	err := in.run(ctx, sources)
	close(stop)
	<-told
	took, lines, bytes := time.Since(p.start), s.lines.Load(), s.bytes.Load()
	fmt.Fprintf(stdout, "stored %s lines, %.1f MB, in %v: %s lines/s, %.1f MB/s\n", thousands(lines), mb(bytes),
		took.Round(time.Millisecond), thousands(uint64(float64(lines)/took.Seconds())), mb(bytes)/took.Seconds())
	if lines == 0 && err == nil {
		fmt.Fprintln(stdout, "nothing was new: an earlier run has stored all of it (-generate counts its lines too)")
	}
	return err
}

func greet(c *config, url string, w io.Writer) {
	if url == "" {
		return
	}
	fmt.Fprintf(w, `data in %s, kept for %v
try:
  date | curl -s --data-binary @- '%s/ingest?source=me'
  curl -sN '%s/tail?n=3&f=true'
  curl -s '%s/query?from=5m&contains=error'
or, in another terminal here: logstore tail -f -dir %s
`, c.dir, c.retention, url, url, url, c.dir)
}

// demonstrate is what happens without a command: it ends by itself.
func demonstrate(ctx context.Context, c *config, stdout, stderr io.Writer) (err error) {
	sources, err := c.openSources()
	if err != nil {
		return err
	}
	s, err := openStore(c)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.close()) }()
	if err := storeAll(ctx, c, s, sources, stdout, stderr); err != nil && ctx.Err() == nil {
		return err
	}
	last, err := s.last(query{last: 1})
	if err != nil || len(last) == 0 || ctx.Err() != nil {
		return err
	}
	at, _, _ := splitKey(last[0].key)
	second := at[:len("2006-01-02T15:04:05")]
	steps := []struct {
		say, kind string
		q         query
	}{
		{"the newest lines (logstore tail -n 3):", "/tail", query{last: 3}},
		{"how many are of the last second (logstore query -count -prefix " + second + "):", "/query", query{prefix: second, count: true}},
		{"errors among them (logstore query -limit 3 -contains level=ERROR -prefix " + second + "):", "/query",
			query{prefix: second, contains: "level=ERROR", limit: 3}},
		{"the store (logstore stats):", "/stats", query{}},
	}
	for _, step := range steps {
		fmt.Fprintln(stdout, "\n"+step.say)
		if err := s.answer(ctx, step.kind, step.q, stdout, func() {}); err != nil {
			return err
		}
	}
	fmt.Fprintf(stdout, `
The data is in %s; nothing is stored twice, so run it again, or kill it with -9
meanwhile. Next, with go run ./examples/logstore in the place of logstore:
  logstore ingest /var/log/syslog           lines of a file
  logstore serve                            take lines over HTTP, until Ctrl-C
  logstore serve -generate 1000000 -rate 50 and make up more
  logstore tail -f                          in another terminal, meanwhile
  logstore query -from 5m -contains slow    lines of the last five minutes
`, c.dir)
	return nil
}
