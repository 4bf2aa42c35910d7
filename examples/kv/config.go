package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"math"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/flagship-go/flagship/examples/kv/service"
)

// config is what the flags say. They have etcd's names, meanings and defaults.
type config struct {
	name, dataDir                  string
	listenPeer, listenClient       []string
	advertisePeer, advertiseClient []string
	initialCluster                 map[string][]string // peer URLs by name; nil: three members in this process
	existing                       bool
	token                          string
	heartbeat, election            time.Duration
	snapshotCount                  uint64
	maxSnapshots, maxWALs          uint
	quota                          int64
	storage                        string // lsm, memory, or "": what the directory has
	compaction                     service.AutoCompaction
	maxRequestBytes                int
	progress, corruptCheck         time.Duration
	client, peer                   tlsFiles
	admin                          string
	level                          slog.Level
}

type tlsFiles struct {
	cert, key, ca string
	clientAuth    bool
}

// maxElection is etcd's bound.
const maxElection = 50 * time.Second

// raw holds the flags that need more than parsing.
type raw struct {
	listenPeer, listenClient, advertisePeer, advertiseClient string
	cluster, state, mode, retention, level                   string
	heartbeat, election                                      uint
}

// parse reads the flags. The error is flag.ErrHelp after -h.
func parse(args []string, stderr io.Writer) (*config, error) {
	c, r := &config{}, &raw{}
	fs := flags(c, r)
	fs.SetOutput(stderr)
	if err := fs.Parse(args); err != nil {
		return nil, err
	}
	if fs.NArg() > 0 {
		return nil, fmt.Errorf("%q is not a valid flag", fs.Arg(0))
	}
	return c, c.finish(r)
}

const usage = `usage: kv [flags]

etcd in small: a replicated store of revisions, spoken to by etcd's v3 JSON API.

  kv
        three members in this process, data in default.etcd
  kv -name m1 -listen-client-urls http://127.0.0.1:12379 -listen-peer-urls http://127.0.0.1:12380 \
     -initial-cluster m1=http://127.0.0.1:12380,m2=http://127.0.0.1:22380,m3=http://127.0.0.1:32380
        one member of three
  kv -name m4 ... -initial-cluster-state existing -initial-cluster m2=http://127.0.0.1:22380,m4=http://127.0.0.1:42380
        a member that was added by /v3/cluster/member/add

Clients POST to /v3/kv/range, /v3/kv/put and so on; GET /health, /readyz, /livez,
/version and /metrics are for machines. It exits with 0 after SIGINT or SIGTERM,
when the requests under way are done; with 1 when it cannot go on, 2 on wrong
usage. Names, meanings and defaults of the flags are etcd's, with - or --:

`

