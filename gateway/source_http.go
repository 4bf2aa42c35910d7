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
}

// String is "url URL".
func (s HTTPSource) String() string { return "url " + s.URL }

// answered is what a server said: a text, or what was wrong.
type answered struct{ text, etag, trouble string }

// Watch asks at once and then again and again. A server that cannot be reached is an error once, until
// it can, or until the reason is another.
func (s HTTPSource) Watch(ctx context.Context, apply func(Configuration, error) error) error {
	every := s.Interval
	if every == 0 {
		every = 5 * time.Second
	}
	var told answered
	t := teller{apply: apply}
	for first := true; ; first = false {
		now, err := s.ask(ctx, told)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if first || now.text != told.text || now.trouble != told.trouble {
			c := Configuration{Version: now.etag}
			if err == nil {
				c.Routes, err = eskip.Parse(s.URL, now.text)
			}
			t.tell(c, err)
		} else {
			t.nothingNew()
		}
		told = now
		if err := wait(ctx, every); err != nil {
			return err
		}
	}
}

// ask is one question. A server that has nothing new stands for what it sent before, and one that is in trouble too.
func (s HTTPSource) ask(ctx context.Context, told answered) (answered, error) {
	now, err := s.fetch(ctx, told)
	if err != nil {
		err = fmt.Errorf("asking %s for routes: %w", s.URL, err)
		return answered{told.text, told.etag, err.Error()}, err
	}
	return now, nil
}

func (s HTTPSource) fetch(ctx context.Context, told answered) (now answered, err error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, s.URL, nil)
	if err != nil {
		return now, err
	}
	if told.etag != "" {
		r.Header.Set("If-None-Match", told.etag)
	}
	client := s.Client
	if client == nil {
		client = &http.Client{Timeout: 10 * time.Second}
	}
	res, err := client.Do(r)
	if err != nil {
		return now, err
	}
	defer res.Body.Close()
	switch res.StatusCode {
	case http.StatusNotModified:
		return answered{told.text, told.etag, ""}, nil
	case http.StatusOK:
	default:
		return now, fmt.Errorf("it answered %s; expected 200 or 304", res.Status)
	}
	limit := s.MaxBytes
	if limit == 0 {
		limit = 64 << 20
	}
	body, err := io.ReadAll(io.LimitReader(res.Body, limit+1))
	if err != nil {
		return now, err
	}
	if int64(len(body)) > limit {
		return now, fmt.Errorf("more than %d bytes; MaxBytes would allow it", limit)
	}
	return answered{string(body), res.Header.Get("ETag"), ""}, nil
}
