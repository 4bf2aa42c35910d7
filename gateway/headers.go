package gateway

import (
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strings"
)

// hopByHop are the fields that are between neighbours (RFC 9110, section 7.6.1): they stop
// here (P1). Names are in canonical form, as net/http gives them.
func hopByHop(name string) bool {
	switch name {
	case "Connection", "Keep-Alive", "Proxy-Connection", "Proxy-Authenticate", "Proxy-Authorization",
		"Te", "Trailer", "Transfer-Encoding", "Upgrade", "Http2-Settings":
		return true
	}
	return false
}

// forbiddenTrailer are fields that say where a message ends, how it is routed or who sent
// it: as trailers they would come after that was decided (RFC 9110, section 6.5.1).
func forbiddenTrailer(name string) bool {
	switch name {
	case "Content-Length", "Host", "Authorization", "Content-Encoding", "Content-Type", "Content-Range", "Expect":
		return true
	}
	return hopByHop(name) || strings.HasPrefix(name, "X-Forwarded-")
}

// removeHopByHop takes fields between neighbours out of an answer's header, which is ours.
func removeHopByHop(h http.Header) {
	removeNamed(h, h["Connection"])
	for name := range h {
		if hopByHop(name) {
			delete(h, name)
		}
	}
}

// hasToken tells whether a list, over one or more fields, has an element; parameters after a ; are not looked at.
func hasToken(values []string, token string) bool {
	for _, value := range values {
		for value != "" {
			var element string
			element, value, _ = strings.Cut(value, ",")
			element, _, _ = strings.Cut(element, ";")
			if strings.EqualFold(strings.Trim(element, " \t"), token) {
				return true
			}
		}
	}
	return false
}

// removeNamed takes out the fields that Connection names.
func removeNamed(h http.Header, connection []string) {
	for _, value := range connection {
		for value != "" {
			var name string
			name, value, _ = strings.Cut(value, ",")
			if name = strings.Trim(name, " \t"); name != "" && name != "close" && name != "keep-alive" {
				h.Del(name)
			}
		}
	}
}

// sealHeader gives the outgoing request a header of its own, in one pass over the client's:
// what is between neighbours stays behind, and what the gateway itself has to say is added
// after that, where the client's Connection field cannot take it away (golang/go#50580).
func (o *outgoing) sealHeader(in *http.Request, p *peer) {
	h := make(http.Header, len(in.Header)+5)
	for name, values := range in.Header {
		if !hopByHop(name) {
			h[name] = values[:len(values):len(values)]
		}
	}
	removeNamed(h, in.Header["Connection"])
	if te := in.Header["Te"]; te != nil && hasToken(te, "trailers") {
		h["Te"] = trailersOnly // gRPC insists on it
	}
	if protocol := upgradeWanted(in); protocol != "" {
		o.upgrade = [2]string{"Upgrade", protocol}
		h["Connection"], h["Upgrade"] = o.upgrade[0:1:1], o.upgrade[1:2:2]
	}
	if h["User-Agent"] == nil {
		h["User-Agent"] = nil // or net/http would say its own
	}
	o.forward(h, in, p)
	o.req.Header = h
}

var trailersOnly = []string{"trailers"}

// forward says where the request came from. Only a trusted proxy is believed what it says itself (F6).
func (o *outgoing) forward(h http.Header, in *http.Request, p *peer) {
	set := func(i int, name, value string) {
		if p.trusted && in.Header[name] != nil {
			h[name] = in.Header[name]
			return
		}
		o.forwarded[i] = value
		h[name] = o.forwarded[i : i+1 : i+1]
	}
	if !p.trusted {
		delete(h, "Forwarded")
		delete(h, "X-Real-Ip")
	}
	proto, port := "http", "80"
	if in.TLS != nil {
		proto, port = "https", "443"
	}
	if i := strings.LastIndexByte(in.Host, ':'); i >= 0 && !strings.HasSuffix(in.Host, "]") {
		port = in.Host[i+1:]
	}
	set(1, "X-Forwarded-Proto", proto)
	set(2, "X-Forwarded-Host", in.Host)
	set(3, "X-Forwarded-Port", port)

	prior := in.Header["X-Forwarded-For"]
	delete(h, "X-Forwarded-For")
	if p.host == "" {
		return
	}
	o.forwarded[0] = p.host
	if p.trusted && len(prior) > 0 {
		o.forwarded[0] = strings.Join(prior, ", ") + ", " + p.host
	}
	h["X-Forwarded-For"] = o.forwarded[0:1:1]
}

// A peer is who is at the other end of the connection, and who is behind it.
type peer struct {
	host    string     // of the connection, as text
	client  netip.Addr // as far as proxies are trusted
	trusted bool       // the connection is a trusted proxy's
}

// peerOf finds the client (F6). X-Forwarded-For is read from its end, which is what the nearest
// proxy has written: each trusted one says who was before it, and the first that is not trusted is the client.
func peerOf(r *http.Request, trusted []netip.Prefix) peer {
	var p peer
	if i := strings.LastIndexByte(r.RemoteAddr, ':'); i >= 0 {
		p.host = strings.Trim(r.RemoteAddr[:i], "[]")
	}
	addr, err := netip.ParseAddr(p.host)
	if err != nil {
		p.host = "" // a pipe, or a Unix socket
		return p
	}
	p.client = addr.Unmap().WithZone("")
	if len(trusted) == 0 || !isTrusted(p.client, trusted) {
		return p
	}
	p.trusted = true
	for _, value := range slices.Backward(r.Header["X-Forwarded-For"]) {
		for value != "" {
			i := strings.LastIndexByte(value, ',')
			addr, ok := forwardedAddr(value[i+1:])
			if !ok {
				return p
			}
			p.client = addr
			if !isTrusted(addr, trusted) {
				return p
			}
			value = value[:max(i, 0)]
		}
	}
	return p
}

func isTrusted(addr netip.Addr, trusted []netip.Prefix) bool {
	for _, prefix := range trusted {
		if prefix.Contains(addr) {
			return true
		}
	}
	return false
}

// forwardedAddr reads one element of X-Forwarded-For; some write a port too.
func forwardedAddr(text string) (netip.Addr, bool) {
	text = strings.Trim(text, " \t")
	if host, _, err := net.SplitHostPort(text); err == nil {
		text = host
	}
	addr, err := netip.ParseAddr(strings.Trim(text, "[]"))
	return addr.Unmap().WithZone(""), err == nil
}

// upgradeWanted is the protocol that an HTTP/1.1 request asks to go on in, or "". HTTP itself
// is none: what a client says in it behind the gateway's back would pass no route (h2c smuggling, P2).
func upgradeWanted(r *http.Request) string {
	if r.ProtoMajor != 1 || r.ProtoMinor < 1 || r.Header["Upgrade"] == nil ||
		!hasToken(r.Header["Connection"], "upgrade") {
		return ""
	}
	for _, value := range r.Header["Upgrade"] {
		for protocol := range strings.SplitSeq(value, ",") {
			protocol = strings.Trim(protocol, " \t")
			name, _, _ := strings.Cut(strings.ToLower(protocol), "/")
			switch name {
			case "", "h2c", "h2", "http", "tls":
			default:
				return protocol
			}
		}
	}
	return ""
}
