package main

import (
	"bufio"
	"cmp"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/flagship-go/flagship/gateway"
	"github.com/flagship-go/flagship/gateway/eskip"
	"github.com/flagship-go/flagship/gateway/upstream"
)

// questions are what can be asked about a file without a server.
var questions = map[string]func(args []string, stdout, stderr io.Writer) error{
	"check":   check,
	"explain": explain,
	"print":   printRoutes,
}

// routesFile is a file of routes, or several that make one configuration.
type routesFile struct {
	name  string
	isDir bool
	dir   string            // where files are that routes name
	texts map[string]string // of each file
	// routes are those that could be read, and broken is what could not.
	routes []*eskip.Route
	broken eskip.ErrorList
}

// readRoutes reads a file, a directory's .eskip files, or, if it is -, the standard input. What is wrong with
// the routes is no error yet.
func readRoutes(name string) (*routesFile, error) {
	f := &routesFile{name: name, dir: filepath.Dir(name), texts: map[string]string{}}
	if name == "-" {
		text, err := io.ReadAll(os.Stdin)
		f.name, f.dir = "stdin", "."
		f.read(f.name, text)
		return f, err
	}
	info, err := os.Stat(name)
	if err != nil {
		return nil, fmt.Errorf("the routes: %w", err)
	}
	files := []string{name}
	if info.IsDir() {
		f.isDir, f.dir = true, name
		entries, err := os.ReadDir(name) // what a gateway.DirSource looks at, whatever the directory is called
		if err != nil {
			return nil, fmt.Errorf("the routes: %w", err)
		}
		files = nil
		for _, e := range entries {
			if !e.IsDir() && strings.HasSuffix(e.Name(), ".eskip") {
				files = append(files, filepath.Join(name, e.Name()))
			}
		}
	}
	for _, one := range files {
		text, err := os.ReadFile(one)
		if err != nil {
			return nil, fmt.Errorf("the routes: %w", err)
		}
		f.read(one, text)
	}
	return f, nil
}

func (f *routesFile) read(name string, text []byte) {
	f.texts[name] = string(text)
	routes, err := eskip.Parse(name, string(text))
	f.routes = append(f.routes, routes...)
	var list eskip.ErrorList
	if errors.As(err, &list) {
		f.broken = append(f.broken, list...)
	}
}

// source watches what was read.
func (f *routesFile) source(every time.Duration) gateway.Source {
	if f.isDir {
		return gateway.DirSource{Path: f.name, Interval: every}
	}
	return gateway.FileSource{Path: f.name, Interval: every}
}

// apply is what the gateway does with the file when it changes (A3). Its error has all that is wrong: also what
// is wrong with the routes that could be read.
func (f *routesFile) apply(g *gateway.Gateway) error {
	err := g.Apply(f.routes)
	if len(f.broken) == 0 {
		return err
	}
	all := append(eskip.ErrorList{}, f.broken...)
	var list eskip.ErrorList
	if errors.As(err, &list) {
		all = append(all, list...)
	}
	return all
}

// tell shows each mistake with its line and a caret, and returns what is left to say (A2).
func (f *routesFile) tell(w io.Writer, err error) error {
	var list eskip.ErrorList
	if !errors.As(err, &list) {
		return fmt.Errorf("%s: %w", f.name, err)
	}
	slices.SortStableFunc(list, func(a, b *eskip.Error) int {
		return cmp.Or(strings.Compare(a.File, b.File), cmp.Compare(a.Pos.Line, b.Pos.Line), cmp.Compare(a.Pos.Column, b.Pos.Column))
	})
	for _, e := range list {
		fmt.Fprintln(w, e.Error())
		if e.Pos.Line > 0 {
			e.Quote(f.texts[e.File])
			fmt.Fprintf(w, "    %s\n", strings.ReplaceAll(e.Snippet(), "\n", "\n    "))
		}
	}
	if len(list) == 1 {
		return fmt.Errorf("%s has a mistake", f.name)
	}
	return fmt.Errorf("%s has %d mistakes", f.name, len(list))
}

// offline are connections to nowhere: a question sends nothing, also not to see who is healthy (A3).
type offline struct{}

func (offline) RoundTrip(*http.Request) (*http.Response, error) {
	return nil, errors.New("nothing is sent to answer a question")
}

