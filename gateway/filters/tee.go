package filters

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"sync"
	"sync/atomic"
	"time"
)

// Shadow requests: a backend on trial gets a copy of what the real one gets, and nobody looks at its answers.

const (
	// teeConcurrent is how many shadow requests of a filter are under way, and teeBody how much of a body is
	// kept for each: at most 64 MiB together (F5).
	teeConcurrent = 64
	teeBody       = 1 << 20
	teeTimeout    = 30 * time.Second
)

func tees(env Env) []Spec {
	// Skipper's tee follows redirects of the shadow backend, and teenf does not. Here neither does: a backend on trial
	// is not to send a gateway somewhere else.
	return []Spec{teeSpec("tee", env), teeSpec("teenf", env)}
}

func teeSpec(name string, env Env) Spec {
	return NewSpec(name, "backend, expression?, replacement?", func(a *Args) Filter {
		address, f := a.backend("backend"), &tee{slots: make(chan struct{}, teeConcurrent)}
		if a.More() {
			f.path, f.to = a.Regexp("expression"), a.Text("replacement")
		}
		if a.Done() != nil {
			return nil
		}
		var err error
		f.upstream, err = env.NewUpstream([]string{address}, "")
		a.Check(err)
		f.ctx, f.cancel = context.WithCancel(context.Background())
		return f
	})
}

// backend is the next argument, a URL without a path.
func (a *Args) backend(name string) string {
	text := a.Text(name)
	u, err := url.Parse(text)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" || u.Path != "" && u.Path != "/" || u.RawQuery != "" {
		a.wrong(name, `the URL of a backend like "http://10.0.0.1:8080"`, text)
		return ""
	}
	return u.Scheme + "://" + u.Host
}

// tee sends a copy of each request, if there is a free slot and its body is short enough;
// otherwise there is no copy. The body is copied as it passes by, so the copy is sent when the
// request itself has been: nothing waits for the shadow (F5).
//
//	client ---> body ---+---> upstream
//	                    |
//	                    +---> at most 1 MiB ---> at its end: shadow, in a goroutine that has a slot
type tee struct {
	Nothing
	upstream Upstream
	path     *regexp.Regexp // nil: the path is as it is
	to       string

	slots  chan struct{}
	ctx    context.Context
	cancel context.CancelFunc
	mu     sync.Mutex // a WaitGroup is not to grow while somebody waits for it
	closed bool
	wg     sync.WaitGroup

	sent, dropped, failed atomic.Uint64
}

func (f *tee) Request(c FilterContext) {
	r := c.Request()
	if r.Header["Upgrade"] != nil || f.ctx.Err() != nil {
		return // a WebSocket cannot be copied
	}
	select {
	case f.slots <- struct{}{}:
	default:
		f.drop(c)
		return
	}
	shadow := f.shadow(c)
	if r.Body == nil || r.Body == http.NoBody {
		f.send(shadow, nil)
		return
	}
	if r.ContentLength > teeBody {
		<-f.slots
		f.drop(c)
		return
	}
	r.Body = &teedBody{ReadCloser: r.Body, length: r.ContentLength, end: func(body []byte, whole bool) {
		if whole {
			f.send(shadow, body)
			return
		}
		f.dropped.Add(1)
		<-f.slots
	}}
}

func (f *tee) drop(c FilterContext) {
	f.dropped.Add(1)
	c.Event("tee", "dropped")
}

// shadow is all that is needed of a request later: what the filter is given does not live that long.
func (f *tee) shadow(c FilterContext) *detached {
	r := c.Request().Clone(f.ctx)
	r.Body = http.NoBody
	r.Header.Del("Expect")
	if f.path != nil {
		modifyPath(r.URL, f.path, f.to)
	}
	return &detached{
		request: r, route: c.RouteID(), client: c.Client(), identity: c.Identity(),
		key: c.HashKey(), upstream: f.upstream, log: c.Log(), now: c.Now(),
	}
}

// send does not wait. It gives the slot back when the shadow backend has answered.
func (f *tee) send(shadow *detached, body []byte) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.closed { // the request began before the route was replaced
		f.dropped.Add(1)
		<-f.slots
		return
	}
	f.wg.Go(func() {
		defer func() { <-f.slots }()
		defer func() {
			if v := recover(); v != nil { // F2
				f.failed.Add(1)
				shadow.log.Error("shadow request panicked", "panic", v)
			}
		}()
		ctx, cancel := context.WithTimeout(f.ctx, teeTimeout)
		defer cancel()
		shadow.send(ctx, body)
		f.sent.Add(1)
		r, err := f.upstream.RoundTrip(shadow)
		if err != nil {
			f.failed.Add(1)
			shadow.log.Debug("shadow request failed", "error", err)
			return
		}
		io.Copy(io.Discard, io.LimitReader(r.Body, 64<<10))
		r.Body.Close()
	})
}

// Close ends what is under way, and waits for it. A body that is still being copied is not sent any more.
func (f *tee) Close() error {
	f.mu.Lock()
	f.closed = true
	f.mu.Unlock()
	f.cancel()
	f.wg.Wait()
	return closeUpstream(f.upstream)
}

// Report says how many copies there were.
func (f *tee) Report() Report {
	return Report{Kind: "tee", Name: fmt.Sprint(f.upstream), Counts: []Count{{"sent", f.sent.Load()}, {"dropped", f.dropped.Load()}, {"failed", f.failed.Load()}}}
}

// teedBody keeps what is read, and says at the end whether that is the whole of it. It is read
// by a transport's goroutine and may be closed by another one.
type teedBody struct {
	io.ReadCloser
	length int64 // -1: unknown
	end    func(body []byte, whole bool)

	mu    sync.Mutex
	kept  []byte
	ended bool
}

func (b *teedBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.ended {
		return n, err
	}
	b.kept = append(b.kept, p[:n]...)
	if over := len(b.kept) > teeBody; over || err != nil {
		b.finish(!over && err == io.EOF)
	}
	return n, err
}

func (b *teedBody) Close() error {
	b.mu.Lock()
	if !b.ended {
		// A transport that knows the length need not read to the end of the file.
		b.finish(b.length >= 0 && int64(len(b.kept)) == b.length)
	}
	b.mu.Unlock()
	return b.ReadCloser.Close()
}

func (b *teedBody) finish(whole bool) {
	kept := b.kept
	b.ended, b.kept = true, nil
	b.end(kept, whole)
}
