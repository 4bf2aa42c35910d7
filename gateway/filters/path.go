package filters

import (
	"cmp"
	"net/url"
	"path"
	"regexp"
	"strings"
)

// The path that is sent upstream. What was matched was canonical (M2), and what these filters make of it is again:
// what a client puts in the place of a placeholder cannot climb out of it by ".." or "%2F".

func paths() []Spec {
	return []Spec{
		NewSpec("modPath", "expression, replacement", func(a *Args) Filter {
			re, to := a.Regexp("expression"), a.Text("replacement")
			return OnRequest(func(c FilterContext) { modifyPath(c.Request().URL, re, to) })
		}),
		NewSpec("setPath", "path", func(a *Args) Filter {
			to := a.Template("path")
			return OnRequest(func(c FilterContext) { setPath(c, to) })
		}),
	}
}

// modifyPath replaces in the path as it is decoded; but if decoding loses something (%2F), in the encoded one.
func modifyPath(u *url.URL, re *regexp.Regexp, to string) {
	switch {
	case !re.MatchString(cmp.Or(u.RawPath, u.Path)):
		return // and nothing is allocated
	case u.RawPath == "":
		setDecoded(u, re.ReplaceAllString(u.Path, to))
	default:
		setEncoded(u, re.ReplaceAllString(u.RawPath, to))
	}
}

func setPath(c FilterContext, to *Template) {
	u := c.Request().URL
	if to.Constant() {
		setDecoded(u, to.text)
		return
	}
	// A slash in a parameter came as %2F if there was one in what the client sent; otherwise it is
	// a free wildcard's own.
	inside := strings.Contains(strings.ToLower(c.OriginalRequest().URL.RawPath), "%2f")
	encoded, _ := to.eval(c, func(value string, ofPath bool) string {
		escaped := func(p string) string { return (&url.URL{Path: p}).EscapedPath() }
		if ofPath && inside {
			return strings.ReplaceAll(escaped(value), "/", "%2F")
		}
		return escaped(below(value))
	})
	setEncoded(u, encoded)
}

func setDecoded(u *url.URL, p string) {
	u.Path, u.RawPath = clean(p), ""
}

// setEncoded keeps RawPath only where it says more than Path, like package url.
func setEncoded(u *url.URL, p string) {
	p = clean(p)
	decoded, err := url.PathUnescape(p)
	if err != nil { // a replacement has cut an escape: then % is a percent sign
		u.Path, u.RawPath = p, ""
		return
	}
	u.Path, u.RawPath = decoded, p
	if (&url.URL{Path: decoded}).EscapedPath() == p {
		u.RawPath = ""
	}
}

// below resolves dot segments in a part of a path, whose beginning is as high as they lead.
func below(part string) string {
	if strings.HasPrefix(part, "/") {
		return clean(part)
	}
	return clean("/" + part)[1:]
}

// clean makes a path begin with a slash, and resolves dot segments if there are any.
func clean(p string) string {
	if !strings.HasPrefix(p, "/") {
		p = "/" + p
	}
	if !strings.Contains(p, "/.") {
		return p
	}
	c := path.Clean(p)
	if c != "/" && (strings.HasSuffix(p, "/") || strings.HasSuffix(p, "/.") || strings.HasSuffix(p, "/..")) {
		c += "/"
	}
	return c
}
