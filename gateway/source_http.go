package gateway

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/flagship-go/flagship/gateway/eskip"
)

// HTTPSource asks a server for routes in eskip text again and again. A server that sends an
// ETag is asked with If-None-Match, and sends nothing while nothing is new.
type HTTPSource struct {
	URL string
	// Interval between two questions. 0: 5 s.
	Interval time.Duration
	// Client asks. Nil: one with a timeout of 10 s.
	Client *http.Client
	// MaxBytes bounds the text. 0: 64 MiB.
	MaxBytes int64

	asked, told bool
	etag, text  string // the last that were told
	trouble     string // the last error that was told, if nothing was since
}

// String is "url URL".
func (s *HTTPSource) String() string { return "url " + s.URL }

// Next asks until the server has other routes than before. The first question is at once. A
// server that cannot be reached is an error once, until it can, or until the reason is another.
func (s *HTTPSource) Next(ctx context.Context) (Configuration, error) {
	every := s.Interval
	if every == 0 {
		every = 5 * time.Second
	}
	for {
		if s.asked {
			if err := wait(ctx, every); err != nil {
				return Configuration{}, err
			}
		}
		s.asked = true
		text, etag, err := s.ask(ctx)
		if ctx.Err() != nil {
			return Configuration{}, ctx.Err()
		}
		if err != nil {
			if s.trouble == err.Error() {
				continue
			}
			s.trouble = err.Error()
			return Configuration{}, err
		}
		if s.told && text == s.text && s.trouble == "" {
			continue
		}
		s.told, s.etag, s.text, s.trouble = true, etag, text, ""
		routes, err := eskip.Parse(s.URL, s.text)
		return Configuration{Routes: routes, Version: etag}, err
	}
}

// ask is one question. A server that has nothing new stands for the text that it sent before.
func (s *HTTPSource) ask(ctx context.Context) (text, etag string, err error) {
	defer func() {
		if err != nil {
			err = fmt.Errorf("asking %s for routes: %w", s.URL, err)
		}
	}()
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, s.URL, nil)
	if err != nil {
		return "", "", err
	}
	if s.etag != "" {
		r.Header.Set("If-None-Match", s.etag)
	}
	client := s.Client
	if client == nil {
		client = &http.Client{Timeout: 10 * time.Second}
	}
	answer, err := client.Do(r)
	if err != nil {
		return "", "", err
	}
	defer answer.Body.Close()
	switch answer.StatusCode {
	case http.StatusNotModified:
		return s.text, s.etag, nil
	case http.StatusOK:
	default:
		return "", "", fmt.Errorf("it answered %s; expected 200 or 304", answer.Status)
	}
	limit := s.MaxBytes
	if limit == 0 {
		limit = 64 << 20
	}
	body, err := io.ReadAll(io.LimitReader(answer.Body, limit+1))
	if err != nil {
		return "", "", err
	}
	if int64(len(body)) > limit {
		return "", "", fmt.Errorf("more than %d bytes; MaxBytes would allow it", limit)
	}
	return string(body), answer.Header.Get("ETag"), nil
}
