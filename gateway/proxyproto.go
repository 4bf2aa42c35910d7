package gateway

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"strings"
)

// The PROXY protocol (haproxy's doc/proxy-protocol.txt): a load balancer that passes on bytes says
// in front of them whose they are.
//
//	version 1   PROXY TCP4 192.0.2.1 198.51.100.7 56324 443\r\n              at most 107 bytes
//	version 2   \r\n\r\n\0\r\nQUIT\n   0x2c  0x1f   length   addresses   TLVs
//	            signature, 12 bytes    |     |      2 bytes  src dst, sport dport
//	                         version, command    family, transport
//
// The source address becomes the connection's: client predicates, limits and X-Forwarded-For go by it (F6).

const (
	proxyV1Max = 107
	proxyV2Sig = "\r\n\r\n\x00\r\nQUIT\n"
)

// A proxiedConn is a connection with the address that the PROXY header named.
type proxiedConn struct {
	net.Conn
	buffered *bufio.Reader // what was read too much
	remote   net.Addr
}

func (c *proxiedConn) RemoteAddr() net.Addr { return c.remote }
func (c *proxiedConn) CloseWrite() error    { return closeWrite(c.Conn) }

func (c *proxiedConn) Read(p []byte) (int, error) {
	if c.buffered == nil {
		return c.Conn.Read(p)
	}
	n, err := c.buffered.Read(p)
	if c.buffered.Buffered() == 0 {
		c.buffered = nil
	}
	return n, err
}

// behindProxy reads the PROXY header of a connection from a trusted network. There must be one:
// who could leave it out could pass for the proxy itself.
func behindProxy(conn net.Conn, trusted []netip.Prefix) (net.Conn, error) {
	if len(trusted) == 0 {
		return conn, nil
	}
	addr, err := netip.ParseAddrPort(conn.RemoteAddr().String())
	if err != nil || !isTrusted(addr.Addr().Unmap().WithZone(""), trusted) {
		return conn, nil
	}
	r := bufio.NewReaderSize(conn, 4096)
	source, err := readProxyHeader(r)
	if err != nil {
		return nil, fmt.Errorf("PROXY header from %s: %w", addr, err)
	}
	c := &proxiedConn{Conn: conn, remote: conn.RemoteAddr()}
	if source.IsValid() {
		c.remote = net.TCPAddrFromAddrPort(source)
	}
	if r.Buffered() > 0 {
		c.buffered = r
	}
	return c, nil
}

var errNoProxyHeader = errors.New("the connection does not begin with one")

// readProxyHeader reads a header of either version. The address is not valid if the proxy speaks for itself (its health checks).
func readProxyHeader(r *bufio.Reader) (netip.AddrPort, error) {
	first, err := r.Peek(1)
	if err != nil {
		return netip.AddrPort{}, err
	}
	switch first[0] {
	case 'P':
		return readProxyV1(r)
	case '\r':
		return readProxyV2(r)
	}
	return netip.AddrPort{}, errNoProxyHeader
}

func readProxyV1(r *bufio.Reader) (source netip.AddrPort, err error) {
	var line []byte
	for len(line) < proxyV1Max {
		b, err := r.ReadByte()
		if err != nil {
			return source, err
		}
		if line = append(line, b); b == '\n' {
			break
		}
	}
	text, ended := strings.CutSuffix(string(line), "\r\n")
	part := strings.Split(text, " ")
	switch {
	case !ended || part[0] != "PROXY" || len(part) < 2:
		return source, errNoProxyHeader
	case part[1] == "UNKNOWN":
		return source, nil
	case len(part) != 6 || part[1] != "TCP4" && part[1] != "TCP6":
		return source, fmt.Errorf("%q is not PROXY TCP4|TCP6 source destination port port", text)
	}
	source, err = netip.ParseAddrPort(net.JoinHostPort(part[2], part[4]))
	if err == nil && source.Addr().Is4() != (part[1] == "TCP4") {
		err = fmt.Errorf("%s is no address of %s", part[2], part[1])
	}
	return source, err
}

func readProxyV2(r *bufio.Reader) (source netip.AddrPort, err error) {
	head := make([]byte, 16)
	if _, err := io.ReadFull(r, head); err != nil {
		return source, err
	}
	if string(head[:12]) != proxyV2Sig || head[12]>>4 != 2 {
		return source, errNoProxyHeader
	}
	rest := make([]byte, binary.BigEndian.Uint16(head[14:]))
	if _, err := io.ReadFull(r, rest); err != nil {
		return source, err
	}
	switch command := head[12] & 15; {
	case command == 0: // LOCAL
		return source, nil
	case command != 1:
		return source, fmt.Errorf("command %d is neither LOCAL nor PROXY", command)
	}
	size := map[byte]int{0x11: 4, 0x12: 4, 0x21: 16, 0x22: 16}[head[13]]
	switch {
	case size == 0: // a Unix socket, or nothing known
		return source, nil
	case len(rest) < 2*size+4:
		return source, fmt.Errorf("%d bytes of addresses are too few", len(rest))
	}
	addr, _ := netip.AddrFromSlice(rest[:size])
	return netip.AddrPortFrom(addr.Unmap(), binary.BigEndian.Uint16(rest[2*size:])), nil
}
