package s3api_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/flagship-go/flagship/examples/objectstore/checksum"
	"github.com/flagship-go/flagship/examples/objectstore/s3api"
	"github.com/flagship-go/flagship/examples/objectstore/sigv4"
	"github.com/stretchr/testify/require"
)

// pipes is a listener whose connections are pipes, so that they belong to the
// bubble of a test in virtual time.
type pipes struct {
	conns  chan net.Conn
	closed chan struct{}
	once   sync.Once
}

func (p *pipes) Accept() (net.Conn, error) {
	select {
	case c := <-p.conns:
		return c, nil
	case <-p.closed:
		return nil, net.ErrClosed
	}
}
func (p *pipes) Close() error   { p.once.Do(func() { close(p.closed) }); return nil }
func (p *pipes) Addr() net.Addr { return &net.UnixAddr{Name: "pipe", Net: "unix"} }

// listen serves the world to real connections, until the returned function.
func (w *world) listen() (dial func() net.Conn, stop func()) {
	p := &pipes{conns: make(chan net.Conn), closed: make(chan struct{})}
	server := &http.Server{Handler: w.server}
	done := make(chan struct{})
	go func() { server.Serve(p); close(done) }()
	dial = func() net.Conn {
		client, remote := net.Pipe()
		p.conns <- remote
		return client
	}
	return dial, func() { server.Close(); <-done }
}

// head is a signed request up to its body, of which length is promised.
func (w *world) head(method, target string, length int64, headers ...string) string {
	r := w.request(method, target, "", headers...)
	w.signer().Sign(r, sigv4.UnsignedPayload)
	var b strings.Builder
	fmt.Fprintf(&b, "%s %s HTTP/1.1\r\nHost: %s\r\nContent-Length: %d\r\n", method, target, r.Host, length)
	r.Header.Write(&b)
	return b.String() + "\r\n"
}

func answerOf(t *testing.T, c net.Conn) reply {
	t.Helper()
	r, err := http.ReadResponse(bufio.NewReader(c), nil)
	require.NoError(t, err)
	body, err := io.ReadAll(r.Body)
	require.NoError(t, err)
	return reply{r.StatusCode, r.Header, string(body)}
}

func write(t *testing.T, c net.Conn, text string) {
	t.Helper()
	_, err := io.WriteString(c, text)
	require.NoError(t, err)
}

// virtual runs a test in a bubble, with a bucket and an object.
func virtual(t *testing.T, test func(w *world, dial func() net.Conn), change ...func(*s3api.Options)) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, change...)
		w.ok("PUT", "/pets", "")
		dial, stop := w.listen()
		defer stop()
		test(w, dial)
	})
}

func TestClientThatIsGoneLeavesNothing(t *testing.T) {
	virtual(t, func(w *world, dial func() net.Conn) {
		id := w.begin("/pets/tom")
		for _, target := range []string{"/pets/tom", "/pets/tom?partNumber=1&uploadId=" + id} {
			c := dial()
			write(t, c, w.head("PUT", target, 10)+"half.")
			synctest.Wait()
			c.Close()
			synctest.Wait()
		}
		rule(t, "H2", w.do("HEAD", "/pets/tom", "").status == 404, "half an object is there")
		parts := w.ok("GET", "/pets/tom?uploadId="+id, "")
		rule(t, "H2", !strings.Contains(parts.body, "<Part>"), "half a part is there: %v", parts)
	})
}

func TestClientThatStallsIsCut(t *testing.T) {
	virtual(t, func(w *world, dial func() net.Conn) {
		c := dial()
		defer c.Close()
		started := time.Now()
		write(t, c, w.head("PUT", "/pets/tom", 10)+"ha")
		time.Sleep(29 * time.Second)
		write(t, c, "lf") // slow is not stalled
		r := answerOf(t, c)
		rule(t, "H11", time.Since(started) == 59*time.Second, "the answer took %v", time.Since(started))
		rule(t, "H11", r.code() == "RequestTimeout", "%v", r)
		rule(t, "H2", w.do("HEAD", "/pets/tom", "").status == 404, "half an object is there")
	})
}

