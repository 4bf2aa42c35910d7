package gateway_test

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/coder/websocket"
	"github.com/stretchr/testify/require"
)

// echoRooms is a coder/websocket server that answers each message with itself, and closes with a status that it is told.
func echoRooms(t *testing.T) string {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		conn, err := websocket.Accept(w, r, &websocket.AcceptOptions{Subprotocols: []string{"echo.v2"}, CompressionMode: websocket.CompressionContextTakeover, InsecureSkipVerify: true})
		if err != nil {
			return
		}
		defer conn.CloseNow()
		conn.SetReadLimit(8 << 20)
		for {
			kind, m, err := conn.Read(r.Context())
			if err != nil {
				return
			}
			if string(m) == "goodbye" {
				conn.Close(4321, "so long")
				return
			}
			if err := conn.Write(r.Context(), kind, m); err != nil {
				return
			}
		}
	}))
	t.Cleanup(s.Close)
	return s.Listener.Addr().String()
}

func TestWebSocketsGoThroughWholeWhileRoutesChange(t *testing.T) {
	upstream := echoRooms(t)
	routes := fmt.Sprintf(`ws: Path("/ws") -> "http://%s";`, upstream)
	s := start(t, routes)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	var clients sync.WaitGroup
	failures := make(chan error, 20)
	for i := range 20 {
		clients.Go(func() { failures <- converse(ctx, s.address, i) })
	}
	for i := range 5 {
		s.write("routes.eskip", routes+fmt.Sprintf(`n%d: Path("/n%d") -> status(204) -> <shunt>;`, i, i))
		eventually(t, "the new routes are in force", func() bool {
			code, _ := do(t, fmt.Sprintf("GET http://%s/n%d", s.address, i), "")
			return code == http.StatusNoContent
		})
	}
	clients.Wait()
	for range 20 {
		require.NoError(t, <-failures)
	}
}

// converse says things of many sizes, and then goodbye.
func converse(ctx context.Context, address string, who int) error {
	conn, r, err := websocket.Dial(ctx, "ws://"+address+"/ws", &websocket.DialOptions{Subprotocols: []string{"echo.v1", "echo.v2"}, CompressionMode: websocket.CompressionContextTakeover})
	if err != nil {
		return err
	}
	defer conn.CloseNow()
	if conn.Subprotocol() != "echo.v2" || !strings.Contains(r.Header.Get("Sec-WebSocket-Extensions"), "permessage-deflate") {
		return fmt.Errorf("subprotocol %q, extensions %q", conn.Subprotocol(), r.Header.Get("Sec-WebSocket-Extensions"))
	}
	conn.SetReadLimit(8 << 20)
	for _, size := range []int{0, 1, 125, 126, 65535, 65536, 1 << 20} {
		want := bytes.Repeat([]byte{byte(who), 0x80, byte(size)}, size/3+1)[:size]
		if err := conn.Write(ctx, websocket.MessageBinary, want); err != nil {
			return err
		}
		kind, got, err := conn.Read(ctx)
		if err != nil {
			return err
		}
		if kind != websocket.MessageBinary || !bytes.Equal(got, want) {
			return fmt.Errorf("%d bytes came back as others", size)
		}
	}
	if err := conn.Write(ctx, websocket.MessageText, []byte("goodbye")); err != nil {
		return err
	}
	if _, _, err = conn.Read(ctx); websocket.CloseStatus(err) != 4321 {
		return fmt.Errorf("the close status is lost: %w", err)
	}
	return nil
}
