package push_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"

	"github.com/flagship-go/flagship/gateway/push"
)

// A publisher behind a handler that asks for a token, and a gateway that refuses a version which it
// cannot parse.
func Example() {
	publisher := push.NewPublisher(push.Options{})
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "Bearer token" {
			http.Error(w, "who are you?", http.StatusUnauthorized)
			return
		}
		publisher.ServeHTTP(w, r)
	}))
	defer server.Close()
	defer publisher.Close()

	ctx, leave := context.WithCancel(context.Background())
	seen, goOn, left := make(chan string), make(chan struct{}), make(chan error)
	go func() {
		left <- push.Subscribe(ctx, server.URL, push.SubscriberOptions{
			Name:   "edge-1",
			Header: http.Header{"Authorization": {"Bearer token"}},
			Apply: func(version uint64, config []byte) error {
				seen <- fmt.Sprintf("version %d: %s", version, config)
				<-goOn
				if string(config) == "r: Pth();" {
					return errors.New("routes.eskip:1:4: no predicate is named Pth; is it Path?")
				}
				return nil
			},
		})
	}()

	for _, config := range []string{`r: Path("/");`, `r: Pth();`, `r: Path("/shop");`} {
		publisher.Publish([]byte(config))
		fmt.Println(<-seen)
		// It is about to be applied, and what became of the one before has been reported.
		for _, s := range publisher.Status() {
			fmt.Printf("  %s has %d, refused %d: %q\n", s.Name, s.Acked, s.Nacked, s.Reason)
		}
		goOn <- struct{}{}
	}
	leave()
	fmt.Println(<-left)
	// Output:
	// version 1: r: Path("/");
	//   edge-1 has 0, refused 0: ""
	// version 2: r: Pth();
	//   edge-1 has 1, refused 0: ""
	// version 3: r: Path("/shop");
	//   edge-1 has 1, refused 2: "routes.eskip:1:4: no predicate is named Pth; is it Path?"
	// context canceled
}
