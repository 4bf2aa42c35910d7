package main

import (
	_ "embed"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/flagship-go/flagship/examples/apigateway/upstreams"
)

// defaultRoutes is relative to where the command is run, and stays.
const defaultRoutes = "apigateway-data/routes.eskip"

//go:embed routes.eskip
var firstRoutes string

// rampStart is the time in routes.eskip that a first start replaces by its own.
const rampStart = "2026-01-01T00:00:00Z"

// writeFirst makes the files that a first start needs. Those that are there stay as they are (A4).
func writeFirst(routesFile string, addresses []string, now time.Time) error {
	if err := os.MkdirAll(filepath.Dir(routesFile), 0o755); err != nil {
		return err
	}
	text := strings.ReplaceAll(firstRoutes, rampStart, now.UTC().Format(time.RFC3339))
	for i, address := range addresses {
		text = strings.ReplaceAll(text, "127.0.0.1:"+strconv.Itoa(defaultPort+i), address)
	}
	return errors.Join(
		writeNew(filepath.Join(filepath.Dir(routesFile), "library.pb"), upstreams.Descriptors),
		writeNew(routesFile, []byte(text)),
	)
}

// writeNew writes a file unless there is one of that name.
func writeNew(name string, data []byte) error {
	f, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if errors.Is(err, fs.ErrExist) {
		return nil
	}
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	return errors.Join(err, f.Close())
}
