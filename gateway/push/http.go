package push

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"time"
)

// Over HTTP, frames come as the body of an answer that does not end, and reports go back as
// requests of their own, so that each proxy on the way that passes a stream will do:
//
//	GET  /config?name=edge-1&version=7&sum=3ba1c9e0   -> 200, Push-Session: K, frames ...
//	POST /config?session=K     one frame, ack or nack -> 204; 410 if there is no such stream
const sessionHeader = "Push-Session"

// ServeHTTP is a publisher's end of it, at whatever path. Who may subscribe is decided by what is
// around it: client certificates, a token, a network. A server that is shut down closes the publisher first
// (http.Server.RegisterOnShutdown), since streams do not end by themselves.
func (p *Publisher) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	switch r.Method {
	case http.MethodGet:
		p.serveStream(w, r)
	case http.MethodPost:
		p.serveReport(w, r)
	default:
		w.Header().Set("Allow", "GET, POST")
		http.Error(w, "GET subscribes, POST reports", http.StatusMethodNotAllowed)
	}
}

func (p *Publisher) serveStream(w http.ResponseWriter, r *http.Request) {
	known, name, err := parseHello(r.URL.Query())
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	s, key := &session{remote: r.RemoteAddr}, rand.Text()
	s.setName(name)
	if err := p.enter(s, key); err != nil {
		http.Error(w, err.Error(), http.StatusServiceUnavailable)
		return
	}
	defer p.leave(s, key)

	control := http.NewResponseController(w)
	ctx, cancel := context.WithCancel(r.Context())
	defer cancel()
	defer context.AfterFunc(p.ctx, func() {
		cancel()
		control.SetWriteDeadline(time.Now()) // ends a write that is under way; without support it ends when its time is over
	})()

	w.Header().Set("Content-Type", "application/octet-stream")
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set(sessionHeader, key)
	write := func(frame []byte) error {
		deadline := time.Now().Add(p.o.WriteTimeout)
		if err := control.SetWriteDeadline(deadline); err != nil && !errors.Is(err, http.ErrNotSupported) {
			return err
		}
		if _, err := w.Write(frame); err != nil {
			return err
		}
		if err := control.Flush(); err != nil {
			return err
		}
		control.SetWriteDeadline(time.Time{}) // HTTP/2 resets a stream whose deadline passes, also if nothing is written
		return nil
	}
	if err := write(nil); err != nil { // the header, so that the subscriber knows its key before there is a version
		return
	}
	if err := p.feed(ctx, s, known, write); err != nil {
		p.o.Log.Info("push: a stream has ended", "name", name, "remote", r.RemoteAddr, "error", err)
		panic(http.ErrAbortHandler) // part of a frame may be out: the stream must not look as if it had ended well (P7)
	}
}

func parseHello(q url.Values) (known id, name string, err error) {
	name = q.Get("name")
	if len(name) > maxName {
		return id{}, "", fmt.Errorf("name has %d bytes: it has at most %d", len(name), maxName)
	}
	if v := q.Get("version"); v != "" {
		if known.version, err = strconv.ParseUint(v, 10, 64); err != nil {
			return id{}, "", fmt.Errorf("version %q is no number", v)
		}
		sum, err := strconv.ParseUint(q.Get("sum"), 16, 32)
		if err != nil {
			return id{}, "", fmt.Errorf("sum %q is no checksum: 8 hexadecimal digits go with a version", q.Get("sum"))
		}
		known.sum = uint32(sum)
	}
	return known, name, nil
}

func (p *Publisher) serveReport(w http.ResponseWriter, r *http.Request) {
	p.mu.Lock()
	s := p.byKey[r.URL.Query().Get("session")]
	p.mu.Unlock()
	if s == nil {
		http.Error(w, "no such stream: subscribe again", http.StatusGone)
		return
	}
	frames := frameReader{r: r.Body, max: maxReport}
	f, err := frames.next()
	if err == nil {
		err = p.report(s, f)
	}
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	w.WriteHeader(http.StatusNoContent)
}

// Subscribe applies each newest version of the publisher whose handler is at address. It returns when ctx ends,
// with its error; whatever else happens, it connects again, and says what it has already. It fails at once
// if options or address make no sense.
func Subscribe(ctx context.Context, address string, o SubscriberOptions) error {
	if err := o.fill(); err != nil {
		return err
	}
	u, err := url.Parse(address)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		return fmt.Errorf("push: %q is no address of a publisher: it is like https://config.example/push", address)
	}
	return (&subscriber{o: o}).run(ctx, func(ctx context.Context, known id) (link, error) {
		return dialHTTP(ctx, u, known, o)
	})
}

// httpLink is a stream that is read, and a place to report to.
type httpLink struct {
	io.Reader
	ctx    context.Context
	cancel context.CancelFunc
	body   io.Closer
	to     *url.URL
	o      SubscriberOptions
}

func dialHTTP(ctx context.Context, u *url.URL, known id, o SubscriberOptions) (link, error) {
	q := url.Values{"name": {o.Name}}
	if known.version > 0 {
		q.Set("version", strconv.FormatUint(known.version, 10))
		q.Set("sum", fmt.Sprintf("%08x", known.sum))
	}
	ctx, cancel := context.WithCancel(ctx)
	// The header of an answer comes at once: a publisher that does not send it is silent.
	silent := time.AfterFunc(o.Idle, cancel)
	resp, err := call(ctx, http.MethodGet, u, q, nil, o)
	silent.Stop()
	if err != nil {
		cancel()
		return nil, err
	}
	key := resp.Header.Get(sessionHeader)
	if resp.StatusCode != http.StatusOK || key == "" {
		defer cancel()
		defer resp.Body.Close()
		return nil, unexpected(resp, "stream")
	}
	return &httpLink{resp.Body, ctx, cancel, resp.Body, with(u, url.Values{"session": {key}}), o}, nil
}

// Close ends the request first: to close a body waits for what is still to come.
func (l *httpLink) Close() error {
	l.cancel()
	return l.body.Close()
}

func (l *httpLink) report(frame []byte) error {
	resp, err := call(l.ctx, http.MethodPost, l.to, nil, frame, l.o)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusNoContent {
		return unexpected(resp, "report")
	}
	return nil
}

func call(ctx context.Context, method string, u *url.URL, q url.Values, body []byte, o SubscriberOptions) (*http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, method, with(u, q).String(), bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	for name, values := range o.Header {
		req.Header[http.CanonicalHeaderKey(name)] = values
	}
	req.Header.Set("Accept-Encoding", "identity") // what is compressed on the way comes when a block is full
	return o.Client.Do(req)
}

// with is u with some more parameters.
func with(u *url.URL, more url.Values) *url.URL {
	v := *u
	q := v.Query()
	for name, values := range more {
		q[name] = values
	}
	v.RawQuery = q.Encode()
	return &v
}

func unexpected(resp *http.Response, what string) error {
	said, _ := io.ReadAll(io.LimitReader(resp.Body, 200))
	u := resp.Request.URL // without its query: that has the stream's key
	return fmt.Errorf("push: %s://%s%s answers %s to a %s: %q; is it a publisher, and may this one subscribe?",
		u.Scheme, u.Host, u.Path, resp.Status, what, bytes.TrimSpace(said))
}
