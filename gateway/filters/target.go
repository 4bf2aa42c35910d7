package filters

import (
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
)

// newTarget makes an upstream of the addresses of an argument: "http://a:80, http://b:80".
func (a *Args) newTarget(env Env, name, text string) Upstream {
	var addresses []string
	for part := range strings.SplitSeq(text, ",") {
		one := &Args{list: []any{strings.TrimSpace(part)}}
		addresses = append(addresses, one.backend(name))
		if one.err != nil {
			a.wrong(name, `the URL of a backend, or several with commas between them`, text)
			return nil
		}
	}
	u, err := env.NewUpstream(addresses, "")
	a.Check(err)
	return u
}

func closeUpstream(u Upstream) error {
	if c, is := u.(io.Closer); is {
		return c.Close()
	}
	return nil
}

// fallback sends a request to the other one if the first was not reached, and the request can be repeated (F4).
type fallback struct{ first, other Upstream }

func (f fallback) String() string { return f.first.String() }

func (f fallback) RoundTrip(c FilterContext) (*http.Response, error) {
	again, _ := newRepeat(c.Request(), 0) // a body is not kept: who was not reached has not read it
	defer again.done()
	c.SetRequest(again.next())
	r, err := f.first.RoundTrip(c)
	if err == nil || f.other == nil || !unreached(err) || c.OriginalRequest().Context().Err() != nil || !again.again() {
		return r, err
	}
	c.Event("canary", "fallback")
	c.SetRequest(again.next())
	c.SetUpstream(f.other)
	return f.other.RoundTrip(c)
}

// unreached tells whether a call has ended before there was a connection.
func unreached(err error) bool {
	var op *net.OpError
	return IsLocal(err) || errors.As(err, &op) && op.Op == "dial"
}
