package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"sync"
	"sync/atomic"
	"time"
)

// ingester stores the lines of sources, several sources at a time.
type ingester struct {
	*config
	store *store
	done  []atomic.Uint64 // of each source the position stored; as many as sources
}

// openSources opens what the command line names.
func (c *config) openSources() (sources []source, err error) {
	for i := range uint64(c.writers) {
		if c.generate > i {
			g := &generator{title: fmt.Sprintf("generated-%d", i), length: c.lineSize,
				lines: (c.generate-i-1)/uint64(c.writers) + 1}
			if c.rate > 0 {
				g.every = time.Duration(float64(c.writers) / c.rate * float64(time.Second))
			}
			sources = append(sources, g)
		}
	}
	files := c.files
	if len(files) == 0 && c.command == "ingest" && c.generate == 0 {
		files = []string{"-"}
	}
	for _, path := range files {
		if path == "-" {
			c.log.Info("reading standard input", "source", c.stdin)
			sources = append(sources, newStream(os.Stdin, c.stdin))
			continue
		}
		f, err := openFile(path, c.follow)
		if err != nil {
			for _, s := range sources {
				s.close()
			}
			return nil, err
		}
		sources = append(sources, f)
	}
	if name := twice(sources); name != "" {
		for _, s := range sources {
			s.close()
		}
		return nil, fmt.Errorf("source %s is named twice: its lines would be stored twice, or not at all", name)
	}
	return sources, nil
}

// twice returns a name that two sources have: each would go on at the position of
// the other.
func twice(sources []source) string {
	seen := map[string]bool{}
	for _, s := range sources {
		if seen[s.name()] {
			return s.name()
		}
		seen[s.name()] = true
	}
	return ""
}

func (in *ingester) begin(sources []source) { in.done = make([]atomic.Uint64, len(sources)) }

// run stores all lines of the sources that it began with. It returns when they are
// stored, or ctx ends.
func (in *ingester) run(ctx context.Context, sources []source) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	places := in.writers
	if in.follow {
		places = len(sources) // none of them ends
	}
	slots := make(chan struct{}, max(places, 1))
	var wg sync.WaitGroup
	for i, src := range sources {
		wg.Go(func() {
			slots <- struct{}{}
			defer func() { <-slots }()
			if err := in.source(ctx, src, &in.done[i]); err != nil && ctx.Err() == nil {
				cancel(fmt.Errorf("source %s: %w", src.name(), err))
			}
		})
	}
	wg.Wait()
	return context.Cause(ctx)
}

// source stores one source: one goroutine reads, others store. What has a
// position is stored in order, and so by one.
func (in *ingester) source(ctx context.Context, src source, done *atomic.Uint64) error {
	defer src.close()
	writers := in.writers
	if src.positioned() {
		writers = 1
		if err := in.resume(src, done); err != nil {
			return err
		}
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	batches, free := make(chan *batch), make(chan *batch, writers+1)
	go func() { // may be in a read that nothing ends, so it is not waited for
		defer close(batches)
		if err := in.read(ctx, src, batches, free); err != nil {
			cancel(err)
		}
	}()
	var wg sync.WaitGroup
	for range writers {
		wg.Go(func() {
			for {
				select {
				case <-ctx.Done():
					return
				case b, ok := <-batches:
					if !ok {
						return
					}
					if err := in.store.append(src.name(), b.lines, src.positioned(), b.behind); err != nil {
						cancel(err)
						return
					}
					in.log.Debug("stored", "source", src.name(), "lines", len(b.lines), "position", b.behind)
					done.Store(b.behind)
					free <- b
				}
			}
		})
	}
	wg.Wait()
	return context.Cause(ctx)
}

// resume brings a source to where it was stored up to.
func (in *ingester) resume(src source, done *atomic.Uint64) error {
	at, err := in.store.position(src.name())
	if err != nil {
		return err
	}
	if in.restart {
		at = 0
	}
	if err := src.seek(at); err != nil {
		return err
	}
	done.Store(at)
	if at > 0 {
		in.log.Info("source goes on where it was", "source", src.name(), "position", at, "end", src.size())
	}
	return nil
}

// batch is lines on their way into the store, and the memory they are in.
type batch struct {
	lines  []line
	behind uint64
	memory []byte
	ends   []int // of keys and texts in memory
}

// read fills batches until the source ends. A batch never waits for a line that
// is not at hand: who writes a line a minute finds it at once.
func (in *ingester) read(ctx context.Context, src source, batches chan<- *batch, free <-chan *batch) error {
	for ctx.Err() == nil {
		b := &batch{}
		select {
		case b = <-free:
		default:
		}
		err := in.fill(ctx, src, b)
		if len(b.lines) > 0 {
			select {
			case batches <- b:
			case <-ctx.Done():
			}
		}
		if errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return err
		}
	}
	return nil
}

// fill reads lines until the batch is full, or no more are at hand.
func (in *ingester) fill(ctx context.Context, src source, b *batch) error {
	b.lines, b.memory, b.ends = b.lines[:0], b.memory[:0], b.ends[:0]
	for more := true; more && len(b.ends) < 2*in.batch && len(b.memory) < maxBatch; {
		text, position, behind, m, err := src.next(ctx)
		if err != nil {
			b.cut()
			return err
		}
		if !src.positioned() {
			position = in.store.serial.Add(1)
		}
		b.memory = appendKey(b.memory, timeOf(text, time.Now()), src.name(), position)
		b.ends = append(b.ends, len(b.memory))
		b.memory = append(b.memory, text...)
		b.ends = append(b.ends, len(b.memory))
		b.behind, more = behind, m
	}
	b.cut()
	return nil
}

// maxBatch is how many bytes a batch takes at most, and one line more.
const maxBatch = 4 << 20

// cut makes the lines of the memory, which has moved while it grew.
func (b *batch) cut() {
	start := 0
	for i := 0; i < len(b.ends); i += 2 {
		b.lines = append(b.lines, line{b.memory[start:b.ends[i]], b.memory[b.ends[i]:b.ends[i+1]]})
		start = b.ends[i+1]
	}
}
