// Command caddy is Caddy as a library, for the program in the directory above: a proxy with as many routes as that one
// says.
package main

import (
	"encoding/json"
	"fmt"
	"os"

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
	addr, err := peer.FreeAddr()
	if err != nil {
		return err
	}
	if err := load(addr, routesOf(order)); err != nil {
		return err
	}
	if err := peer.Answer(addr, peer.Own); err != nil {
		return err
	}
	return caddy.Stop()
}

// object is one of JSON.
type object = map[string]any

// load starts Caddy, or gives one that runs other routes.
func load(addr string, routes []object) error {
	text, err := json.Marshal(object{
		"admin":   object{"disabled": true, "config": object{"persist": false}},
		"logging": object{"logs": object{"default": object{"level": "ERROR"}}},
		"apps": object{"http": object{"servers": object{"versus": object{
			"listen": []string{addr}, "automatic_https": object{"disable": true}, "protocols": []string{"h1"}, "routes": routes,
		}}}},
	})
	if err != nil {
		return err
	}
	return caddy.Load(text, true)
}

// routesOf are the routes of an order, each with its proxy, as one writes them. Caddy tries one after the other; what
// ends in /detail comes before what an id may end.
func routesOf(o peer.Order) (routes []object) {
	for i := range o.Routes {
		path := peer.Path(i^1, "*")
		if i^1 >= o.Routes {
			path = peer.Path(i, "*")
		}
		routes = append(routes, object{
			"match": []object{{"path": []string{path}, "method": []string{"GET"}}}, "handle": []object{proxyTo(o.Backend)}, "terminal": true,
		})
	}
	return routes
}

func proxyTo(backend string) object {
	return object{"handler": "reverse_proxy", "upstreams": []object{{"dial": backend}},
		"transport": object{"protocol": "http", "compression": false, "keep_alive": object{"max_idle_conns_per_host": 256}}}
}
