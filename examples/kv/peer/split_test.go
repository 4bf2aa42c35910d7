package peer

import (
	"errors"
	"io"
	"net"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

// pipes is a listener without a network.
type pipes chan net.Conn

func (p pipes) Accept() (net.Conn, error) {
	if c, ok := <-p; ok {
		return c, nil
	}
	return nil, net.ErrClosed
}

func (p pipes) Close() error { close(p); return nil }

func (pipes) Addr() net.Addr { return &net.IPAddr{} }

func TestFirstByteTellsTheProtocol(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := make(pipes)
		s := listen(p, nil)
		defer s.close()
		for first, to := range map[string]half{"raft...": {s, s.raft}, "POST /kv/": {s, s.calls}, "?": {s, s.calls}} {
			here, there := net.Pipe()
			p <- there
			go io.WriteString(here, first)
			conn, err := to.Accept()
			require.NoError(t, err)
			got := make([]byte, len(first))
			_, err = io.ReadFull(conn, got)
			require.NoError(t, err)
			require.Equal(t, first, string(got), "nothing of it is lost")
			conn.Close()
			here.Close()
		}
	})
}

func TestSilentStrangerIsSentAway(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := make(pipes)
		s := listen(p, nil)
		defer s.close()
		here, there := net.Pipe()
		defer here.Close()
		p <- there
		began := time.Now()
		// An hour is more patience than a server has.
		require.NoError(t, here.SetReadDeadline(began.Add(time.Hour)))
		_, err := here.Read(make([]byte, 1))
		if took := time.Since(began); err != io.EOF || took > helloTimeout {
			t.Fatalf("RULE P3: a stranger who is silent is sent away after %v: %v", took, err)
		}
	})
}

// poor is a listener that has no file descriptor for its first connections.
type poor struct {
	pipes
	fails int
}

func (p *poor) Accept() (net.Conn, error) {
	if p.fails--; p.fails >= 0 {
		return nil, &net.OpError{Op: "accept", Net: "tcp", Err: errors.New("too many open files")}
	}
	return p.pipes.Accept()
}

// A member that ran out of file descriptors for a moment is deaf for a moment.
func TestAcceptGoesOnAfterAnError(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := &poor{make(pipes), 3}
		s := listen(p, nil)
		time.Sleep(time.Second) // virtual
		select {
		case <-s.done:
			t.Fatal("RULE P6: after an error of accept a member listens no more")
		default:
		}
		defer s.close()
		here, there := net.Pipe()
		defer here.Close()
		p.pipes <- there
		go io.WriteString(here, "raft")
		conn, err := half{s, s.raft}.Accept()
		require.NoError(t, err)
		conn.Close()
	})
}
