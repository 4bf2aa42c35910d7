package predicates

import (
	"net/http"
	"net/netip"
	"strings"

	"github.com/flagship-go/flagship/gateway/route"
)

// Source("10.0.0.0/8", "::1") is true if the client's address is in one of those networks.
//
// Who the client is says the lookup: the last address that is not a trusted proxy's (F6). Skipper takes the
// first of X-Forwarded-For, which anybody can write. SourceFromLast is what Skipper has for the
// last one, and so the same here: trust the load balancer in front.
type source networks

func newSource(a *arguments) route.Predicate { return source(a.networks()) }

func (s source) Match(r *http.Request) bool { return networks(s).have(peer(r)) }

func (s source) MatchLookup(r *http.Request, l *route.Lookup) bool {
	return networks(s).have(client(r, l))
}

// ClientIP("10.0.0.0/8") is Source for whom the connection is with, be it a proxy.
type clientIP networks

func newClientIP(a *arguments) route.Predicate { return clientIP(a.networks()) }

func (c clientIP) Match(r *http.Request) bool { return networks(c).have(peer(r)) }

// peer is the address at the connection's other end. It is not valid if there is none, as with Unix sockets.
func peer(r *http.Request) netip.Addr {
	ap, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		return netip.Addr{}
	}
	return ap.Addr()
}

// client is the address of the lookup's client, or else the connection's.
func client(r *http.Request, l *route.Lookup) netip.Addr {
	if l.Client.IsValid() {
		return l.Client
	}
	return peer(r)
}

type networks []netip.Prefix

// networks reads addresses and networks.
func (a *arguments) networks() networks {
	const what = "an address or a network, such as 10.1.2.3 or 10.0.0.0/8"
	var n networks
	for _, text := range a.texts(what) {
		p, err := netip.ParsePrefix(text)
		if !strings.Contains(text, "/") {
			var ip netip.Addr
			ip, err = netip.ParseAddr(text)
			ip = ip.Unmap().WithZone("")
			p = netip.PrefixFrom(ip, ip.BitLen())
		}
		if err != nil {
			a.fail("%q is not %s", text, what)
			return nil
		}
		n = append(n, p.Masked())
	}
	return n
}

// have tells whether an address is in one of the networks. A zone (fe80::1%eth0) says where a
// neighbour is met, not who it is.
func (n networks) have(ip netip.Addr) bool {
	ip = ip.Unmap().WithZone("")
	for _, p := range n {
		if p.Contains(ip) {
			return true
		}
	}
	return false
}
