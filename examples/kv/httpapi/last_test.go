package httpapi

import (
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/flagship-go/flagship/examples/kv/service"
)

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
