package transcode

import (
	"encoding/json"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/dynamicpb"
)

// decode reads an answer's message.
func (c *codec) decode(b *Binding, message []byte) (*dynamicpb.Message, error) {
	m := dynamicpb.NewMessage(b.rpc.Output())
	// Partial: what the service holds to be complete is not for us to judge.
	options := proto.UnmarshalOptions{Resolver: c.marshal.Resolver, AllowPartial: true}
	if err := options.Unmarshal(message, m); err != nil {
		return nil, statusf(Internal, "the answer of %s is no %s: %s", b.path, b.rpc.Output().FullName(), protoText(err))
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
		return nil, statusf(Internal, "the answer of %s cannot be JSON: %s", b.path, protoText(err))
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
