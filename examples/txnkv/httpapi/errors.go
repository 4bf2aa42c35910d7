package httpapi

import (
	"encoding/json"
	"errors"
	"net/http"

	"github.com/flagship-go/flagship/examples/txnkv/service"
)

// statuses are those of codes; the rest are the client's fault, and 400.
var statuses = map[service.Code]int{
	service.CodeNotFound:     http.StatusNotFound,
	service.CodeNoTxn:        http.StatusNotFound,
	service.CodeNoTable:      http.StatusNotFound,
	service.CodeExists:       http.StatusConflict,
	service.CodeConflict:     http.StatusConflict,
	service.CodeDeadlock:     http.StatusConflict,
	service.CodeRolledBack:   http.StatusConflict,
	service.CodeLocked:       http.StatusLocked,
	service.CodeTooLarge:     http.StatusRequestEntityTooLarge,
	service.CodeMemory:       http.StatusRequestEntityTooLarge,
	service.CodeBusy:         http.StatusTooManyRequests,
	service.CodeUnavailable:  http.StatusServiceUnavailable,
	service.CodeTimeout:      http.StatusGatewayTimeout,
	service.CodeUndetermined: http.StatusInternalServerError,
	service.CodeInternal:     http.StatusInternalServerError,
}

type errorBody struct {
	Code    service.Code `json:"code"`
	Message string       `json:"message"`
}

func bodyOf(err error) errorBody {
	if _, ok := errors.AsType[*http.MaxBytesError](err); ok {
		return errorBody{service.CodeTooLarge, err.Error()}
	}
	return errorBody{service.CodeOf(err), err.Error()}
}

func writeError(w http.ResponseWriter, err error) {
	body := bodyOf(err)
	status, ok := statuses[body.Code]
	if !ok {
		status = http.StatusBadRequest
	}
	writeJSON(w, status, map[string]errorBody{"error": body})
}

func writeJSON(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	e.Encode(v) // if it fails the client is gone
}
