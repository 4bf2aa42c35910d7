package gateway_test

import (
	"context"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	_ "google.golang.org/grpc/encoding/gzip"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/dynamicpb"

	"github.com/flagship-go/flagship/examples/apigateway/upstreams"
)

// The library as grpc-go serves it. Messages are dynamic, so that nothing is generated.

// methods are those of library.v1.Library.
func methods(t testing.TB) protoreflect.MethodDescriptors {
	t.Helper()
	service, err := upstreams.Service()
	require.NoError(t, err)
	return service.Methods()
}

func setText(m *dynamicpb.Message, field, text string) {
	m.Set(m.Descriptor().Fields().ByName(protoreflect.Name(field)), protoreflect.ValueOf(text))
}

func text(m *dynamicpb.Message, field string) string {
	return m.Get(m.Descriptor().Fields().ByName(protoreflect.Name(field))).String()
}

func number(m *dynamicpb.Message, field string) int64 {
	return m.Get(m.Descriptor().Fields().ByName(protoreflect.Name(field))).Int()
}

// gone is the message of a status with everything that has to be escaped on its way.
const gone = "there is no such book: 100 % sicher, größer\n"

// serveLibrary starts a grpc-go server. Its books are called as they are asked for; shelves/0 has none, and on shelves/9 the
// third breaks the stream.
func serveLibrary(t *testing.T) string {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	all := methods(t)
	in := func(name string, decode func(any) error) (*dynamicpb.Message, error) {
		m := dynamicpb.NewMessage(all.ByName(protoreflect.Name(name)).Input())
		return m, decode(m)
	}
	book := func(name, title string) *dynamicpb.Message {
		m := dynamicpb.NewMessage(all.ByName("GetBook").Output())
		setText(m, "name", name)
		setText(m, "title", title)
		return m
	}
	getBook := func(_ any, ctx context.Context, decode func(any) error, _ grpc.UnaryServerInterceptor) (any, error) {
		m, err := in("GetBook", decode)
		if err != nil {
			return nil, err
		}
		if strings.HasPrefix(text(m, "name"), "shelves/0/") {
			return nil, status.Error(codes.NotFound, gone)
		}
		if strings.HasPrefix(text(m, "name"), "shelves/8/") {
			<-ctx.Done()
			return nil, ctx.Err()
		}
		md, _ := metadata.FromIncomingContext(ctx)
		grpc.SetHeader(ctx, metadata.Pairs("x-header", "early"))
		grpc.SetTrailer(ctx, metadata.Pairs("x-trailer", "late", "x-data-bin", "\x00\xff"))
		return book(text(m, "name"), strings.Join(md.Get("x-title"), ",")), nil
	}
	createBook := func(_ any, _ context.Context, decode func(any) error, _ grpc.UnaryServerInterceptor) (any, error) {
		m, err := in("CreateBook", decode)
		if err != nil {
			return nil, err
		}
		given := m.Get(m.Descriptor().Fields().ByName("book")).Message().Interface().(*dynamicpb.Message)
		return book(text(m, "parent")+"/books/1", text(given, "title")), nil
	}
	watch := func(_ any, s grpc.ServerStream) error {
		m, err := in("WatchBooks", s.RecvMsg)
		if err != nil {
			return err
		}
		for i := range number(m, "limit") {
			if i == 2 && text(m, "parent") == "shelves/9" {
				return status.Error(codes.DataLoss, "the shelf has fallen down")
			}
			if err := s.SendMsg(book(fmt.Sprintf("%s/books/%d", text(m, "parent"), i+1), "")); err != nil {
				return err
			}
		}
		return nil
	}
	translate := func(_ any, s grpc.ServerStream) error {
		for {
			m, err := in("Translate", s.RecvMsg)
			if err == io.EOF {
				return nil
			}
			if err != nil {
				return err
			}
			if err := s.SendMsg(book(text(m, "name"), strings.ToUpper(text(m, "title")))); err != nil {
				return err
			}
		}
	}
	g := grpc.NewServer()
	g.RegisterService(&grpc.ServiceDesc{
		ServiceName: "library.v1.Library", HandlerType: (*any)(nil),
		Methods: []grpc.MethodDesc{{MethodName: "GetBook", Handler: getBook}, {MethodName: "CreateBook", Handler: createBook}},
		Streams: []grpc.StreamDesc{{StreamName: "WatchBooks", Handler: watch, ServerStreams: true},
			{StreamName: "Translate", Handler: translate, ServerStreams: true, ClientStreams: true}},
	}, nil)
	done := make(chan struct{})
	go func() {
		defer close(done)
		g.Serve(l)
	}()
	t.Cleanup(func() {
		g.Stop()
		<-done
	})
	return l.Addr().String()
}