func TestClientThatStopsReadingIsCut(t *testing.T) {
	virtual(t, func(w *world, dial func() net.Conn) {
		w.ok("PUT", "/pets/large", strings.Repeat("x", 1<<20))
		c := dial()
		defer c.Close()
		started := time.Now()
		write(t, c, w.head("GET", "/pets/large", 0))
		in := bufio.NewReader(c)
		_, err := in.ReadByte()
		require.NoError(t, err)
		time.Sleep(31 * time.Second)
		c.SetReadDeadline(time.Now().Add(time.Minute))
		_, err = io.Copy(io.Discard, in) // what is buffered, and then the end
		rule(t, "H11", err == nil && time.Since(started) == 31*time.Second, "it lasted %v: %v", time.Since(started), err)

	})
}

func TestTooManyRequestsAreRefusedAtOnce(t *testing.T) {
	virtual(t, func(w *world, dial func() net.Conn) {
		c := dial()
		defer c.Close()
		write(t, c, w.head("PUT", "/pets/tom", 10)+"half.")
		synctest.Wait()
		r := w.do("GET", "/", "")
		rule(t, "H10", r.status == 429 && r.code() == "SlowDown" && r.header.Get("Retry-After") == "1", "%v", r)
		write(t, c, "whole")
		got := answerOf(t, c)
		rule(t, "H10", got.status == 200, "one request is too many: %v", got)
		synctest.Wait()
		rule(t, "H10", w.do("GET", "/", "").status == 200, "a place is not given back")
		var b strings.Builder
		w.server.WriteMetrics(&b)
		require.Contains(t, b.String(), `s3_requests_total{operation="PutObject",status="2xx"} 1`)
		require.Contains(t, b.String(), "\ns3_requests_rejected_total 1\n")
		require.Contains(t, b.String(), "\ns3_requests_inflight 0\n")
		require.Contains(t, b.String(), "\ns3_received_bytes_total 10\n")
	}, func(o *s3api.Options) { o.RequestsMax = 1 })
}

func TestBodyOfWhatIsRefusedIsNotAskedFor(t *testing.T) {
	virtual(t, func(w *world, dial func() net.Conn) {
		c := dial()
		defer c.Close()
		head := w.head("PUT", "/pets/tom", 1<<30, "Expect", "100-continue")
		write(t, c, strings.Replace(head, "Signature=", "Signature=0", 1))
		r := answerOf(t, c)
		rule(t, "H1", r.status == 403, "%v", r)

		c = dial()
		defer c.Close()
		write(t, c, w.head("PUT", "/pets/tom", 6<<30, "Expect", "100-continue"))
		r = answerOf(t, c)
		rule(t, "H2", r.code() == "EntityTooLarge", "%v", r)

		c = dial()
		defer c.Close()
		write(t, c, w.head("PUT", "/pets/tom", 5, "Expect", "100-continue"))
		require.Equal(t, 100, answerOf(t, c).status)
		write(t, c, "whole")
		require.Equal(t, 200, answerOf(t, c).status)
		require.Equal(t, "whole", w.ok("GET", "/pets/tom", "").body)
	})
}

