package upstream_test

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"

	"github.com/flagship-go/flagship/gateway/upstream"
)

// One request, through a pool of two, of which one does not listen: the second try goes to the other.
func Example() {
	backend := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprint(w, "hello from ", r.URL.Path)
	}))
	defer backend.Close()

	registry := upstream.NewRegistry(upstream.RegistryOptions{})
	defer registry.Close()
	pool, err := registry.Pool([]string{backend.URL, "http://127.0.0.1:1"}, upstream.Options{Algorithm: "leastConnections"})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer pool.Close()

	send := func(not *upstream.Endpoint) (failed *upstream.Endpoint, err error) {
		token, err := pool.Pick(0, not)
		if err != nil {
			return nil, err
		}
		defer token.Done(upstream.Canceled) // on every way out; the one below is before it, and counts
		request, _ := http.NewRequest("GET", token.Endpoint().URL().String()+"/greeting", nil)
		answer, err := token.Endpoint().Transport().RoundTrip(request)
		token.Answered(upstream.Judge(answer, err))
		if err != nil {
			return token.Endpoint(), err
		}
		defer answer.Body.Close()
		body, err := io.ReadAll(answer.Body)
		fmt.Println(string(body))
		return nil, err
	}
	failed, err := send(nil)
	if upstream.NeverSent(err) {
		_, err = send(failed)
	}
	fmt.Println(err)
	// Output:
	// hello from /greeting
	// <nil>
}
