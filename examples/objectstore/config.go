package main

import (
	"flag"
	"fmt"
	"io"
	"log/slog"
	"net"
	"path/filepath"
	"strings"
)

// config is what the flags, the arguments and the environment say.
type config struct {
	address, admin       string
	dirs                 []string
	parity               int // -1: by the number of drives
	drivesPerSet         int
	requestsMax          int
	domains              []string
	region               string
	accessKey, secretKey string
	defaultKeys          bool
	level                slog.Level
}

const (
	defaultAddress = "127.0.0.1:9000"
	defaultKey     = "minioadmin" // both of them, as MinIO's
	// defaultDirs is relative to where the command is run, and stays.
	defaultDirs = "objectstore-data/drive{1...8}"
)

const usage = `usage: objectstore [flags] [DIR...]
       objectstore heal [flags]

MinIO in small: an S3 server that keeps each object on several drives, so that any
of them may fail, as many as an object has parity.

  objectstore
        8 directories below ./objectstore-data, which stay when it ends
  objectstore --address :9000 /mnt/drive{1...16}
        16 drives, two sets of 8 with --drives-per-set 8; {1...16} stands for 1, 2 and so
        on to 16, {01...16} for 01, 02 and so on
  objectstore heal
        heals all objects of a server that runs, and shows how far it is

The drives must be given each time, in any order. A directory that is missing is made:
it takes the place of one that was lost, and is filled from the others.

Clients sign with AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY of the environment in which
the server was started; without them with minioadmin and minioadmin. GET /health and
/metrics are for machines, and not signed. It exits with 0 after SIGINT or SIGTERM, when
the requests under way are done; with 1 when it cannot go on, 2 on wrong usage.

`

// parse reads the arguments. The error is flag.ErrHelp after -h.
func parse(args []string, env func(string) string, stderr io.Writer) (*config, error) {
	c := &config{}
	var level, domains string
	fs := flag.NewFlagSet("objectstore", flag.ContinueOnError)
	fs.SetOutput(stderr)
	fs.Usage = func() {
		fmt.Fprint(stderr, usage)
		fs.PrintDefaults()
	}
	fs.StringVar(&c.address, "address", defaultAddress, "`host:port` to listen on for clients")
	fs.IntVar(&c.parity, "parity", -1, "`drives` of a set that may fail without loss, at most half of them (default by their number: 1 for 2, 2 for 4, 3 for 6, 4 for 8 and more)")
	fs.IntVar(&c.drivesPerSet, "drives-per-set", 0, "`drives` that share an object; fixed at the first start (default the largest divisor of their number up to 16)")
	fs.IntVar(&c.requestsMax, "requests-max", 256, "`requests` under way at once; more are answered with 429 (0: no limit)")
	fs.StringVar(&domains, "domains", "", "`names`, with commas between, whose sub-domains are buckets (default: buckets are in the path)")
	fs.StringVar(&c.region, "region", "", "`name` that clients must sign for (default: any)")
	fs.StringVar(&c.admin, "admin-address", "", "`host:port` of pprof and metrics (default none)")
	fs.StringVar(&level, "log-level", "info", "`level` of the log: debug, info, warn, error")
	patterns, err := parseAnywhere(fs, args)
	if err != nil {
		if err != flag.ErrHelp {
			err = usageError{err}
		}
		return nil, err
	}
	if domains != "" {
		c.domains = strings.Split(domains, ",")
	}
	if err := c.level.UnmarshalText([]byte(level)); err != nil {
		return nil, usageError{fmt.Errorf("--log-level %s: must be debug, info, warn or error", level)}
	}
	if err := c.finish(patterns, env); err != nil {
		return nil, usageError{err}
	}
	return c, nil
}

// parseAnywhere parses flags in front of, between and behind the arguments, as
// MinIO's command line has them, and returns the arguments. Behind "--" all are.
func parseAnywhere(fs *flag.FlagSet, args []string) (rest []string, err error) {
	for {
		if err := fs.Parse(args); err != nil {
			return nil, err
		}
		left := fs.Args()
		if before := len(args) - len(left); len(left) == 0 || before > 0 && args[before-1] == "--" {
			return append(rest, left...), nil
		}
		rest, args = append(rest, left[0]), left[1:]
	}
}

// finish checks what was read, one against the other.
func (c *config) finish(patterns []string, env func(string) string) (err error) {
	if _, _, err := net.SplitHostPort(c.address); err != nil {
		return fmt.Errorf("--address %s: must be host:port, as in %s", c.address, defaultAddress)
	}
	if c.requestsMax < 0 {
		return fmt.Errorf("--requests-max %d: must not be negative", c.requestsMax)
	}
	if len(patterns) == 0 {
		patterns = []string{defaultDirs}
	}
	if c.dirs, err = expandAll(patterns); err != nil {
		return err
	}
	if set := c.drivesPerSet; set < 0 || set > 0 && len(c.dirs)%set != 0 {
		return fmt.Errorf("--drives-per-set %d: does not divide %d drives", set, len(c.dirs))
	}
	if c.parity != -1 && (c.parity < 0 || c.parity > len(c.dirs)/2) {
		return fmt.Errorf("--parity %d: must be 0 to %d, half of the drives", c.parity, len(c.dirs)/2)
	}
	c.accessKey, c.secretKey, c.defaultKeys, err = credentials(env)
	return err
}

// credentials are the environment's, or the known ones.
func credentials(env func(string) string) (access, secret string, isDefault bool, err error) {
	access, secret = env("AWS_ACCESS_KEY_ID"), env("AWS_SECRET_ACCESS_KEY")
	switch {
	case access == "" && secret == "":
		return defaultKey, defaultKey, true, nil
	case access == "" || secret == "":
		return "", "", false, fmt.Errorf("of AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY only one is set: set both, or none")
	}
	return access, secret, false, nil
}

// expandAll expands patterns to directories, of which none may come twice.
func expandAll(patterns []string) (dirs []string, err error) {
	seen := map[string]bool{}
	for _, p := range patterns {
		expanded, err := expand(p)
		if err != nil {
			return nil, err
		}
		for _, dir := range expanded {
			clean, err := filepath.Abs(dir)
			if err != nil {
				return nil, err
			}
			if seen[clean] {
				return nil, fmt.Errorf("%s is given twice", dir)
			}
			seen[clean] = true
			dirs = append(dirs, dir)
		}
	}
	return dirs, nil
}
