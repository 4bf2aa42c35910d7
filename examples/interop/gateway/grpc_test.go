package gateway_test

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/dynamicpb"

	"github.com/flagship-go/flagship/examples/apigateway/upstreams"
)

// startGRPC is a gateway in front of a grpc-go server: gRPC as it is, and JSON below /v1.
func startGRPC(t *testing.T, upstream string) *server {
	set := filepath.Join(t.TempDir(), "library.pb")
	require.NoError(t, os.WriteFile(set, upstreams.Descriptors, 0o644))
	return start(t, fmt.Sprintf(`
		grpc: PathSubtree("/library.v1.Library") -> backendProtocol("h2c") -> "http://%[1]s";
		json: PathSubtree("/v1") -> grpcTranscode("%[2]s", "library.v1.Library") -> "http://%[1]s";`, upstream, filepath.ToSlash(set)))
}

func TestGRPCGoServesWhoSpeaksJSON(t *testing.T) {
	s := startGRPC(t, serveLibrary(t))
	at := "http://" + s.address
	for _, c := range []struct {
		request, body string
		status        int
		answer        string
	}{
		{"GET " + at + "/v1/shelves/1/books/2", "", 200, `{"name":"shelves/1/books/2"}`},
		{"GET " + at + "/v1/shelves/0/books/1", "", 404, `{"code":5,"message":"there is no such book: 100 % sicher, größer\n"}`},
		{"POST " + at + "/v1/shelves/3/books", `{"title":"Ä \"quoted\" title"}`, 200, `{"name":"shelves/3/books/1","title":"Ä \"quoted\" title"}`},
		{"GET " + at + "/v1/shelves/3/books", "", 501, `{"code":12,"message":"unknown method ListBooks for service library.v1.Library"}`},
		{"GET " + at + "/v1/shelves/1/books:watch?limit=3", "", 200, `{"name":"shelves/1/books/1"}` + "\n" + `{"name":"shelves/1/books/2"}` + "\n" + `{"name":"shelves/1/books/3"}` + "\n"},
		{"GET " + at + "/v1/shelves/9/books:watch?limit=9", "", 200, `{"name":"shelves/9/books/1"}` + "\n" + `{"name":"shelves/9/books/2"}` + "\n" + `{"error":{"code":15,"message":"the shelf has fallen down"}}` + "\n"},
	} {
		code, answer := do(t, c.request, c.body)
		require.Equal(t, c.status, code, "%s: %s", c.request, answer)
		// protojson puts a space here or there, so that nobody gets used to its bytes.
		want, got := strings.Split(c.answer, "\n"), strings.Split(answer, "\n")
		require.Len(t, got, len(want), "%s: %s", c.request, answer)
		for i := range want {
			if want[i] != got[i] {
				require.JSONEq(t, want[i], got[i], c.request)
			}
		}
	}
	_, events := do(t, "GET "+at+"/v1/shelves/1/books:watch?limit=2", "", "Accept", "text/event-stream")
	require.Equal(t, 2, strings.Count(events, "data: {"), events)
}

// conversation is a grpc-go client's.
type conversation struct {
	t    *testing.T
	conn *grpc.ClientConn
	all  protoreflect.MethodDescriptors
}

func dial(t *testing.T, address string) *conversation {
	conn, err := grpc.NewClient(address, grpc.WithTransportCredentials(insecure.NewCredentials()))
	require.NoError(t, err)
	t.Cleanup(func() { conn.Close() })
	return &conversation{t, conn, methods(t)}
}

func (c *conversation) request(method string, fields ...string) *dynamicpb.Message {
	m := dynamicpb.NewMessage(c.all.ByName(protoreflect.Name(method)).Input())
	for i := 0; i < len(fields); i += 2 {
		setText(m, fields[i], fields[i+1])
	}
	return m
}

func (c *conversation) answer(method string) *dynamicpb.Message {
	return dynamicpb.NewMessage(c.all.ByName(protoreflect.Name(method)).Output())
}

func (c *conversation) getBook(ctx context.Context, name string, o ...grpc.CallOption) (*dynamicpb.Message, error) {
	m := c.answer("GetBook")
	return m, c.conn.Invoke(ctx, "/library.v1.Library/GetBook", c.request("GetBook", "name", name), m, o...)
}

func (c *conversation) stream(ctx context.Context, method string, client bool, o ...grpc.CallOption) grpc.ClientStream {
	c.t.Helper()
	s, err := c.conn.NewStream(ctx, &grpc.StreamDesc{ServerStreams: true, ClientStreams: client}, "/library.v1.Library/"+method, o...)
	require.NoError(c.t, err)
	return s
}

