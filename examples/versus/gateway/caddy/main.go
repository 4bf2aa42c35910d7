// Command caddy is Caddy as a library, for the program in the directory above: a proxy with as many routes as that one
// says.
package main

import (
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/caddyserver/caddy/v2"
	_ "github.com/caddyserver/caddy/v2/modules/caddyhttp"
	_ "github.com/caddyserver/caddy/v2/modules/caddyhttp/reverseproxy"

	"github.com/flagship-go/flagship/examples/versus/gateway/internal/peer"
)

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run() error {
	order, is, err := peer.Ordered()
	if err != nil {
		return err
	}
	if !is {
		return fmt.Errorf("this program is started by the one in the directory above")
	}
	var addr string
	for tries := 0; ; tries++ {
		if addr, err = peer.FreeAddr(); err != nil {
			return err
		}
		err := load(addr, order)
		if err == nil {
			break
		}
		// Somebody else may have come first, when there are many connections.
		if tries == 10 || !strings.Contains(err.Error(), "address already in use") {
			return err
		}
	}
	if err := peer.Answer(addr, peer.Own); err != nil {
		return err
	}
	return caddy.Stop()
}

// object is one of JSON.
type object = map[string]any

// load starts Caddy.
func load(addr string, o peer.Order) error {
	server := object{"listen": []string{addr}, "automatic_https": object{"disable": true}, "protocols": []string{"h1"}, "routes": routesOf(o)}
	if len(o.Prefixes) > 0 {
		server["max_header_bytes"] = 64 << 10
		server["enable_full_duplex"] = true
	}
	text, err := json.Marshal(object{
		"admin":   object{"disabled": true, "config": object{"persist": false}},
		"logging": object{"logs": object{"default": object{"level": "ERROR"}}},
		"apps":    object{"http": object{"servers": object{"versus": server}}},
	})
	if err != nil {
		return err
	}
	return caddy.Load(text, true)
}

// routesOf are the routes of an order, each with its proxy, as one writes them. Caddy tries one after the other; what
// ends in /detail comes before what an id may end.
func routesOf(o peer.Order) (routes []object) {
	slices.SortFunc(o.Prefixes, func(a, b peer.Prefix) int { return len(b.Prefix) - len(a.Prefix) })
	for _, p := range o.Prefixes {
		proxy := proxyTo(p.Upstream)
		proxy["flush_interval"] = -1
		below := strings.TrimSuffix(p.Prefix, "/") + "/*"
		routes = append(routes, object{"match": []object{{"path": []string{p.Prefix, below}}}, "handle": []object{proxy}, "terminal": true})
	}
	for i := range o.Routes {
		path := peer.Path(i^1, "*")
		if i^1 >= o.Routes {
			path = peer.Path(i, "*")
		}
		routes = append(routes, object{
			"match": []object{{"path": []string{path}, "method": []string{"GET"}}}, "handle": []object{proxyTo(o.Backend)}, "terminal": true,
		})
	}
	// Without this, what no route has is answered with 200.
	return append(routes, object{"handle": []object{{"handler": "static_response", "status_code": 404}}})
}

func proxyTo(backend string) object {
	return object{"handler": "reverse_proxy", "upstreams": []object{{"dial": backend}},
		"transport": object{"protocol": "http", "compression": false, "expect_continue_timeout": "1m", "keep_alive": object{"max_idle_conns_per_host": 256}}}
}
