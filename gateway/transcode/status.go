package transcode

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"strings"

	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/anypb"
)

// A Code is how a gRPC call ended: google.rpc.Code.
type Code uint32

// The codes, with google.rpc.Code's numbers.
const (
	OK Code = iota
	Canceled
	Unknown
	InvalidArgument
	DeadlineExceeded
	NotFound
	AlreadyExists
	PermissionDenied
	ResourceExhausted
	FailedPrecondition
	Aborted
	OutOfRange
	Unimplemented
	Internal
	Unavailable
	DataLoss
	Unauthenticated
)

// codes has the table of google/rpc/code.proto. 499 is nginx's "client closed request".
var codes = [...]struct {
	http int
	name string
}{
	OK:                 {200, "OK"},
	Canceled:           {499, "CANCELLED"},
	Unknown:            {500, "UNKNOWN"},
	InvalidArgument:    {400, "INVALID_ARGUMENT"},
	DeadlineExceeded:   {504, "DEADLINE_EXCEEDED"},
	NotFound:           {404, "NOT_FOUND"},
	AlreadyExists:      {409, "ALREADY_EXISTS"},
	PermissionDenied:   {403, "PERMISSION_DENIED"},
	ResourceExhausted:  {429, "RESOURCE_EXHAUSTED"},
	FailedPrecondition: {400, "FAILED_PRECONDITION"},
	Aborted:            {409, "ABORTED"},
	OutOfRange:         {400, "OUT_OF_RANGE"},
	Unimplemented:      {501, "UNIMPLEMENTED"},
	Internal:           {500, "INTERNAL"},
	Unavailable:        {503, "UNAVAILABLE"},
	DataLoss:           {500, "DATA_LOSS"},
	Unauthenticated:    {401, "UNAUTHENTICATED"},
}

// HTTP is the HTTP status of a code (X3). One that nobody knows is an error of the server: 500.
func (c Code) HTTP() int {
	if c < Code(len(codes)) {
		return codes[c].http
	}
	return http.StatusInternalServerError
}

// String is the code's name in google.rpc.Code.
func (c Code) String() string {
	if c < Code(len(codes)) {
		return codes[c].name
	}
	return "CODE_" + strconv.FormatUint(uint64(c), 10)
}

// FromHTTP is the code of an answer that has an HTTP status and no grpc-status, since something
// between here and the service gave it (doc/http-grpc-status-mapping.md).
func FromHTTP(status int) Code {
	switch status {
	case http.StatusBadRequest:
		return Internal
	case http.StatusUnauthorized:
		return Unauthenticated
	case http.StatusForbidden:
		return PermissionDenied
	case http.StatusNotFound:
		return Unimplemented
	case http.StatusTooManyRequests, http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		return Unavailable
	}
	return Unknown
}

// A status is google.rpc.Status, and an error unless its code is OK.
type status struct {
	code    Code
	message string
	details [][]byte // google.protobuf.Any each
	http    int      // 0: code's
}

func statusf(code Code, format string, args ...any) *status {
	return &status{code: code, message: fmt.Sprintf(format, args...)}
}

func (s *status) Error() string { return s.code.String() + ": " + s.message }

// httpStatus is what a client sees first.
func (s *status) httpStatus() int {
	if s.http != 0 {
		return s.http
	}
	return s.code.HTTP()
}

// readStatus takes the status out of a trailer, or out of the header of an answer that
// has nothing else (trailers-only). It is nil if there is none.
func readStatus(h http.Header) *status {
	text := h.Get("Grpc-Status")
	if text == "" {
		return nil
	}
	code, err := strconv.ParseUint(text, 10, 32)
	if err != nil {
		return statusf(Unknown, "the answer's grpc-status is %q", text)
	}
	s := &status{code: Code(code), message: decodeMessage(h.Get("Grpc-Message"))}
	if text = h.Get("Grpc-Status-Details-Bin"); text != "" {
		// Details are a help. If they are broken, code and message are still right.
		s.details, _ = readDetails(text)
	}
	return s
}

// readDetails decodes google.rpc.Status in base64, with padding or without.
func readDetails(text string) (details [][]byte, err error) {
	message, err := base64.RawStdEncoding.DecodeString(strings.TrimRight(text, "="))
	if err != nil {
		return nil, err
	}
	const detailsField protowire.Number = 3
	err = eachField(message, func(number protowire.Number, value []byte) error {
		if number == detailsField {
			details = append(details, value)
		}
		return nil
	})
	return details, err
}

// decodeMessage undoes the percent-encoding of grpc-message. What is no encoding stays, so that no message is lost.
func decodeMessage(text string) string {
	if strings.IndexByte(text, '%') < 0 {
		return strings.ToValidUTF8(text, "\uFFFD")
	}
	decoded := make([]byte, 0, len(text))
	for i := 0; i < len(text); i++ {
		if text[i] == '%' && i+2 < len(text) && isHex(text[i+1]) && isHex(text[i+2]) {
			n, _ := strconv.ParseUint(text[i+1:i+3], 16, 8) // two hexadecimal digits
			decoded = append(decoded, byte(n))
			i += 2
			continue
		}
		decoded = append(decoded, text[i])
	}
	return strings.ToValidUTF8(string(decoded), "\uFFFD")
}

// statusJSON is google.rpc.Status as JSON.
func (c *codec) statusJSON(s *status) []byte {
	body := struct {
		Code    Code              `json:"code"`
		Message string            `json:"message"`
		Details []json.RawMessage `json:"details,omitempty"`
	}{Code: s.code, Message: s.message}
	for _, detail := range s.details {
		body.Details = append(body.Details, c.detailJSON(detail))
	}
	text, err := json.Marshal(body)
	if err != nil { // a detail that is no JSON, which detailJSON does not make
		panic("transcode: " + err.Error())
	}
	return text
}

// detailJSON is a google.protobuf.Any as JSON. One of a type that the descriptor set lacks is shown as its bytes.
func (c *codec) detailJSON(message []byte) json.RawMessage {
	var detail anypb.Any
	if err := proto.Unmarshal(message, &detail); err == nil {
		options := protojson.MarshalOptions{Resolver: c.marshal.Resolver, AllowPartial: true}
		if text, err := options.Marshal(&detail); err == nil {
			return text
		}
	}
	text, err := json.Marshal(struct {
		Type  string `json:"@type"`
		Value []byte `json:"value"`
	}{detail.GetTypeUrl(), detail.GetValue()})
	if err != nil { // text and bytes are always JSON
		panic("transcode: " + err.Error())
	}
	return text
}