// readFor reads the file that a question is about, its first argument.
func readFor(args []string, form string, least, most int, stderr io.Writer) (*routesFile, error) {
	for _, a := range args {
		if a == "-h" || a == "-help" || a == "--help" {
			fmt.Fprint(stderr, usage)
			return nil, flag.ErrHelp
		}
	}
	if len(args) < least || len(args) > most {
		return nil, usageError{fmt.Errorf("it is apigateway %s", form)}
	}
	return readRoutes(args[0])
}

// ask makes a gateway of a file, which is closed after the question.
func ask(args []string, form string, least, most int, stderr io.Writer, question func(f *routesFile, g *gateway.Gateway) error) error {
	f, err := readFor(args, form, least, most, stderr)
	if err != nil {
		return err
	}
	transport := func(upstream.TransportOptions) http.RoundTripper { return offline{} }
	g, err := newGateway(f.dir, gateway.Options{Transport: transport}, slog.New(slog.DiscardHandler))
	if err != nil {
		return err
	}
	if err := f.apply(g); err != nil {
		return errors.Join(f.tell(stderr, err), g.Close())
	}
	return errors.Join(question(f, g), g.Close())
}

// check says whether a file is right, and what in it looks as if it were not meant.
func check(args []string, stdout, stderr io.Writer) error {
	return ask(args, "check FILE", 1, 1, stderr, func(f *routesFile, g *gateway.Gateway) error {
		report := g.Report()
		for _, s := range report.Shadowed {
			var by []string
			for _, r := range s.By {
				by = append(by, r.Def.ID)
			}
			fmt.Fprintf(stdout, "%s: route %s never wins: %s comes before it, and has no predicate that it does not have\n",
				place(s.Route.Def), s.Route.Def.ID, strings.Join(by, ", "))
		}
		for _, t := range report.Ties {
			fmt.Fprintf(stdout, "%s: route %s comes before %s (%s) only by its name: where both fit nothing else decides\n",
				place(t.First.Def), t.First.Def.ID, t.Second.Def.ID, place(t.Second.Def))
		}
		if report.More {
			fmt.Fprintln(stdout, "and so do others")
		}
		fmt.Fprintf(stdout, "%s is right: %d routes, %d that never win, %d pairs that only names decide\n",
			f.name, report.Routes, len(report.Shadowed), len(report.Ties))
		return nil
	})
}

func place(r *eskip.Route) string { return fmt.Sprintf("%s:%v", r.File, r.Pos) }

// explain says which route a request takes. That it takes none is an error.
func explain(args []string, stdout, stderr io.Writer) error {
	const form = "explain FILE 'GET /path' ['Header: value' ...]"
	var r *http.Request
	if len(args) > 1 {
		var err error
		if r, err = describedRequest(args[1], args[2:]); err != nil {
			return usageError{err}
		}
	}
	return ask(args, form, 2, 1000, stderr, func(f *routesFile, g *gateway.Gateway) error {
		e, err := g.Explain(r)
		if err != nil {
			return usageError{fmt.Errorf("%q: %w; the gateway would answer 400", args[1], err)}
		}
		fmt.Fprintln(stdout, strings.TrimSpace(e.String()))
		if e.Route == "" {
			return errors.New("no route: the gateway would answer 404")
		}
		for _, def := range f.routes {
			if def.ID == e.Route {
				fmt.Fprintf(stdout, "%s: %s\n", place(def), def)
			}
		}
		return nil
	})
}

// describedRequest is a request as its first line and its header fields say; the version may be left out.
func describedRequest(line string, fields []string) (*http.Request, error) {
	if len(strings.Fields(line)) == 2 {
		line += " HTTP/1.1"
	}
	text := line + "\r\n" + strings.Join(fields, "\r\n") + "\r\n\r\n"
	if len(fields) == 0 {
		text = line + "\r\n\r\n"
	}
	r, err := http.ReadRequest(bufio.NewReader(strings.NewReader(text)))
	if err != nil {
		return nil, fmt.Errorf("%q with %q is no request: write 'GET /path' 'Header: value': %w", line, fields, err)
	}
	r.RemoteAddr = "127.0.0.1:0"
	return r, nil
}

// printRoutes prints a file's routes in the one style of Print. They need not make sense to this gateway.
func printRoutes(args []string, stdout, stderr io.Writer) error {
	f, err := readFor(args, "print FILE", 1, 1, stderr)
	if err != nil {
		return err
	}
	if len(f.broken) > 0 {
		return f.tell(stderr, f.broken)
	}
	return eskip.Print(stdout, f.routes)
}
