package gateway_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"time"

	"github.com/flagship-go/flagship/gateway"
	"github.com/flagship-go/flagship/gateway/eskip"
)

// A gateway with its own server: slow clients are cut, ambiguous requests refused, and nobody is dropped when it goes down.
func ExampleServer() {
	routes, err := eskip.Parse("routes.eskip", `hello: Path("/hello") -> status(200) -> inlineContent("hello\n") -> <shunt>;`)
	if err != nil {
		panic(err)
	}
	g, err := gateway.New(gateway.Options{})
	if err != nil {
		panic(err)
	}
	defer g.Close()
	if err := g.Apply(routes); err != nil {
		panic(err)
	}
	server, err := gateway.NewServer(g, gateway.ServerOptions{H2C: true, BodyTimeout: 10 * time.Second})
	if err != nil {
		panic(err)
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		panic(err)
	}
	served := make(chan error, 1)
	go func() { served <- server.Serve(ln) }()

	res, err := http.Get("http://" + ln.Addr().String() + "/hello")
	if err != nil {
		panic(err)
	}
	io.Copy(os.Stdout, res.Body)
	res.Body.Close()

	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	fmt.Println(server.Shutdown(ctx), errors.Is(<-served, http.ErrServerClosed))
	// Output:
	// hello
	// <nil> true
}
