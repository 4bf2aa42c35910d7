package httpapi

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"

	"github.com/flagship-go/flagship/examples/kv/service"
	"github.com/flagship-go/flagship/examples/kv/store"
	"github.com/flagship-go/flagship/raft"
)

// broken is a state whose disk fails in the middle of its second reading.
type broken struct{ read int }

func (b *broken) WriteTo(w io.Writer) (int64, error) {
	n, err := w.Write(make([]byte, snapshotChunk))
	if b.read++; b.read > 1 {
		err = errors.New("input/output error")
	}
	return int64(n), err
}

// What ends without an error is taken for whole.
func TestSnapshotThatBreaksOffEndsWithTheError(t *testing.T) {
	o := service.Options{}
	o.Raft.ID, o.Raft.Voters = 1, []raft.NodeID{1}
	m, err := service.Start(o)
	require.NoError(t, err)
	defer m.Close()
	w := httptest.NewRecorder()
	s := (&api{}).newStream(w, httptest.NewRequest("POST", "/v3/maintenance/snapshot", nil))
	defer s.close()
	s.snapshot(m, &broken{})
	rows := strings.Split(strings.TrimSpace(w.Body.String()), "\n")
	if len(rows) != 2 || !strings.Contains(rows[1], "input/output error") {
		t.Fatalf("RULE H8: a snapshot whose disk failed ends after %d rows with %.60s", len(rows), rows[len(rows)-1])
	}
}

// A client reads up to the error: it is the last row, whatever other watches have
// to tell.
func TestAnErrorIsTheLastAnswerOfAStream(t *testing.T) {
	w := httptest.NewRecorder()
	s := (&api{}).newStream(w, httptest.NewRequest("POST", "/v3/watch", nil))
	defer s.close()
	if err := s.send(watchResponse{Created: true}); err != nil {
		t.Fatal(err)
	}
	s.fail(service.ErrStopped)
	err := s.send(watchResponse{WatchID: 1})
	rows := strings.Split(strings.TrimSpace(w.Body.String()), "\n")
	if err == nil || len(rows) != 2 || !strings.Contains(rows[1], service.ErrStopped.Message) {
		t.Fatalf("RULE H10: behind the error of a stream there is more: %v in %q", err, rows)
	}
}

// hearing is a client that acts on an answer as soon as it has it.
type hearing struct {
	*httptest.ResponseRecorder
	heard func(answer []byte)
}

func (h *hearing) Write(b []byte) (int, error) {
	h.heard(b)
	return h.ResponseRecorder.Write(b)
}

// Who hears that history was compacted creates the watch anew, with its old ID.
func TestIDOfAWatchThatCompactionEndedIsFreeWhenItsClientHears(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := service.Options{}
		o.Raft.ID, o.Raft.Voters = 1, []raft.NodeID{1}
		m, err := service.Start(o)
		require.NoError(t, err)
		defer m.Close()
		for range 3 {
			_, err := m.Put(t.Context(), &store.PutRequest{Key: []byte("k")})
			require.NoError(t, err)
		}
		_, err = m.Compact(t.Context(), &store.CompactionRequest{Revision: 3})
		require.NoError(t, err)

		ws := &watches{member: m, byID: map[int64]*watch{}}
		ws.ctx, ws.cancel = context.WithCancel(t.Context())
		defer ws.cancel()
		created, taken := make(chan struct{}), false
		w := &hearing{httptest.NewRecorder(), func(answer []byte) {
			if bytes.Contains(answer, []byte(`"compact_revision":"3"`)) {
				<-created
				if ws.mu.TryLock() { // otherwise the next request waits
					taken = ws.byID[7] != nil
					ws.mu.Unlock()
				}
			}
		}}
		ws.stream = (&api{}).newStream(w, httptest.NewRequest("POST", "/v3/watch", nil))
		defer ws.stream.close()
		require.NoError(t, ws.create(&watchCreateRequest{Key: []byte("k"), StartRevision: 1, WatchID: 7}))
		close(created)
		ws.pumps.Wait()
		require.Contains(t, w.Body.String(), `"compact_revision":"3"`)
		if taken || ws.byID[7] != nil {
			t.Fatal("RULE H4: the client of a watch hears that it is over, and its ID is taken")
		}
	})
}
