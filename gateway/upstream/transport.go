package upstream

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net"
	"net/http"
	"strings"
	"time"
)

// NewTransport makes the connections of one endpoint. What it sets differently from
// [http.DefaultTransport] is what a gateway needs differently from a client:
//
//	MaxIdleConnsPerHost  many, not 2: with 2, all but two of the connections that a burst has opened are closed
//	                     after one request, and opened again for the next
//	DisableCompression   an answer is passed on as it came: not asked for as gzip and undone in secret,
//	                     with its length and its ETag then wrong
//	Proxy                none: HTTP_PROXY is for the programs of a user, not for what a route names
//	IdleConnTimeout      below what servers allow (60 to 75 s): otherwise a server closes a connection at the
//	                     moment it is used again, and a client sees a 502 that nobody can explain
//	DialTimeout, ResponseHeaderTimeout   an upstream that hangs is an error, some day
func NewTransport(o TransportOptions) *http.Transport {
	o = o.withDefaults()
	dialer := &net.Dialer{Timeout: o.DialTimeout, KeepAlive: 30 * time.Second}
	t := &http.Transport{
		DialContext:            dialer.DialContext,
		TLSHandshakeTimeout:    o.DialTimeout,
		ResponseHeaderTimeout:  o.HeaderTimeout,
		IdleConnTimeout:        o.IdleTimeout,
		ExpectContinueTimeout:  time.Second,
		MaxIdleConnsPerHost:    o.MaxIdlePerHost,
		MaxResponseHeaderBytes: 256 << 10,
		DisableCompression:     true,
		Protocols:              new(http.Protocols),
	}
	if o.TLS != nil {
		t.TLSClientConfig = o.TLS.Clone() // HTTP/2 adds its name to it
	}
	switch o.Protocol {
	case "h2":
		t.Protocols.SetHTTP2(true)
	case "h2c":
		t.Protocols.SetUnencryptedHTTP2(true)
	default:
		t.Protocols.SetHTTP1(true)
	}
	if o.Protocol != "http1" {
		// One connection carries everything: that it is dead must be noticed without waiting for each of its streams.
		t.HTTP2 = &http.HTTP2Config{SendPingTimeout: 15 * time.Second, PingTimeout: 5 * time.Second}
	}
	return t
}

// NeverSent tells whether an error of a RoundTrip proves that the server has not begun to process the request, so
// that it can be repeated whatever its method is, provided that its body was not read either (F4). That is so if
//
//   - there was no connection: the name was not resolved, nobody listened, the dial or the TLS handshake failed;
//   - the connection, kept from an earlier request, was closed by the server before this one was written;
//   - HTTP/2 says so: REFUSED_STREAM (RFC 9113 section 8.7).
//
// It is not so for a connection that broke when something had been written, even if no byte of an answer came: a
// server may have done what it was asked, and died then. An idempotent request may be repeated then too, but
// for that reason and not for this one.
func NeverSent(err error) bool {
	if err == nil || errors.Is(err, context.Canceled) {
		return false
	}
	var (
		dial     *net.OpError
		name     *net.DNSError
		verify   *tls.CertificateVerificationError
		plain    tls.RecordHeaderError
		host     x509.HostnameError
		unknown  x509.UnknownAuthorityError
		streamed streamError
	)
	switch {
	case errors.As(err, &dial) && dial.Op == "dial", errors.As(err, &name):
		return true
	case errors.As(err, &verify), errors.As(err, &plain), errors.As(err, &host), errors.As(err, &unknown):
		return true
	case errors.As(err, &streamed):
		const refusedStream = 0x7
		return streamed.Code == refusedStream
	}
	// net/http keeps these two to itself; a test makes each of them happen.
	text := err.Error()
	return strings.HasSuffix(text, "http: server closed idle connection") ||
		strings.HasSuffix(text, "net/http: TLS handshake timeout")
}

// streamError has the shape of net/http's own error of an HTTP/2 stream, which turns itself into
// any struct of that shape.
type streamError struct {
	StreamID uint32
	Code     uint32
	Cause    error
}

func (e streamError) Error() string { return "stream error" }
