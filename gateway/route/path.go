package route

import (
	"bytes"
	"errors"
	"fmt"
	"net/url"
	"strings"
)

// ErrPath says that a path cannot be made canonical: whoever sent it gets 400.
var ErrPath = errors.New("route: not a path")

// Canonical makes the path of u the one that is matched and forwarded (M2): dot segments are resolved, also
// those that are percent-encoded, and double slashes merged. Nothing else is decoded. Afterwards EscapedPath
// is what Path and RawPath say, so that no two readers of u see different paths. A path that is canonical
// already costs no allocation.
//
//	/a/./b//c/../d   ->  /a/b/d           /a/%2e%2e/b  ->  /b
//	/a%2Fb/%41       ->  /a%2Fb/%41       ""           ->  /
//
// The error is ErrPath: NUL or backslash (also encoded: some servers take one for a slash, or for the end), a
// broken percent-encoding, or a path that does not begin with a slash. The asterisk of OPTIONS * is left as it is.
func Canonical(u *url.URL) error {
	switch {
	case u.Opaque != "":
		return fmt.Errorf("%w: %q has no path that begins with a slash", ErrPath, u.Opaque)
	case u.Path == "":
		u.Path, u.RawPath = "/", ""
		return nil
	case u.Path == "*" && u.RawPath == "":
		return nil
	}
	if u.RawPath != "" {
		same, err := encodes(u.RawPath, u.Path)
		if err != nil {
			return err
		}
		if !same { // somebody has changed Path since: net/url ignores RawPath then
			u.RawPath = ""
		}
	}
	for _, c := range [...]byte{0, '\\'} {
		if strings.IndexByte(u.Path, c) >= 0 {
			return fmt.Errorf("%w: %q has the byte %q", ErrPath, u.Path, c)
		}
	}
	if u.Path[0] != '/' {
		return fmt.Errorf("%w: %q does not begin with a slash", ErrPath, u.Path)
	}
	if u.RawPath == "" && clean(u.Path, false) || u.RawPath != "" && clean(u.RawPath, true) && valid(u.RawPath) {
		return nil
	}
	raw := u.RawPath
	if raw == "" {
		raw = u.EscapedPath()
	}
	setEscaped(u, resolve(raw))
	return nil
}

// setEscaped sets a path that is valid in its encoded form.
func setEscaped(u *url.URL, raw string) {
	u.Path, _ = url.PathUnescape(raw)
	u.RawPath = ""
	if u.EscapedPath() != raw { // RawPath is for encodings that are not the default one
		u.RawPath = raw
	}
}

// encodes tells whether raw is an encoding of path.
func encodes(raw, path string) (bool, error) {
	at, same := 0, true
	for i := 0; i < len(raw); i++ {
		c := raw[i]
		if c == '%' {
			if i+2 >= len(raw) || unhex(raw[i+1]) < 0 || unhex(raw[i+2]) < 0 {
				return false, fmt.Errorf("%w: %q has a percent sign without two hexadecimal digits", ErrPath, raw)
			}
			c = byte(unhex(raw[i+1])<<4 | unhex(raw[i+2]))
			i += 2
		}
		same = same && at < len(path) && path[at] == c
		at++
	}
	return same && at == len(path), nil
}

// unhex is the value of a hexadecimal digit, or -1.
func unhex(c byte) int {
	switch {
	case '0' <= c && c <= '9':
		return int(c - '0')
	case 'a' <= c && c <= 'f':
		return int(c-'a') + 10
	case 'A' <= c && c <= 'F':
		return int(c-'A') + 10
	}
	return -1
}

// clean tells whether there is nothing to resolve: no dot segment, and no empty one but the last.
func clean(path string, encoded bool) bool {
	if strings.IndexByte(path, '.') < 0 && !strings.Contains(path, "//") && !(encoded && strings.IndexByte(path, '%') >= 0) {
		return true // most
	}
	start := 1
	for i := 1; i <= len(path); i++ {
		if i < len(path) && path[i] != '/' {
			continue
		}
		if start == i && i < len(path) || dots(path[start:i], encoded) > 0 {
			return false
		}
		start = i + 1
	}
	return true
}

// dots is 1 for the segment . and 2 for .. (with %2e for a dot if it is encoded), else 0.
func dots(segment string, encoded bool) int {
	n := 0
	for segment != "" {
		switch {
		case segment[0] == '.':
			segment = segment[1:]
		case encoded && len(segment) >= 3 && segment[0] == '%' && segment[1] == '2' && segment[2]|0x20 == 'e':
			segment = segment[3:]
		default:
			return 0
		}
		n++
	}
	if n > 2 {
		return 0
	}
	return n
}

// valid tells whether net/url takes path as it is for an encoded path. If it does not, it makes an encoding of
// its own of the decoded path, in which a %2F has become a slash.
func valid(path string) bool {
	for i := 0; i < len(path); i++ {
		if !validByte(path[i]) {
			return false
		}
	}
	return true
}

// validByte tells whether a byte may stand in an encoded path: RFC 3986's pchar, and the brackets that net/url allows.
func validByte(c byte) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || strings.IndexByte("/%-._~!$&'()*+,;=:@[]", c) >= 0
}

// resolve is an encoded path without dot segments and double slashes, and with all bytes encoded that have to be.
func resolve(raw string) string {
	out := make([]byte, 0, len(raw)+8)
	var segment string
	for rest, more := raw[1:], true; more; {
		segment, rest, more = strings.Cut(rest, "/")
		switch n := dots(segment, true); {
		case n == 2:
			out = out[:max(bytes.LastIndexByte(out, '/'), 0)]
		case n == 0 && segment != "":
			out = appendEncoded(append(out, '/'), segment)
		}
	}
	if len(out) == 0 || segment == "" || dots(segment, true) > 0 {
		out = append(out, '/')
	}
	return string(out)
}

// appendEncoded appends a segment, and encodes what cannot stand in a path.
func appendEncoded(out []byte, segment string) []byte {
	const hex = "0123456789ABCDEF"
	for i := 0; i < len(segment); i++ {
		if c := segment[i]; validByte(c) {
			out = append(out, c)
		} else {
			out = append(out, '%', hex[c>>4], hex[c&15])
		}
	}
	return out
}

// matchForm is what the tree is walked with: the path, decoded segment by segment. A slash that was
// encoded is a backslash in it, so that it stays inside its segment (M2); a canonical path has none of its own.
// Only a path that has one costs an allocation.
//
//	/a%2Fb/c%20d  ->  /a\b/c d
func matchForm(u *url.URL) string {
	i := encodedSlash(u.RawPath)
	if i < 0 {
		return u.Path
	}
	var b strings.Builder
	for raw := u.RawPath; ; i = encodedSlash(raw) {
		if i < 0 {
			i = len(raw)
		}
		part, err := url.PathUnescape(raw[:i])
		if err != nil {
			return u.Path // not canonical
		}
		b.WriteString(part)
		if i == len(raw) {
			return b.String()
		}
		b.WriteByte('\\')
		raw = raw[i+3:]
	}
}

// encodedSlash is where the first %2F is, or -1.
func encodedSlash(raw string) int {
	for i := 0; i+2 < len(raw); i++ {
		if raw[i] == '%' && raw[i+1] == '2' && raw[i+2]|0x20 == 'f' {
			return i
		}
	}
	return -1
}

// slashes takes a part of a path back from match form.
func slashes(s string) string {
	if strings.IndexByte(s, '\\') < 0 {
		return s
	}
	return strings.ReplaceAll(s, `\`, "/")
}
