package httpapi

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"

	"github.com/flagship-go/flagship/examples/kv/service"
	"github.com/flagship-go/flagship/examples/kv/store"
)

// errorBody is how etcd's gateway says no.
type errorBody struct {
	Error   string     `json:"error"`
	Code    store.Code `json:"code"`
	Message string     `json:"message"`
}

// streamError is how it does so once a stream has begun.
type streamError struct {
	Code    store.Code `json:"grpc_code"`
	HTTP    int        `json:"http_code"`
	Message string     `json:"message"`
	Status  string     `json:"http_status"`
}

// statuses of HTTP for the codes of gRPC, by grpc-gateway's table.
var statuses = map[store.Code]int{
	1: http.StatusRequestTimeout, 2: http.StatusInternalServerError, 3: http.StatusBadRequest,
	4: http.StatusGatewayTimeout, 5: http.StatusNotFound, 6: http.StatusConflict, 7: http.StatusForbidden,
	8: http.StatusTooManyRequests, 9: http.StatusBadRequest, 10: http.StatusConflict, 11: http.StatusBadRequest,
	12: http.StatusNotImplemented, 13: http.StatusInternalServerError, 14: http.StatusServiceUnavailable,
	15: http.StatusInternalServerError, 16: http.StatusUnauthorized,
}

// codeOf returns the code and text of an error.
func codeOf(err error) (store.Code, string) {
	var refusal *store.Error
	switch {
	case errors.As(err, &refusal):
		return refusal.Code, refusal.Message
	case errors.Is(err, context.DeadlineExceeded):
		return service.CodeDeadlineExceeded, err.Error()
	case errors.Is(err, context.Canceled):
		return 1, err.Error()
	}
	return service.CodeUnknown, err.Error()
}

// malformed is a request that is no message.
func malformed(err error) error {
	var tooLarge *http.MaxBytesError
	if errors.As(err, &tooLarge) {
		return service.ErrTooLarge
	}
	return &store.Error{Code: store.CodeInvalidArgument, Message: err.Error()}
}

func writeError(w http.ResponseWriter, err error) {
	code, message := codeOf(err)
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(statuses[code])
	json.NewEncoder(w).Encode(errorBody{message, code, message}) // the client is gone, if this fails
}