func flags(c *config, r *raw) *flag.FlagSet {
	fs := flag.NewFlagSet("kv", flag.ContinueOnError)
	fs.Usage = func() {
		fmt.Fprint(fs.Output(), usage)
		fs.PrintDefaults()
	}
	fs.StringVar(&c.name, "name", "default", "this member's `name`, as in -initial-cluster")
	fs.StringVar(&c.dataDir, "data-dir", "", "`directory` of the data (default NAME.etcd)")
	fs.StringVar(&r.listenClient, "listen-client-urls", "http://localhost:2379", "`URLs` to listen on for clients, with commas between")
	fs.StringVar(&r.advertiseClient, "advertise-client-urls", "", "`URLs` that clients are told (default those listened on)")
	fs.StringVar(&r.listenPeer, "listen-peer-urls", "http://localhost:2380", "`URL` to listen on for the other members")
	fs.StringVar(&r.advertisePeer, "initial-advertise-peer-urls", "", "`URLs` that the other members are told (default that listened on)")
	fs.StringVar(&r.cluster, "initial-cluster", "", "the members of the first start, `NAME=URL,...`")
	fs.StringVar(&r.state, "initial-cluster-state", "new", "`new`, or existing: join the cluster at the URLs of -initial-cluster")
	fs.StringVar(&c.token, "initial-cluster-token", "etcd-cluster", "`name` that keeps clusters of equal URLs apart")
	fs.UintVar(&r.heartbeat, "heartbeat-interval", 100, "`milliseconds` between a leader's heartbeats")
	fs.UintVar(&r.election, "election-timeout", 1000, "`milliseconds` of silence until an election; at least 5 heartbeats")
	fs.Uint64Var(&c.snapshotCount, "snapshot-count", 10000, "`entries` committed between snapshots")
	fs.UintVar(&c.maxSnapshots, "max-snapshots", 5, "snapshot `files` to keep, and the log back to the oldest (0: all)")
	fs.UintVar(&c.maxWALs, "max-wals", 5, "log `files`, of 64 MiB, to keep for the sake of old snapshots (0: all)")
	fs.Int64Var(&c.quota, "quota-backend-bytes", 0, "`size` over which the NOSPACE alarm is raised (0: 2 GiB, below 0: none)")
	fs.StringVar(&c.storage, "storage", "", "where the store is: `lsm`, a tree on the disk; or memory (default what the directory has, lsm in a new one)")
	fs.StringVar(&r.mode, "auto-compaction-mode", "periodic", "`periodic` or revision")
	fs.StringVar(&r.retention, "auto-compaction-retention", "0", "history kept: a `duration` (a bare number: hours) or, by revision, a number; 0: all")
	fs.IntVar(&c.maxRequestBytes, "max-request-bytes", 3<<19, "`size` of the largest request")
	fs.DurationVar(&c.progress, "watch-progress-notify-interval", 10*time.Minute, "`time` between progress notices of a silent watch")
	fs.DurationVar(&c.corruptCheck, "corrupt-check-time", 0, "`time` between comparisons of the members' data (0: never)")
	fs.StringVar(&c.client.cert, "cert-file", "", "certificate `file` shown to clients")
	fs.StringVar(&c.client.key, "key-file", "", "its key `file`")
	fs.BoolVar(&c.client.clientAuth, "client-cert-auth", false, "clients must show a certificate")
	fs.StringVar(&c.client.ca, "trusted-ca-file", "", "`file` of the authorities of clients")
	fs.StringVar(&c.peer.cert, "peer-cert-file", "", "certificate `file` shown to members")
	fs.StringVar(&c.peer.key, "peer-key-file", "", "its key `file`")
	fs.BoolVar(&c.peer.clientAuth, "peer-client-cert-auth", false, "accepted: with TLS, members always show certificates")
	fs.StringVar(&c.peer.ca, "peer-trusted-ca-file", "", "`file` of the authorities of members")
	fs.StringVar(&c.admin, "admin-address", "", "`host:port` of pprof and metrics (default none)")
	fs.StringVar(&r.level, "log-level", "info", "`level` of the log: debug, info, warn, error")
	return fs
}

