package main

import (
	"flag"
	"io"
	"net"
	"net/url"
	"strings"
	"time"

	"github.com/flagship-go/flagship/bft/p2p"
)

// config is what the flags of start say.
type config struct {
	home, app                   string
	single                      bool // --home is one node's
	validators                  int
	p2p, rpc, admin             string
	peers                       []string
	moniker                     string
	emptyBlocks                 bool
	emptyInterval, commitWait   time.Duration
	propose, prevote, precommit time.Duration
	level                       string
}

const (
	defaultHome  = "chain-data" // relative to where the command is run, and stays
	defaultRPC   = "tcp://127.0.0.1:26657"
	defaultAdmin = "127.0.0.1:26660"
	rpcStep      = 10 // between the ports of nodes in one process
)

const startForm = "chain [start] [flags]"

// parseStart reads the flags. A home that chain init or chain testnet has made is one node's; another one is made for all.
func parseStart(args []string, stderr io.Writer) (*config, error) {
	c := &config{}
	f := flag.NewFlagSet("chain start", flag.ContinueOnError)
	f.StringVar(&c.home, "home", defaultHome, "`directory`: one node's home, or where the homes of all are made")
	f.StringVar(&c.app, "app", "", "`bank` or kvstore; fixed when the homes are made (default bank)")
	f.IntVar(&c.validators, "v", 4, "`number` of validators in this process, 1 to 16, where --home is not one node's")
	f.StringVar(&c.p2p, "p2p.laddr", "tcp://127.0.0.1:0", "`address` to listen on for peers")
	f.StringVar(&c.rpc, "rpc.laddr", defaultRPC, "`address` of the RPC; further nodes in this process have the next ports, in steps of 10")
	f.StringVar(&c.admin, "admin.laddr", defaultAdmin, "`address` of /health, /metrics, /debug/pprof and of commands")
	peers := f.String("p2p.persistent_peers", "", "`ID@HOST:PORT,...` to be connected to always")
	f.StringVar(&c.moniker, "moniker", "", "a `name` for people (default that of the home)")
	f.BoolVar(&c.emptyBlocks, "consensus.create_empty_blocks", true, "make blocks also without transactions; false: wait for them for ever")
	f.DurationVar(&c.emptyInterval, "consensus.create_empty_blocks_interval", time.Second, "the `time` that a height waits for a transaction before its block is empty; 0: not at all")
	f.DurationVar(&c.commitWait, "consensus.timeout_commit", 0, "the `time` that a height waits for the last precommits")
	f.DurationVar(&c.propose, "consensus.timeout_propose", 3*time.Second, "the `time` that a round waits for a proposal")
	f.DurationVar(&c.prevote, "consensus.timeout_prevote", time.Second, "the `time` that a round waits for a polka")
	f.DurationVar(&c.precommit, "consensus.timeout_precommit", time.Second, "the `time` that a round waits for a decision")
	f.StringVar(&c.level, "log_level", "error", "`level` of the log: debug, info, warn, error")
	if _, err := parse(f, args, stderr, 0, startForm); err != nil {
		return nil, err
	}
	if *peers != "" {
		c.peers = strings.Split(*peers, ",")
	}
	return c, c.check()
}

// interval is how long a height waits for a transaction; 0: for ever, or not at all.
func (c *config) interval() time.Duration {
	if !c.emptyBlocks {
		return 0
	}
	return c.emptyInterval
}

// check is P1.
func (c *config) check() (err error) {
	for _, a := range []struct {
		flag string
		addr *string
	}{{"p2p.laddr", &c.p2p}, {"rpc.laddr", &c.rpc}, {"admin.laddr", &c.admin}} {
		if *a.addr, err = hostPort(*a.addr); err != nil {
			return wrong("--%s: %v", a.flag, err)
		}
	}
	for _, p := range c.peers {
		if _, _, err := p2p.ParseAddress(p); err != nil {
			return wrong("--p2p.persistent_peers: %v", err)
		}
	}
	c.single = isHome(c.home)
	switch {
	case c.home == "":
		return wrong("--home: must name a directory")
	case c.app != "" && c.app != "bank" && c.app != "kvstore":
		return wrong("--app %s: must be bank or kvstore", c.app)
	case c.validators < 1 || c.validators > 16:
		return wrong("--v %d: must be 1 to 16", c.validators)
	case !c.single && len(c.peers) > 0:
		return wrong("--p2p.persistent_peers: %s is not the home of one node; chain testnet makes some", c.home)
	case c.emptyInterval < 0 || c.commitWait < 0:
		return wrong("--consensus.create_empty_blocks_interval and --consensus.timeout_commit must not be negative")
	case min(c.propose, c.prevote, c.precommit) < time.Millisecond:
		return wrong("--consensus.timeout_propose, timeout_prevote and timeout_precommit must be at least 1ms")
	}
	return nil
}

// hostPort takes CometBFT's tcp://host:port, and host:port.
func hostPort(addr string) (string, error) {
	if strings.Contains(addr, "://") {
		u, err := url.Parse(addr)
		if err != nil || u.Scheme != "tcp" && u.Scheme != "http" || strings.Trim(u.Path, "/") != "" {
			return "", wrong("%s: must be tcp://host:port", addr)
		}
		addr = u.Host
	}
	if _, _, err := net.SplitHostPort(addr); err != nil {
		return "", wrong("%s: must be host:port or tcp://host:port", addr)
	}
	return addr, nil
}