// A body that is not what was signed, or as long, is not stored, however it is
// sent; nor does it replace what is there.
func TestBodyThatIsWrongIsNotStored(t *testing.T) {
	w := newWorld(t)
	w.ok("PUT", "/pets", "")
	w.ok("PUT", "/pets/tom", "old")
	stream := func(o sigv4.StreamOptions, promised int64) *http.Request {
		r := w.request("PUT", "/pets/tom", "new content")
		w.signer().SignStream(r, promised, o)
		return r
	}
	trailer := sigv4.StreamOptions{Trailer: checksum.CRC64NVME}
	for _, x := range []struct {
		name, code string
		r          *http.Request
	}{
		{"another hash", "XAmzContentSHA256Mismatch", func() *http.Request {
			r := w.request("PUT", "/pets/tom", "new content")
			w.signer().Sign(r, strings.Repeat("0", 64))
			return r
		}()},
		{"longer than promised", "IncompleteBody", stream(trailer, 3)},
		{"shorter than promised", "IncompleteBody", stream(sigv4.StreamOptions{}, 12)},
		{"no length", "MissingContentLength", func() *http.Request {
			r := w.request("PUT", "/pets/tom", "new content")
			r.ContentLength = -1
			w.signer().Sign(r, sigv4.UnsignedPayload)
			return r
		}()},
	} {
		r := w.send(x.r)
		rule(t, "H2", r.code() == x.code, "%s: %v", x.name, r)
		rule(t, "H2", w.ok("GET", "/pets/tom", "").body == "old", "%s: it is stored", x.name)
	}
	r := w.send(stream(trailer, 11))
	require.Equal(t, 200, r.status, "%v", r)
	require.Equal(t, sumOf(checksum.CRC64NVME, "new content"), r.header.Get("X-Amz-Checksum-Crc64nvme"))
	require.Equal(t, "new content", w.ok("GET", "/pets/tom", "").body)
}

// failing is a store whose drives fail.
type failing struct {
	s3api.Store
	after int // bytes of a content
	err   error
}

func (f *failing) Get(ctx context.Context, bucket, key, version string) (s3api.Object, s3api.Content, error) {
	o, content, err := f.Store.Get(ctx, bucket, key, version)
	return o, &failingContent{content, f.after, f.err}, err
}

func (f *failing) Put(ctx context.Context, bucket, key string, body io.Reader, size int64, o s3api.PutOptions) (s3api.Object, error) {
	return s3api.Object{}, f.err
}

type failingContent struct {
	s3api.Content
	left int
	err  error
}

func (c *failingContent) Read(p []byte) (int, error) {
	if c.left == 0 {
		return 0, c.err
	}
	n, err := c.Content.Read(p[:min(len(p), c.left)])
	c.left -= n
	return n, err
}

// Until the first byte an error can be said; afterwards the connection is cut, so
// that nobody takes the half for the whole.
func TestErrorWhileReadingIsSaidOrTheConnectionCut(t *testing.T) {
	var store *failing
	virtual(t, func(w *world, dial func() net.Conn) {
		store.Store = w.store
		w.store.Put(t.Context(), "pets", "tom", strings.NewReader(strings.Repeat("x", 10_000)), 10_000, s3api.PutOptions{})
		store.err = fmt.Errorf("%w: 3 of 4 drives are silent", s3api.ServiceUnavailable)
		r := w.do("GET", "/pets/tom", "")
		rule(t, "H9", r.status == 503 && r.code() == "ServiceUnavailable" && r.header.Get("Retry-After") == "1" && r.header.Get("ETag") == "", "%v", r)
		store.err = errors.New("a secret path")
		for _, r := range []reply{w.do("GET", "/pets/tom", ""), w.do("PUT", "/pets/tom", "x")} {
			rule(t, "H9", r.status == 500 && r.code() == "InternalError" && !strings.Contains(r.body, "secret"), "%v", r)
		}
		store.after = 9_999
		c := dial()
		defer c.Close()
		write(t, c, w.head("GET", "/pets/tom", 0))
		answer, err := http.ReadResponse(bufio.NewReader(c), nil)
		require.NoError(t, err)
		require.Equal(t, 200, answer.StatusCode)
		n, err := io.Copy(io.Discard, answer.Body)
		rule(t, "H9", n < 10_000 && err == io.ErrUnexpectedEOF, "%d bytes of 10,000: %v", n, err)
	}, func(o *s3api.Options) {
		store = &failing{Store: o.Store}
		o.Store = store
	})
}
