package filters

import (
	"errors"
	"fmt"
	"net/http"
	"time"
)

// An Error is a call that ended without an answer of the backend. The gateway tells the
// client Status, and RetryAfter if there is one; Reason and Err are for the log.
type Error struct {
	Status int
	// Reason is short and for people: "breaker is open".
	Reason string
	// Local says that the call never reached the backend, by the gateway's own decision or because of the
	// client: it is no failure of the backend, in metrics, ejection and breakers (U3).
	Local bool
	// RetryAfter is when it may be worth trying again. 0: nobody knows.
	RetryAfter time.Duration
	Err        error
}

func (e *Error) Error() string {
	text := fmt.Sprintf("%d %s: %s", e.Status, http.StatusText(e.Status), e.Reason)
	if e.Err != nil {
		text += ": " + e.Err.Error()
	}
	return text
}

// Unwrap is the error behind it.
func (e *Error) Unwrap() error { return e.Err }

// IsLocal tells whether a call never reached the backend (U3).
func IsLocal(err error) bool {
	var e *Error
	return errors.As(err, &e) && e.Local
}
