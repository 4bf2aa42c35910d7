package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"

	"github.com/flagship-go/flagship/examples/objectstore/sigv4"
)

const healUsage = `usage: objectstore heal [flags]

Heals the objects of a server that runs: brings every shard back to its drive, and
purges what was never acknowledged. Without --deep it looks at the presence and the
size of shards, with it at every byte. Keys are those of the server.

`

// healCommand asks a server to heal, and shows how far it is.
func healCommand(ctx context.Context, args []string, env func(string) string, stdout, stderr io.Writer) error {
	fs := flag.NewFlagSet("objectstore heal", flag.ContinueOnError)
	fs.SetOutput(stderr)
	fs.Usage = func() {
		fmt.Fprint(stderr, healUsage)
		fs.PrintDefaults()
	}
	address := fs.String("address", defaultAddress, "`host:port` of the server")
	region := fs.String("region", "us-east-1", "`name` to sign for")
	prefix := fs.String("prefix", "", "heal what begins with `BUCKET/KEY` only")
	deep := fs.Bool("deep", false, "read and check every byte")
	dryRun := fs.Bool("dry-run", false, "report, and change nothing")
	if err := fs.Parse(args); err != nil {
		if err != flag.ErrHelp {
			err = usageError{err}
		}
		return err
	}
	if fs.NArg() > 0 {
		return usageError{fmt.Errorf("%q is no flag", fs.Arg(0))}
	}
	access, secret, _, err := credentials(env)
	if err != nil {
		return usageError{err}
	}
	query := url.Values{"prefix": {*prefix}, "deep": {fmt.Sprint(*deep)}, "dry-run": {fmt.Sprint(*dryRun)}}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://"+*address+"/admin/heal?"+query.Encode(), nil)
	if err != nil {
		return usageError{err}
	}
	signer := &sigv4.Signer{AccessKey: access, SecretKey: secret, Region: *region}
	signer.Sign(r, "")
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		text, _ := io.ReadAll(io.LimitReader(answer.Body, 4096))
		return fmt.Errorf("the server at %s refuses: %s", *address, strings.TrimSpace(string(text)))
	}
	return showHeal(answer.Body, stdout)
}

// showHeal prints the lines of a heal until it ends.
func showHeal(from io.Reader, to io.Writer) error {
	lines := bufio.NewScanner(from)
	for lines.Scan() {
		var h healLine
		if err := json.Unmarshal(lines.Bytes(), &h); err != nil {
			return fmt.Errorf("an answer that is none: %w", err)
		}
		what := "at " + h.Name
		if h.Done {
			what = "done"
		}
		fmt.Fprintf(to, "%d objects, %d versions, %d MiB: %d shards healed (%d corrupt, %d absent), %d purged, %d unreadable; %s\n",
			h.Objects, h.Versions, h.Bytes>>20, h.Healed, h.Corrupt, h.Absent, h.Purged, h.Unreadable, what)
		if h.Error != "" {
			return errors.New(h.Error)
		}
		if h.Done {
			return nil
		}
	}
	if err := lines.Err(); err != nil {
		return err
	}
	return errors.New("the server ended before the heal was done")
}
