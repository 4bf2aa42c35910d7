package upstreams

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/descriptorpb"
	"google.golang.org/protobuf/types/dynamicpb"
)

// Descriptors is what protoc has made of proto/library.proto: a FileDescriptorSet.
//
//go:embed library.pb
var Descriptors []byte

// The codes of gRPC that the library uses.
const (
	InvalidArgument   = 3
	NotFound          = 5
	ResourceExhausted = 8
	Unimplemented     = 12
	Internal          = 13
)

// A Status is how a call ended that did not go well.
type Status struct {
	Code    int
	Message string
}

// Error is the message.
func (s *Status) Error() string { return s.Message }

// Library is the gRPC service library.v1.Library over net/http. Nothing is generated: its messages are
// those that Descriptors describe, and their fields are found by name.
type Library struct {
	service protoreflect.ServiceDescriptor

	mu    sync.Mutex
	books []*Book
	more  chan struct{} // closed, and made anew, when there is another book
}

// Book is one of the library's.
type Book struct {
	Name, Title string
	Pages       int64
	Language    protoreflect.EnumNumber
	Tags        []string
}

// maxBooks bounds what strangers can put into the memory of an example.
const maxBooks = 10_000

// Service is the descriptor of library.v1.Library.
func Service() (protoreflect.ServiceDescriptor, error) {
	var set descriptorpb.FileDescriptorSet
	if err := proto.Unmarshal(Descriptors, &set); err != nil {
		return nil, fmt.Errorf("library.pb: %w", err)
	}
	files, err := protodesc.NewFiles(&set)
	if err != nil {
		return nil, fmt.Errorf("library.pb: %w", err)
	}
	d, err := files.FindDescriptorByName("library.v1.Library")
	if err != nil {
		return nil, fmt.Errorf("library.pb: %w", err)
	}
	return d.(protoreflect.ServiceDescriptor), nil
}

// NewLibrary makes a library with three books.
func NewLibrary() (*Library, error) {
	service, err := Service()
	if err != nil {
		return nil, err
	}
	return &Library{service: service, more: make(chan struct{}), books: []*Book{
		{"shelves/1/books/1", "The Mythical Man-Month", 322, 1, []string{"projects"}},
		{"shelves/1/books/2", "The Practice of Programming", 267, 1, []string{"style", "C"}},
		{"shelves/2/books/1", "Der Prozess", 280, 2, nil},
	}}, nil
}

// A stream is one call: messages come and go until its method returns.
type stream struct {
	ctx     context.Context
	receive func() (*dynamicpb.Message, error) // io.EOF: the client sends no more
	send    func(*dynamicpb.Message) error
	answer  func() *dynamicpb.Message // an empty one
}

// ServeHTTP takes a call. The HTTP status is 200 whatever happens: how it went is in the trailer.
func (l *Library) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if !strings.HasPrefix(r.Header.Get("Content-Type"), "application/grpc") || r.Method != http.MethodPost {
		http.Error(w, "this is a gRPC server", http.StatusUnsupportedMediaType)
		return
	}
	w.Header().Set("Content-Type", "application/grpc")
	err := l.call(w, r)
	code, message := 0, ""
	if status := (*Status)(nil); errors.As(err, &status) {
		code, message = status.Code, status.Message
	} else if err != nil {
		code, message = Internal, err.Error()
	}
	w.Header().Set(http.TrailerPrefix+"Grpc-Status", strconv.Itoa(code))
	if message != "" {
		w.Header().Set(http.TrailerPrefix+"Grpc-Message", url.PathEscape(message))
	}
}

func (l *Library) call(w http.ResponseWriter, r *http.Request) error {
	name := strings.TrimPrefix(r.URL.Path, "/"+string(l.service.FullName())+"/")
	method := l.service.Methods().ByName(protoreflect.Name(name))
	do := map[string]func(stream) error{
		"GetBook": l.get, "ListBooks": l.list, "CreateBook": l.create, "WatchBooks": l.watch, "Translate": l.translate,
	}[name]
	if method == nil || do == nil {
		return &Status{Unimplemented, "there is no method " + r.URL.Path}
	}
	flow := http.NewResponseController(w)
	return do(stream{
		ctx: r.Context(),
		receive: func() (*dynamicpb.Message, error) {
			m := dynamicpb.NewMessage(method.Input())
			return m, readFrame(r.Body, m)
		},
		send: func(m *dynamicpb.Message) error {
			if err := writeFrame(w, m); err != nil {
				return err
			}
			return flow.Flush()
		},
		answer: func() *dynamicpb.Message { return dynamicpb.NewMessage(method.Output()) },
	})
}

// field is a message's value by its name.
func field(m protoreflect.Message, name string) protoreflect.Value {
	return m.Get(m.Descriptor().Fields().ByName(protoreflect.Name(name)))
}

func set(m protoreflect.Message, name string, value any) {
	m.Set(m.Descriptor().Fields().ByName(protoreflect.Name(name)), protoreflect.ValueOf(value))
}

// write puts a book into a message library.v1.Book.
func (b *Book) write(m protoreflect.Message) {
	set(m, "name", b.Name)
	set(m, "title", b.Title)
	set(m, "pages", b.Pages)
	set(m, "language", b.Language)
	tags := m.Mutable(m.Descriptor().Fields().ByName("tags")).List()
	for _, tag := range b.Tags {
		tags.Append(protoreflect.ValueOf(tag))
	}
}

// read is the inverse of write.
func read(m protoreflect.Message) *Book {
	b := &Book{
		Name: field(m, "name").String(), Title: field(m, "title").String(),
		Pages: field(m, "pages").Int(), Language: field(m, "language").Enum(),
	}
	tags := field(m, "tags").List()
	for i := range tags.Len() {
		b.Tags = append(b.Tags, tags.Get(i).String())
	}
	return b
}

// ask receives the one request of a call that is no stream.
func (s stream) ask() (protoreflect.Message, error) {
	m, err := s.receive()
	if errors.Is(err, io.EOF) {
		return nil, &Status{Internal, "the request is missing"}
	}
	return m, err
}

func (s stream) sendBook(b *Book) error {
	m := s.answer()
	b.write(m)
	return s.send(m)
}
