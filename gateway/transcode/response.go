package transcode

import (
	"encoding/json"
	"strings"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/dynamicpb"
)

// decode reads an answer's message.
func (c *codec) decode(b *Binding, message []byte) (*dynamicpb.Message, error) {
	m := dynamicpb.NewMessage(b.rpc.Output())
	if err := (proto.UnmarshalOptions{Resolver: c.marshal.Resolver}).Unmarshal(message, m); err != nil {
		return nil, statusf(Internal, "the answer of %s is no %s: %v", b.path, b.rpc.Output().FullName(), err)
	}
	return m, nil
}

// appendJSON adds what a client gets of an answer's message: all of it, or the field that
// response_body names.
func (c *codec) appendJSON(dst []byte, b *Binding, m *dynamicpb.Message) ([]byte, error) {
	var err error
	switch field := b.response; {
	case field == nil:
		dst, err = c.marshal.MarshalAppend(dst, m)
	case field.Message() != nil && field.Cardinality() != protoreflect.Repeated:
		if !m.Has(field) {
			return append(dst, "null"...), nil
		}
		dst, err = c.marshal.MarshalAppend(dst, m.Get(field).Message().Interface())
	default:
		dst, err = c.appendField(dst, m, field)
	}
	if err != nil {
		return nil, statusf(Internal, "the answer of %s cannot be JSON: %v", b.path, err)
	}
	return dst, nil
}

// appendField adds the JSON of a list, a map or a single value, which protojson
// has only as part of a message; also if it is empty.
func (c *codec) appendField(dst []byte, m *dynamicpb.Message, field protoreflect.FieldDescriptor) ([]byte, error) {
	alone := dynamicpb.NewMessage(m.Descriptor())
	if m.Has(field) {
		alone.Set(field, m.Get(field))
	}
	options := c.marshal
	options.EmitUnpopulated, options.UseProtoNames, options.AllowPartial = true, false, true
	whole, err := options.Marshal(alone)
	if err != nil {
		return nil, err
	}
	var fields map[string]json.RawMessage
	if err := json.Unmarshal(whole, &fields); err != nil {
		return nil, err
	}
	if fields[field.JSONName()] == nil {
		return append(dst, "null"...), nil // a member of a oneof that is not set
	}
	return append(dst, fields[field.JSONName()]...), nil
}

// A google.api.HttpBody is bytes that pass as they are, with their content type.
const (
	httpBodyContentType protoreflect.FieldNumber = 1
	httpBodyData        protoreflect.FieldNumber = 2
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
		contentType = "application/octet-stream"
	}
	return contentType, m.Get(fields.ByNumber(httpBodyData)).Bytes()
}