func TestGRPCGoTalksToGRPCGo(t *testing.T) {
	s := startGRPC(t, serveLibrary(t))
	c := dial(t, s.address)
	ctx := metadata.AppendToOutgoingContext(t.Context(), "x-title", "one", "x-title", "two")
	var header, trailer metadata.MD
	book, err := c.getBook(ctx, "shelves/1/books/1", grpc.Header(&header), grpc.Trailer(&trailer))
	require.NoError(t, err)
	require.Equal(t, "shelves/1/books/1 one,two", text(book, "name")+" "+text(book, "title"))
	require.Equal(t, []string{"early"}, header.Get("x-header"))
	require.Equal(t, []string{"late"}, trailer.Get("x-trailer"))
	require.Equal(t, []string{"\x00\xff"}, trailer.Get("x-data-bin"))

	_, err = c.getBook(ctx, "shelves/0/books/1")
	require.Equal(t, status.New(codes.NotFound, gone).Proto().String(), status.Convert(err).Proto().String())

	// The service is told of the deadline, and cancels the stream when it is over: on a busy machine its word may come
	// before the client has looked at its own clock, and then the gateway has no answer.
	for range 10 {
		short, cancel := context.WithTimeout(ctx, 50*time.Millisecond)
		_, err = c.getBook(short, "shelves/8/books/1")
		cancel()
		if status.Code(err) != codes.Unavailable {
			break
		}
	}
	require.Equal(t, codes.DeadlineExceeded, status.Code(err), "%v", err)

	long := strings.Repeat("A long title. ", 80_000) // a MB and more, compressed
	created := c.answer("CreateBook")
	q := c.request("CreateBook", "parent", "shelves/2")
	setText(q.Mutable(q.Descriptor().Fields().ByName("book")).Message().Interface().(*dynamicpb.Message), "title", long)
	require.NoError(t, c.conn.Invoke(ctx, "/library.v1.Library/CreateBook", q, created, grpc.UseCompressor("gzip")))
	require.Equal(t, long, text(created, "title"))
}

// Both sides in turn: a proxy that keeps anything back would wait for ever.
func TestGRPCGoStreamsBothWays(t *testing.T) {
	for name, upstream := range map[string]func(s *server) string{
		"grpc-go":  func(*server) string { return serveLibrary(t) },
		"net/http": func(s *server) string { return s.library },
	} {
		t.Run(name, func(t *testing.T) {
			own := start(t, "")
			s := startGRPC(t, upstream(own))
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			c := dial(t, s.address)
			stream := c.stream(ctx, "Translate", true)
			for i := range 100 {
				require.NoError(t, stream.SendMsg(c.request("Translate", "title", fmt.Sprintf("title %d", i))))
				m := c.answer("Translate")
				require.NoError(t, stream.RecvMsg(m))
				require.Equal(t, fmt.Sprintf("TITLE %d", i), text(m, "title"))
			}
			require.NoError(t, stream.CloseSend())
			require.Equal(t, io.EOF, stream.RecvMsg(c.answer("Translate")))

			book, err := c.getBook(ctx, "shelves/1/books/1")
			require.NoError(t, err)
			require.Equal(t, "shelves/1/books/1", text(book, "name"))
			_, err = c.getBook(ctx, "shelves/0/books/1")
			require.Equal(t, codes.NotFound, status.Code(err), "%v", err)
			err = c.conn.Invoke(ctx, "/library.v1.Library/BurnBook", c.request("GetBook"), c.answer("GetBook"))
			require.Equal(t, codes.Unimplemented, status.Code(err), "%v", err)
		})
	}
}

// A client that goes away ends the call at the server too.
func TestGRPCGoServerHearsThatAClientHasGone(t *testing.T) {
	s := startGRPC(t, serveLibrary(t))
	c := dial(t, s.address)
	ctx, cancel := context.WithCancel(t.Context())
	stream := c.stream(ctx, "Translate", true)
	require.NoError(t, stream.SendMsg(c.request("Translate", "title", "x")))
	require.NoError(t, stream.RecvMsg(c.answer("Translate")))
	inFlight := func() bool {
		_, metrics := do(t, "GET http://"+s.support+"/metrics", "")
		return strings.Contains(metrics, "\ngateway_requests_in_flight 1\n")
	}
	require.True(t, inFlight())
	cancel()
	eventually(t, "the gateway has let go of the call", func() bool { return !inFlight() })
	require.Equal(t, codes.Canceled, status.Code(stream.RecvMsg(c.answer("Translate"))))
}
