package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/flagship-go/flagship/internal/vfs"
)

// answer writes the answer to a question of a kind: /tail, /query or /stats.
func (s *store) answer(ctx context.Context, kind string, q query, w io.Writer, flush func()) error {
	switch kind {
	case "/tail":
		return s.tail(ctx, q, w, flush)
	case "/query":
		return s.query(ctx, q, w)
	}
	return s.writeStats(w)
}

// ask answers a question from the directory; when another process has it, that
// process is asked.
func ask(ctx context.Context, c *config, stdout io.Writer) error {
	q, err := parseQuery(c.question, time.Now())
	if err != nil {
		return err
	}
	s, err := openStore(c)
	if errors.Is(err, vfs.ErrLocked) {
		return askProcess(ctx, c, stdout)
	}
	if err != nil {
		return err
	}
	follow := q.follow
	q.follow = false
	err = s.answer(ctx, "/"+c.command, q, stdout, func() {})
	switch {
	case ctx.Err() != nil:
		err = nil
	case follow && err == nil:
		err = fmt.Errorf("nothing can arrive: no process has %s; start one with: logstore serve -dir %s", c.dir, c.dir)
	}
	return errors.Join(err, s.close())
}

// askProcess asks the process that has the directory.
func askProcess(ctx context.Context, c *config, stdout io.Writer) error {
	at, err := os.ReadFile(filepath.Join(c.dir, addressFile))
	if err != nil {
		return fmt.Errorf("directory %s is in use by another process, which listens nowhere: %w", c.dir, err)
	}
	url := strings.TrimSpace(string(at)) + "/" + c.command + "?" + c.question.Encode()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return fmt.Errorf("directory %s is in use by another process: asking it: %w", c.dir, err)
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		why, _ := io.ReadAll(io.LimitReader(response.Body, 1<<12))
		return fmt.Errorf("%s: %s", response.Status, strings.TrimSpace(string(why)))
	}
	if _, err = io.Copy(stdout, response.Body); ctx.Err() != nil {
		return nil // a signal is how to stop following
	}
	return err
}
