package main

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/coder/websocket"

	"github.com/flagship-go/flagship/examples/apigateway/upstreams"
	"github.com/flagship-go/flagship/gateway/eskip"
)

// reload changes routes while clients ask, one at a time and all at once.
func (a *gatewayActs) reload() error {
	chat := upstreams.NewChat()
	address, stop, err := serveOnLoopback(chat)
	if err != nil {
		return err
	}
	defer stop()
	defer chat.Leave()
	chatRoute, err := eskip.Parse("tour", fmt.Sprintf(`chat: Path("/chat") -> "http://%s";`, address))
	if err != nil {
		return err
	}
	all := append(slices.Clone(a.routes), chatRoute...)
	if err := a.gateway.Apply(all); err != nil {
		return err
	}
	conn, _, err := websocket.Dial(a.ctx, a.gateway.url+"/chat", nil)
	if err != nil {
		return err
	}
	defer conn.CloseNow()
	a.Say("%d clients ask without a pause, and a WebSocket is open, while routes change: %d times one of them, and every twentieth time all %d.", gatewayClients, a.reloads, len(all))

	load := a.startLoad()
	stale, unheard := 0, 0
	var single, whole time.Duration
	for i := range a.reloads {
		n := 1 + i*7919%(len(all)-2) // not the first, which is all others', nor the chat
		edition := fmt.Sprint(i + 2)
		all[n] = withEdition(all[n], edition)
		began := time.Now()
		if i%20 == 19 {
			err = a.gateway.Apply(slices.Clone(all))
			whole += time.Since(began)
		} else {
			err = a.gateway.Update(all[n:n+1], nil)
			single += time.Since(began)
		}
		if err != nil {
			break
		}
		if !a.hasEdition(all[n], edition) {
			stale++
		}
		if !echoes(a.ctx, conn, edition) {
			unheard++
		}
		a.Progress("reloads", i+1, a.reloads)
	}
	asked, failed := load.stop()
	if err != nil {
		return err
	}
	wholes := a.reloads / 20
	a.Claim(failed == 0, "%d reloads, %v for one route and %v for all of %d, and none of %d requests has failed",
		a.reloads, (single / time.Duration(a.reloads-wholes)).Round(time.Microsecond), (whole / time.Duration(max(wholes, 1))).Round(100*time.Microsecond), len(all), asked)
	a.Claim(stale == 0, "the first request after each of %d changes goes the new way", a.reloads)
	a.Claim(unheard == 0, "the WebSocket was not cut: it has heard all %d messages", a.reloads)
	return a.ctx.Err()
}

// withEdition is a route that says another edition in its answers.
func withEdition(r *eskip.Route, edition string) *eskip.Route {
	c := *r
	c.Filters = slices.Clone(r.Filters)
	c.Filters[1] = eskip.Call{Name: "setResponseHeader", Args: []any{"X-Edition", edition}}
	return &c
}

func (a *gatewayActs) hasEdition(r *eskip.Route, edition string) bool {
	q, err := http.NewRequestWithContext(a.ctx, http.MethodHead, a.gateway.url+r.Predicates[0].Args[0].(string), nil)
	if err != nil {
		return false
	}
	answer, err := a.client.Do(q)
	if err != nil {
		return false
	}
	answer.Body.Close()
	return answer.StatusCode == http.StatusOK && answer.Header.Get("X-Edition") == edition
}

func echoes(ctx context.Context, conn *websocket.Conn, text string) bool {
	if err := conn.Write(ctx, websocket.MessageText, []byte(text)); err != nil {
		return false
	}
	_, got, err := conn.Read(ctx)
	return err == nil && string(got) == text
}

// gatewayLoad is clients that ask without a pause.
type gatewayLoad struct {
	asked, failed atomic.Int64
	end           atomic.Bool
	clients       sync.WaitGroup
}

func (a *gatewayActs) startLoad() *gatewayLoad {
	l := &gatewayLoad{}
	for client := range gatewayClients {
		l.clients.Go(func() {
			for i := client; !l.end.Load(); i += 31 {
				path := a.paths[i%len(a.paths)]
				answer, _, err := a.get(a.gateway.url, path, "Range", "bytes=0-99")
				if err != nil || answer.StatusCode >= 500 || answer.StatusCode == http.StatusNotFound || answer.Header.Get("X-Route") != a.route(path) {
					l.failed.Add(1)
				}
				l.asked.Add(1)
			}
		})
	}
	return l
}

func (l *gatewayLoad) stop() (asked, failed int64) {
	l.end.Store(true)
	l.clients.Wait()
	return l.asked.Load(), l.failed.Load()
}
