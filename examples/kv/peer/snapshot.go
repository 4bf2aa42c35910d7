package peer

import (
	"bufio"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net/http"

	"github.com/flagship-go/flagship/examples/kv/service"
	"github.com/flagship-go/flagship/raft"
)

// A snapshot is a call whose body is written as it is read, however long:
//
//	POST /kv/snapshot     length, head | state ... until the body ends
//
// A body that is cut off is no snapshot: chunks have an end of their own, and the
// state a checksum.
const (
	snapshotPath = "/kv/snapshot"
	// maxHead bounds the head, a message of raft's with a membership.
	maxHead = 1 << 20
)

// SendSnapshot implements service.Peers.
func (p *Peers) SendSnapshot(ctx context.Context, to raft.NodeID, head []byte, body io.WriterTo) error {
	p.mu.RLock()
	urls := p.urls[to]
	p.mu.RUnlock()
	if len(urls) == 0 {
		return fmt.Errorf("%w: %s has no address", service.ErrNotSent, to)
	}
	r, w := io.Pipe()
	written := make(chan struct{})
	go func() {
		defer close(written)
		_, err := w.Write(append(binary.AppendUvarint(nil, uint64(len(head))), head...))
		if err == nil {
			_, err = body.WriteTo(w)
		}
		w.CloseWithError(err)
	}()
	defer func() {
		r.CloseWithError(context.Canceled)
		<-written
	}()
	q, err := http.NewRequestWithContext(ctx, http.MethodPost, urls[0]+snapshotPath, r)
	if err != nil {
		return err
	}
	answer, err := p.client.Do(q)
	if err != nil {
		return fmt.Errorf("%w: %w", service.ErrNotSent, err)
	}
	defer answer.Body.Close()
	b, err := io.ReadAll(io.LimitReader(answer.Body, maxHead))
	if err == nil && answer.StatusCode != http.StatusOK {
		err = service.DecodeError(b)
	}
	return err
}

// receive is SendSnapshot's other end.
func (p *Peers) receive(r *http.Request) error {
	body := bufio.NewReaderSize(r.Body, 64<<10)
	n, err := binary.ReadUvarint(body)
	if err == nil && n > maxHead {
		err = errors.New("its head is too long")
	}
	if err != nil {
		return fmt.Errorf("kv: receive a snapshot: %w", err)
	}
	head := make([]byte, n)
	if _, err := io.ReadFull(body, head); err != nil {
		return fmt.Errorf("kv: receive a snapshot: %w", err)
	}
	return p.member.Receive(r.Context(), head, body)
}
