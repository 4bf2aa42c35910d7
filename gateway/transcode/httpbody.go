package transcode

import (
	"io"
	"net/http"
	"strings"

	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/dynamicpb"
)

// A google.api.HttpBody is bytes that pass as they are, with their content type: files, pictures, pages.
//
//	message HttpBody { string content_type = 1; bytes data = 2; }
const (
	httpBodyContentType protoreflect.FieldNumber = 1
	httpBodyData        protoreflect.FieldNumber = 2

	defaultContentType = "application/octet-stream"
)

func isHTTPBody(message protoreflect.MessageDescriptor) bool {
	return message != nil && message.FullName() == "google.api.HttpBody" &&
		kindOf(message, httpBodyContentType) == protoreflect.StringKind && kindOf(message, httpBodyData) == protoreflect.BytesKind
}

func kindOf(message protoreflect.MessageDescriptor, number protoreflect.FieldNumber) protoreflect.Kind {
	field := message.Fields().ByNumber(number)
	if field == nil || field.IsList() {
		return 0
	}
	return field.Kind()
}

// setHTTPBody takes a copy of data.
func setHTTPBody(m protoreflect.Message, contentType string, data []byte) {
	fields := m.Descriptor().Fields()
	m.Set(fields.ByNumber(httpBodyContentType), protoreflect.ValueOfString(strings.ToValidUTF8(contentType, "")))
	m.Set(fields.ByNumber(httpBodyData), protoreflect.ValueOfBytes(append([]byte{}, data...)))
}

// takesRawBody tells whether the body is not JSON: a google.api.HttpBody is the bytes as they come.
func (b *Binding) takesRawBody() bool {
	if b.whole {
		return isHTTPBody(b.rpc.Input())
	}
	return b.body != nil && b.body.Cardinality() != protoreflect.Repeated && isHTTPBody(b.body.Message())
}

// rawAnswer finds the HttpBody that an answer is, or that response_body names.
func (b *Binding) rawAnswer() bool {
	if b.response == nil {
		return isHTTPBody(b.rpc.Output())
	}
	return b.response.Cardinality() != protoreflect.Repeated && isHTTPBody(b.response.Message())
}

// httpBody takes an HttpBody out of an answer that rawAnswer says has one.
func (b *Binding) httpBody(answer *dynamicpb.Message) (contentType string, data []byte) {
	m := answer.ProtoReflect()
	if b.response != nil {
		m = m.Get(b.response).Message()
	}
	fields := m.Descriptor().Fields()
	contentType = m.Get(fields.ByNumber(httpBodyContentType)).String()
	if contentType == "" {
		contentType = defaultContentType
	}
	return contentType, m.Get(fields.ByNumber(httpBodyData)).Bytes()
}

// A rawBody is the body of an answer that is a stream of HttpBodies: their data, one behind the other.
type rawBody struct {
	codec   *codec
	binding *Binding
	answer  *answer
	out     []byte
	err     error
}

// next takes the next message. The error is io.EOF at a good end.
func (r *rawBody) next() (contentType string, err error) {
	message, err := r.answer.frames.next()
	if err == io.EOF {
		if end := r.answer.end(); end.code != OK {
			return "", end
		}
	}
	if err != nil {
		return "", err
	}
	m, err := r.codec.decode(r.binding, message)
	if err != nil {
		return "", err
	}
	contentType, r.out = r.binding.httpBody(m)
	return contentType, nil
}

// Read ends with an error if the call does, so that the client's answer breaks off (P7): there is no
// place for a message among bytes that may be anything.
func (r *rawBody) Read(p []byte) (int, error) {
	for len(r.out) == 0 && r.err == nil {
		_, r.err = r.next()
	}
	n := copy(p, r.out)
	r.out = r.out[n:]
	if n > 0 || len(p) == 0 {
		return n, nil
	}
	return 0, r.err
}

// Close ends the call, if it is not over yet.
func (r *rawBody) Close() error { return r.answer.body.Close() }

// raw waits for the first message of a stream, which has the content type.
func (f *filter) raw(a *answer, c *call) {
	body := &rawBody{codec: f.codec, binding: c.binding, answer: a}
	contentType, err := body.next()
	if err == io.EOF {
		contentType, body.err = defaultContentType, err
	} else if err != nil {
		f.fail(a.response, endedBy(err))
		return
	}
	a.response.Header.Set("Content-Type", contentType)
	a.response.ContentLength = -1
	a.response.Body = body
	if c.head {
		body.Close()
		a.response.Body = http.NoBody
	}
}
