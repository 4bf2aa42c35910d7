package upstreams

import (
	"context"
	"net/http"
	"sync"
	"time"

	"github.com/coder/websocket"
)

// Chat is a room of WebSockets: what one says, all hear, the speaker too.
type Chat struct {
	mu   sync.Mutex
	room map[*websocket.Conn]chan []byte // what each has still to hear
	left bool
	ctx  context.Context
	end  context.CancelFunc
}

const (
	// unheard is how many messages somebody may be behind; who is further behind leaves the room.
	unheard = 64
	// chatTimeout is for one message to be taken.
	chatTimeout = 10 * time.Second
)

// NewChat makes a room.
func NewChat() *Chat {
	c := &Chat{room: map[*websocket.Conn]chan []byte{}}
	c.ctx, c.end = context.WithCancel(context.Background())
	return c
}

// ServeHTTP takes one into the room, until it leaves. The gateway has already decided who may come from where,
// and its own name is not that of this server: hence no check of Origin.
func (c *Chat) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	conn, err := websocket.Accept(w, r, &websocket.AcceptOptions{InsecureSkipVerify: true})
	if err != nil {
		return // it has answered
	}
	defer conn.CloseNow()
	messages := make(chan []byte, unheard)
	if !c.enter(conn, messages) {
		conn.Close(websocket.StatusGoingAway, "the room is closed")
		return
	}
	defer c.leave(conn)
	go c.listen(conn)
	for {
		select {
		case m, ok := <-messages:
			if !ok {
				conn.Close(websocket.StatusPolicyViolation, "too slow")
				return
			}
			ctx, cancel := context.WithTimeout(r.Context(), chatTimeout)
			err := conn.Write(ctx, websocket.MessageText, m)
			cancel()
			if err != nil {
				return
			}
		case <-c.ctx.Done():
			conn.Close(websocket.StatusGoingAway, "the room is closed")
			return
		}
	}
}

func (c *Chat) enter(conn *websocket.Conn, messages chan []byte) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.left {
		c.room[conn] = messages
	}
	return !c.left
}

// leave takes somebody out of the room, whose speaker ends then, if that has not been done.
func (c *Chat) leave(conn *websocket.Conn) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if messages, is := c.room[conn]; is {
		delete(c.room, conn)
		close(messages)
	}
}

// listen tells all what one says, until its connection ends.
func (c *Chat) listen(conn *websocket.Conn) {
	defer c.leave(conn)
	for {
		_, m, err := conn.Read(context.Background())
		if err != nil {
			return
		}
		c.tell(m)
	}
}

func (c *Chat) tell(m []byte) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for conn, messages := range c.room {
		select {
		case messages <- m:
		default:
			delete(c.room, conn)
			close(messages)
		}
	}
}

// Leave closes the room: everybody is told goodbye (1001).
func (c *Chat) Leave() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.left = true
	c.end()
}
