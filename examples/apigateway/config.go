package main

import (
	"flag"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"strings"
	"time"
)

// config is what the flags say.
type config struct {
	address, support  string
	routesFile        string
	routesGiven       bool // by the user, who has written it
	poll              time.Duration
	cert, key         string
	clientCA          string
	readyDelay, drain time.Duration
	trusted, proxies  []netip.Prefix
	preserveHost      bool
	noAccessLog       bool
	upstreams         int
	level             slog.Level
}

const (
	defaultAddress = "127.0.0.1:9090"
	defaultSupport = "127.0.0.1:9911"
	defaultPort    = 9101
	maxPort        = 65535 - 3
)

const usage = `usage: apigateway [flags]
       apigateway check FILE
       apigateway explain FILE 'GET /path' ['Header: value' ...]
       apigateway print FILE

Skipper in small: a gateway that takes its routes from an eskip file and watches it.

  apigateway
        clients are served on 127.0.0.1:9090, and the page, /metrics and /debug/pprof on
        127.0.0.1:9911; routes are in ./apigateway-data/routes.eskip, which a first start
        writes, and four small upstreams to try them on listen on ports 9101 to 9104
  apigateway -routes-file my.eskip -upstreams-port -1
        your routes, and no upstreams
  apigateway check my.eskip
        says where the file is wrong, and which routes can never win or win by name only
  apigateway explain my.eskip 'GET http://shop.example/items' 'X-Variant: b'
        which route a request takes, and why not another; nothing is sent
  apigateway print my.eskip
        the file's routes in one style; comments are not kept

FILE may be - for the standard input. Files that routes name (library.pb) are looked for
beside the routes' file. The gateway exits with 0 after SIGINT or SIGTERM, when the
requests under way are done; with 1 when it cannot go on or a file is wrong, 2 on wrong
usage.

`

// parse reads the arguments. The error is flag.ErrHelp after -h.
func parse(args []string, stderr io.Writer) (*config, error) {
	c := &config{}
	var level string
	fs := flag.NewFlagSet("apigateway", flag.ContinueOnError)
	fs.SetOutput(stderr)
	fs.Usage = func() {
		fmt.Fprint(stderr, usage)
		fs.PrintDefaults()
	}
	fs.StringVar(&c.address, "address", defaultAddress, "`host:port` to listen on for clients")
	fs.StringVar(&c.support, "support-listener", defaultSupport, "`host:port` of the operator's page, /metrics, /healthz, /readyz and /debug/pprof")
	fs.StringVar(&c.support, "admin-address", defaultSupport, "the same as -support-listener: `host:port`")
	fs.StringVar(&c.routesFile, "routes-file", defaultRoutes, "`file` with routes, or a directory of .eskip files; one that is not named here is written if it is not there")
	fs.DurationVar(&c.poll, "source-poll-timeout", 500*time.Millisecond, "how often the file is looked at")
	fs.StringVar(&c.cert, "tls-cert", "", "certificate `files` in PEM, with commas between them; clients choose by name (SNI), and files that change are read again")
	fs.StringVar(&c.key, "tls-key", "", "key `files` in PEM, as many")
	fs.StringVar(&c.clientCA, "tls-client-ca", "", "PEM `file` of those whose client certificates are accepted, and asked for (mutual TLS)")
	fs.DurationVar(&c.readyDelay, "wait-for-healthcheck-interval", 0, "how long /readyz says no before no connections are taken any more")
	fs.DurationVar(&c.drain, "drain-timeout", 30*time.Second, "how long requests under way are waited for at the end")
	networks(fs, &c.trusted, "trusted-proxies", "`networks` whose X-Forwarded-For is believed, with commas: 10.0.0.0/8,::1/128")
	networks(fs, &c.proxies, "proxy-protocol", "`networks` whose connections begin with a PROXY header, with commas")
	fs.BoolVar(&c.preserveHost, "proxy-preserve-host", false, "upstreams get the client's Host")
	fs.BoolVar(&c.noAccessLog, "access-log-disabled", false, "no line on stderr for each request")
	fs.IntVar(&c.upstreams, "upstreams-port", defaultPort, "first of the four `ports` of the upstreams on 127.0.0.1; 0: any, -1: no upstreams")
	fs.StringVar(&level, "application-log-level", "info", "`level` of the log: debug, info, warn, error")
	if err := fs.Parse(args); err != nil {
		if err != flag.ErrHelp {
			err = usageError{err}
		}
		return nil, err
	}
	fs.Visit(func(f *flag.Flag) { c.routesGiven = c.routesGiven || f.Name == "routes-file" })
	if err := c.level.UnmarshalText([]byte(level)); err != nil {
		return nil, usageError{fmt.Errorf("-application-log-level %s: must be debug, info, warn or error", level)}
	}
	if err := c.check(fs.Args()); err != nil {
		return nil, usageError{err}
	}
	return c, nil
}

// networks is a flag that is a list of them.
func networks(fs *flag.FlagSet, into *[]netip.Prefix, name, usage string) {
	fs.Func(name, usage, func(text string) error {
		for one := range strings.SplitSeq(text, ",") {
			p, err := netip.ParsePrefix(strings.TrimSpace(one))
			if err != nil {
				return fmt.Errorf("%q is no network: write one like 10.0.0.0/8", one)
			}
			*into = append(*into, p)
		}
		return nil
	})
}

func (c *config) check(rest []string) error {
	for name, addr := range map[string]string{"address": c.address, "support-listener": c.support} {
		if _, _, err := net.SplitHostPort(addr); err != nil {
			return fmt.Errorf("-%s %s: must be host:port, as in %s", name, addr, defaultAddress)
		}
	}
	certs, keys := strings.Count(c.cert, ","), strings.Count(c.key, ",")
	switch {
	case len(rest) > 0:
		return fmt.Errorf("%s: there are flags, and check, explain and print", strings.Join(rest, " "))
	case c.routesFile == "":
		return fmt.Errorf("-routes-file: must name a file")
	case (c.cert == "") != (c.key == "") || certs != keys:
		return fmt.Errorf("-tls-cert %q, -tls-key %q: each certificate needs its key, in the same order", c.cert, c.key)
	case c.clientCA != "" && c.cert == "":
		return fmt.Errorf("-tls-client-ca: needs -tls-cert and -tls-key")
	case c.poll < time.Millisecond:
		return fmt.Errorf("-source-poll-timeout %v: must be at least 1ms", c.poll)
	case c.readyDelay < 0 || c.drain <= 0:
		return fmt.Errorf("-wait-for-healthcheck-interval %v, -drain-timeout %v: must be 0s or more, and above 0s", c.readyDelay, c.drain)
	case c.upstreams < -1 || c.upstreams > maxPort:
		return fmt.Errorf("-upstreams-port %d: must be -1 to %d", c.upstreams, maxPort)
	}
	return nil
}
