package upstreams

import (
	"bytes"
	"encoding/binary"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/dynamicpb"
)

// call sends bytes to a method of a library, and returns the answer's messages and its status.
func call(t *testing.T, address, method string, body io.Reader) (answers []*dynamicpb.Message, status, message string) {
	t.Helper()
	h2c := &http.Transport{Protocols: new(http.Protocols)}
	h2c.Protocols.SetUnencryptedHTTP2(true)
	defer h2c.CloseIdleConnections()
	q, err := http.NewRequest("POST", "http://"+address+"/library.v1.Library/"+method, body)
	require.NoError(t, err)
	q.Header.Set("Content-Type", "application/grpc")
	r, err := h2c.RoundTrip(q)
	require.NoError(t, err)
	defer r.Body.Close()
	require.Equal(t, http.StatusOK, r.StatusCode)
	service, err := Service()
	require.NoError(t, err)
	for {
		d := service.Methods().ByName(protoreflect.Name(method))
		if d == nil {
			d = service.Methods().Get(0)
		}
		m := dynamicpb.NewMessage(d.Output())
		if err := readFrame(r.Body, m); err != nil {
			require.Equal(t, io.EOF, err)
			break
		}
		answers = append(answers, m)
	}
	get := func(name string) string { return r.Header.Get(name) + r.Trailer.Get(name) }
	return answers, get("Grpc-Status"), get("Grpc-Message")
}

// request is a framed request with fields.
func request(t *testing.T, method string, fields map[string]any) *bytes.Buffer {
	t.Helper()
	service, err := Service()
	require.NoError(t, err)
	m := dynamicpb.NewMessage(service.Methods().ByName(protoreflect.Name(method)).Input())
	for name, value := range fields {
		set(m, name, value)
	}
	var b bytes.Buffer
	require.NoError(t, writeFrame(&b, m))
	return &b
}

func TestLibraryAnswersEachCallWithAStatus(t *testing.T) {
	s, err := Start(0)
	require.NoError(t, err)
	defer func() { require.NoError(t, s.Close(t.Context())) }()
	address := s.Addresses[2]

	answers, status, _ := call(t, address, "GetBook", request(t, "GetBook", map[string]any{"name": "shelves/2/books/1"}))
	require.Equal(t, "0", status)
	require.Equal(t, "Der Prozess", read(answers[0]).Title)

	answers, status, _ = call(t, address, "WatchBooks", request(t, "WatchBooks", map[string]any{"parent": "shelves/1", "limit": int32(2)}))
	require.Equal(t, "0", status)
	require.Len(t, answers, 2)

	large := binary.BigEndian.AppendUint32([]byte{0}, maxMessage+1)
	for name, c := range map[string]struct {
		method string
		body   io.Reader
		status string
		says   string
	}{
		"no such book":    {"GetBook", request(t, "GetBook", nil), "5", "no%20book"},
		"no such method":  {"BurnBook", request(t, "GetBook", nil), "12", "BurnBook"},
		"no title":        {"CreateBook", request(t, "CreateBook", map[string]any{"parent": "shelves/1"}), "3", "title"},
		"a negative size": {"ListBooks", request(t, "ListBooks", map[string]any{"page_size": int32(-1)}), "3", "page_size"},
		"no request":      {"GetBook", strings.NewReader(""), "13", "missing"},
		"cut off":         {"GetBook", strings.NewReader("\x00\x00\x00\x00\x09abc"), "13", "unexpected"},
		"compressed":      {"GetBook", strings.NewReader("\x01\x00\x00\x00\x00"), "12", "compressed"},
		"too large":       {"GetBook", bytes.NewReader(large), "8", "allowed"},
	} {
		_, status, message := call(t, address, c.method, c.body)
		require.Equal(t, c.status, status, name)
		require.Contains(t, message, c.says, name)
	}
}

// A watcher is told of a book when it comes, not when somebody asks again.
func TestWatchersHearOfNewBooks(t *testing.T) {
	s, err := Start(0)
	require.NoError(t, err)
	defer func() { require.NoError(t, s.Close(t.Context())) }()
	seen := make(chan int)
	go func() {
		answers, _, _ := call(t, s.Addresses[2], "WatchBooks", request(t, "WatchBooks", map[string]any{"parent": "shelves/2", "limit": int32(2)}))
		seen <- len(answers)
	}()
	service, err := Service()
	require.NoError(t, err)
	m := dynamicpb.NewMessage(service.Methods().ByName("CreateBook").Input())
	set(m, "parent", "shelves/2")
	(&Book{Title: "Das Schloss"}).write(m.Mutable(m.Descriptor().Fields().ByName("book")).Message())
	var create bytes.Buffer
	require.NoError(t, writeFrame(&create, m))
	_, status, message := call(t, s.Addresses[2], "CreateBook", &create)
	require.Equal(t, "0", status, message)
	require.Equal(t, 2, <-seen)
}
