package push_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"time"

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
	seen, left := make(chan string), make(chan error)
	go func() {
		left <- push.Subscribe(ctx, server.URL, push.SubscriberOptions{
			Name:   "edge-1",
			Header: http.Header{"Authorization": {"Bearer token"}},
			Apply: func(version uint64, config []byte) error {
				seen <- fmt.Sprintf("version %d: %s", version, config)
				if string(config) == "r: Pth();" {
					return errors.New("routes.eskip:1:4: no predicate is named Pth; is it Path?")
				}
				return nil
			},
		})
	}()

	publisher.Publish([]byte(`r: Path("/");`))
	fmt.Println(<-seen)
	publisher.Publish([]byte(`r: Pth();`))
	fmt.Println(<-seen)

	for publisher.Metrics().Nacks == 0 { // the report is on its way
		time.Sleep(time.Millisecond)
	}
	for _, s := range publisher.Status() {
		fmt.Printf("%s: has version %d, refused %d: %s\n", s.Name, s.Acked, s.Nacked, s.Reason)
	}
	leave()
	fmt.Println(<-left)
	// Output:
	// version 1: r: Path("/");
	// version 2: r: Pth();
	// edge-1: has version 1, refused 2: routes.eskip:1:4: no predicate is named Pth; is it Path?
	// context canceled
}