// finish checks the flags against each other.
func (c *config) finish(r *raw) (err error) {
	urls := func(flag, list string, or []string) []string {
		if list == "" {
			return or
		}
		out, problem := parseURLs(list)
		if problem != nil && err == nil {
			err = fmt.Errorf("--%s: %w", flag, problem)
		}
		return out
	}
	c.listenClient = urls("listen-client-urls", r.listenClient, nil)
	c.advertiseClient = urls("advertise-client-urls", r.advertiseClient, c.listenClient)
	c.listenPeer = urls("listen-peer-urls", r.listenPeer, nil)
	c.advertisePeer = urls("initial-advertise-peer-urls", r.advertisePeer, c.listenPeer)
	if err != nil {
		return err
	}
	c.heartbeat, c.election = time.Duration(r.heartbeat)*time.Millisecond, time.Duration(r.election)*time.Millisecond
	switch {
	case len(c.listenPeer) != 1 || len(c.listenClient) == 0:
		return errors.New("--listen-peer-urls wants one URL, --listen-client-urls at least one")
	case r.heartbeat == 0:
		return errors.New("--heartbeat-interval must be >0 (set to 0ms)")
	case c.election < 5*c.heartbeat:
		return fmt.Errorf("--election-timeout[%vms] should be at least as 5 times as --heartbeat-interval[%vms]", r.election, r.heartbeat)
	case c.election > maxElection:
		return fmt.Errorf("--election-timeout[%vms] is too long, and should be set less than %vms", r.election, maxElection.Milliseconds())
	case c.snapshotCount == 0 || c.maxRequestBytes < 1:
		return errors.New("--snapshot-count and --max-request-bytes must be >0")
	case c.maxSnapshots > math.MaxInt32 || c.maxWALs > math.MaxInt32:
		return errors.New("--max-snapshots and --max-wals must be below 2147483648 (0 is unlimited)")
	case c.storage != "" && c.storage != storageLSM && c.storage != storageMemory:
		return fmt.Errorf("--storage is %q, must be lsm or memory", c.storage)
	case r.state != "new" && r.state != "existing":
		return fmt.Errorf("--initial-cluster-state is %q, must be new or existing", r.state)
	}
	c.existing = r.state == "existing"
	if c.dataDir == "" {
		c.dataDir = c.name + ".etcd"
	}
	if err := c.level.UnmarshalText([]byte(r.level)); err != nil {
		return fmt.Errorf("--log-level: %w", err)
	}
	if c.compaction, err = parseRetention(r.mode, r.retention); err != nil {
		return err
	}
	return c.parseCluster(r.cluster)
}

// parseCluster reads NAME=URL,NAME=URL; a name may come again with another URL.
func (c *config) parseCluster(list string) error {
	if list == "" {
		if c.existing {
			return errors.New("--initial-cluster-state existing needs --initial-cluster")
		}
		return nil
	}
	c.initialCluster = map[string][]string{}
	for _, part := range strings.Split(list, ",") {
		name, u, ok := strings.Cut(part, "=")
		if !ok || name == "" {
			return fmt.Errorf("--initial-cluster: %q is not NAME=URL", part)
		}
		parsed, err := parseURLs(u)
		if err != nil {
			return fmt.Errorf("--initial-cluster: %w", err)
		}
		c.initialCluster[name] = append(c.initialCluster[name], parsed...)
	}
	if len(c.initialCluster[c.name]) == 0 {
		return fmt.Errorf("couldn't find local name %q in the initial cluster configuration", c.name)
	}
	return nil
}

func parseURLs(list string) ([]string, error) {
	var out []string
	for _, s := range strings.Split(list, ",") {
		u, err := url.Parse(s)
		switch {
		case err != nil:
			return nil, err
		case u.Scheme != "http" && u.Scheme != "https":
			return nil, fmt.Errorf("URL scheme must be http or https: %s", s)
		case u.Port() == "":
			return nil, fmt.Errorf(`URL address does not have the form "host:port": %s`, s)
		case u.Path != "":
			return nil, fmt.Errorf("URL must not contain a path: %s", s)
		}
		out = append(out, s)
	}
	return out, nil
}

func parseRetention(mode, s string) (c service.AutoCompaction, err error) {
	n, bad := strconv.ParseInt(s, 10, 64)
	switch {
	case mode == "revision":
		c.Revisions, err = n, bad
	case mode != "periodic":
		err = fmt.Errorf("unsupported auto-compaction-mode %q", mode)
	case bad == nil:
		c.Retention = time.Duration(n) * time.Hour
	default:
		c.Retention, err = time.ParseDuration(s)
	}
	if err == nil && (c.Retention < 0 || c.Revisions < 0) {
		err = errors.New("is negative")
	}
	if err != nil {
		return c, fmt.Errorf("--auto-compaction-retention %s (%s): %w", s, mode, err)
	}
	return c, nil
}
