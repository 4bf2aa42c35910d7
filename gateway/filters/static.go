package filters

import (
	"net/http"
	"net/url"
	"os"
	"strings"
)

// Files of a directory.

func statics() []Spec {
	return []Spec{NewSpec("static", "prefix, directory", func(a *Args) Filter {
		prefix, dir := a.Text("prefix"), a.NonEmpty("directory")
		if a.Done() != nil {
			return nil
		}
		// A root keeps everything inside: neither ".." nor a symbolic link leads out.
		root, err := os.OpenRoot(dir)
		if err != nil {
			a.Fail("argument 2 (directory): %w", err)
			return nil
		}
		return &static{strings.TrimSuffix(prefix, "/"), root, http.FileServerFS(root.FS())}
	})}
}

// static answers with files as package http does: ranges, conditional requests, index.html,
// and a list of what is in a directory without one.
type static struct {
	prefix string
	root   *os.Root
	files  http.Handler
}

func (s *static) Request(c FilterContext) {
	name, is := strings.CutPrefix(c.Request().URL.Path, s.prefix)
	if !is || name != "" && name[0] != '/' {
		reject(c, http.StatusNotFound, nil)
		return
	}
	ServeHandler(c, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		// A copy of the URL: only the file server sees the path without its prefix.
		r.URL = &url.URL{Path: "/" + strings.TrimPrefix(name, "/"), RawQuery: r.URL.RawQuery}
		s.files.ServeHTTP(w, r)
	}))
}

func (*static) Response(FilterContext) {}

// Close ends that files are opened; those that are being sent go on.
func (s *static) Close() error { return s.root.Close() }
