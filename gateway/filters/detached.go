package filters

import (
	"bytes"
	"context"
	"io"
	"log/slog"
	"net/http"
	"net/netip"
	"time"
)

// detached is a FilterContext that outlives its exchange: all is copied, nothing leads back to the client. It is for
// upstreams only, and no filter sees it.
type detached struct {
	request  *http.Request
	response *http.Response
	route    string
	client   netip.Addr
	identity string
	key      uint64
	upstream Upstream
	log      *slog.Logger
	now      time.Time
}

// send makes it ready to be sent.
func (d *detached) send(ctx context.Context, body []byte) {
	d.request = d.request.WithContext(ctx)
	d.request.ContentLength = int64(len(body))
	d.request.TransferEncoding, d.request.Trailer = nil, nil
	if len(body) > 0 {
		d.request.Body = io.NopCloser(bytes.NewReader(body))
	}
}

func (d *detached) Request() *http.Request               { return d.request }
func (d *detached) SetRequest(r *http.Request)           { d.request = r }
func (d *detached) OriginalRequest() *http.Request       { return d.request }
func (d *detached) Response() *http.Response             { return d.response }
func (d *detached) Serve(r *http.Response)               { d.response = r }
func (d *detached) Served() bool                         { return d.response != nil }
func (d *detached) PathParam(string) string              { return "" }
func (d *detached) RouteID() string                      { return d.route }
func (d *detached) StateBag() map[string]any             { return map[string]any{} }
func (d *detached) Client() netip.Addr                   { return d.client }
func (d *detached) Identity() string                     { return d.identity }
func (d *detached) SetIdentity(id string)                { d.identity = id }
func (d *detached) Upstream() Upstream                   { return d.upstream }
func (d *detached) SetUpstream(u Upstream)               { d.upstream = u }
func (d *detached) HashKey() uint64                      { return d.key }
func (d *detached) SetHashKey(key uint64)                { d.key = key }
func (d *detached) Controller() *http.ResponseController { return nil }
func (d *detached) Log() *slog.Logger                    { return d.log }
func (d *detached) Now() time.Time                       { return d.now }
func (d *detached) Event(string, string)                 {}
