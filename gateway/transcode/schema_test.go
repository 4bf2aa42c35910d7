package transcode

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/types/descriptorpb"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/fieldmaskpb"
	"google.golang.org/protobuf/types/known/structpb"
	"google.golang.org/protobuf/types/known/timestamppb"
	"google.golang.org/protobuf/types/known/wrapperspb"
)

// Descriptor sets are built here in Go, so that no test needs protoc. A message is a list of fields
// "name type", numbered in order; a type is a scalar's, a "repeated" or "required" one, a "oneof" member, or a full name after a dot
// (a message) or after "enum ." (an enum).

func message(name string, fields ...string) *descriptorpb.DescriptorProto {
	m := &descriptorpb.DescriptorProto{Name: &name}
	for i, text := range fields {
		fieldName, kind, _ := strings.Cut(text, " ")
		f := &descriptorpb.FieldDescriptorProto{
			Name: &fieldName, Number: proto.Int32(int32(i + 1)), Label: descriptorpb.FieldDescriptorProto_LABEL_OPTIONAL.Enum(),
		}
		if rest, is := strings.CutPrefix(kind, "repeated "); is {
			kind = rest
			f.Label = descriptorpb.FieldDescriptorProto_LABEL_REPEATED.Enum()
		}
		if rest, is := strings.CutPrefix(kind, "required "); is {
			kind = rest
			f.Label = descriptorpb.FieldDescriptorProto_LABEL_REQUIRED.Enum()
		}
		if rest, is := strings.CutPrefix(kind, "oneof "); is {
			kind = rest
			f.OneofIndex = proto.Int32(0)
			m.OneofDecl = []*descriptorpb.OneofDescriptorProto{{Name: proto.String("choice")}}
		}
		switch rest, isEnum := strings.CutPrefix(kind, "enum "); {
		case isEnum:
			f.Type, f.TypeName = descriptorpb.FieldDescriptorProto_TYPE_ENUM.Enum(), proto.String(rest)
		case strings.HasPrefix(kind, "."):
			f.Type, f.TypeName = descriptorpb.FieldDescriptorProto_TYPE_MESSAGE.Enum(), proto.String(kind)
		default:
			f.Type = descriptorpb.FieldDescriptorProto_Type(descriptorpb.FieldDescriptorProto_Type_value["TYPE_"+strings.ToUpper(kind)]).Enum()
		}
		m.Field = append(m.Field, f)
	}
	return m
}

// stringMap makes a field map<string, string> of a message in package pkg.
func stringMap(pkg string, m *descriptorpb.DescriptorProto, field string) {
	entry := strings.ToUpper(field[:1]) + field[1:] + "Entry"
	e := message(entry, "key string", "value string")
	e.Options = &descriptorpb.MessageOptions{MapEntry: proto.Bool(true)}
	m.NestedType = append(m.NestedType, e)
	m.Field = append(m.Field, &descriptorpb.FieldDescriptorProto{
		Name: &field, Number: proto.Int32(int32(len(m.Field) + 1)), Label: descriptorpb.FieldDescriptorProto_LABEL_REPEATED.Enum(),
		Type: descriptorpb.FieldDescriptorProto_TYPE_MESSAGE.Enum(), TypeName: proto.String("." + pkg + "." + m.GetName() + "." + entry),
	})
}

func enum(name string, values ...string) *descriptorpb.EnumDescriptorProto {
	e := &descriptorpb.EnumDescriptorProto{Name: &name}
	for i, value := range values {
		e.Value = append(e.Value, &descriptorpb.EnumValueDescriptorProto{Name: proto.String(value), Number: proto.Int32(int32(i))})
	}
	return e
}

// method has rules, of which the first is the rule and the others its additional_bindings. streams is "", "server",
// "client" or "both".
func method(name, in, out, streams string, rules ...httpRule) *descriptorpb.MethodDescriptorProto {
	m := &descriptorpb.MethodDescriptorProto{Name: &name, InputType: &in, OutputType: &out}
	if streams == "server" || streams == "both" {
		m.ServerStreaming = proto.Bool(true)
	}
	if streams == "client" || streams == "both" {
		m.ClientStreaming = proto.Bool(true)
	}
	if len(rules) > 0 {
		rules[0].additional = rules[1:]
		m.Options = withRule(rules[0].encode())
	}
	return m
}

func withRule(rule []byte) *descriptorpb.MethodOptions {
	o := new(descriptorpb.MethodOptions)
	o.ProtoReflect().SetUnknown(protowire.AppendBytes(protowire.AppendTag(nil, httpOption, protowire.BytesType), rule))
	return o
}

// encode is the inverse of decode.
func (r httpRule) encode() []byte {
	text := func(b []byte, number protowire.Number, s string) []byte {
		return protowire.AppendString(protowire.AppendTag(b, number, protowire.BytesType), s)
	}
	var b []byte
	known := false
	for number, method := range ruleMethods {
		if method == r.method {
			b, known = text(b, number, r.path), true
		}
	}
	if !known && r.method != "" {
		b = text(b, ruleCustom, string(text(text(nil, customKind, r.method), customPath, r.path)))
	}
	if r.body != "" {
		b = text(b, ruleBody, r.body)
	}
	if r.responseBody != "" {
		b = text(b, ruleResponseBody, r.responseBody)
	}
	for _, other := range r.additional {
		b = text(b, ruleAdditionalBindings, string(other.encode()))
	}
	return b
}

func rule(method, path string) httpRule { return httpRule{method: method, path: path} }

func (r httpRule) withBody(field string) httpRule {
	r.body = field
	return r
}

func (r httpRule) withResponse(field string) httpRule {
	r.responseBody = field
	return r
}

func service(name string, methods ...*descriptorpb.MethodDescriptorProto) *descriptorpb.ServiceDescriptorProto {
	return &descriptorpb.ServiceDescriptorProto{Name: &name, Method: methods}
}

// wellKnown are the files that the test's own file imports.
func wellKnown() []*descriptorpb.FileDescriptorProto {
	return []*descriptorpb.FileDescriptorProto{
		protodesc.ToFileDescriptorProto(timestamppb.File_google_protobuf_timestamp_proto),
		protodesc.ToFileDescriptorProto(durationpb.File_google_protobuf_duration_proto),
		protodesc.ToFileDescriptorProto(fieldmaskpb.File_google_protobuf_field_mask_proto),
		protodesc.ToFileDescriptorProto(wrapperspb.File_google_protobuf_wrappers_proto),
		protodesc.ToFileDescriptorProto(structpb.File_google_protobuf_struct_proto),
		{
			Name: proto.String("google/api/httpbody.proto"), Package: proto.String("google.api"), Syntax: proto.String("proto3"),
			MessageType: []*descriptorpb.DescriptorProto{message("HttpBody", "content_type string", "data bytes")},
		},
	}
}

// testFile is test.v1: messages with every kind of field, and these services.
func testFile(services ...*descriptorpb.ServiceDescriptorProto) *descriptorpb.FileDescriptorProto {
	all := message("All",
		"name string", "i32 int32", "i64 int64", "u32 uint32", "u64 uint64", "s64 sint64", "f64 fixed64", "flag bool",
		"real double", "small_real float", "raw bytes", "kind enum .test.v1.Kind", "sub .test.v1.Sub",
		"tags repeated string", "numbers repeated int64", "kinds repeated enum .test.v1.Kind", "subs repeated .test.v1.Sub",
		"at .google.protobuf.Timestamp", "wait .google.protobuf.Duration", "mask .google.protobuf.FieldMask",
		"text .google.protobuf.StringValue", "wide .google.protobuf.Int64Value", "sure .google.protobuf.BoolValue",
		"left oneof string", "right oneof string", "any_json .google.protobuf.Struct", "moments repeated .google.protobuf.Timestamp",
		"file .google.api.HttpBody",
	)
	stringMap("test.v1", all, "labels")
	f := &descriptorpb.FileDescriptorProto{
		Name: proto.String("test.proto"), Package: proto.String("test.v1"), Syntax: proto.String("proto3"),
		MessageType: []*descriptorpb.DescriptorProto{
			all,
			message("Sub", "subfield string", "big int64", "sub .test.v1.Sub"),
			message("Detail", "reason string"),
		},
		EnumType: []*descriptorpb.EnumDescriptorProto{enum("Kind", "KIND_UNSPECIFIED", "SMALL", "LARGE")},
		Service:  services,
	}
	for _, known := range wellKnown() {
		f.Dependency = append(f.Dependency, known.GetName())
	}
	return f
}

// encodeSet is a descriptor set as it is in a file.
func encodeSet(t testing.TB, files ...*descriptorpb.FileDescriptorProto) []byte {
	t.Helper()
	set, err := proto.Marshal(&descriptorpb.FileDescriptorSet{File: append(wellKnown(), files...)})
	require.NoError(t, err)
	return set
}

// load makes rules of methods of the one service test.v1.Test.
func load(t testing.TB, methods ...*descriptorpb.MethodDescriptorProto) (*Services, *Rules) {
	t.Helper()
	services, err := Load(encodeSet(t, testFile(service("Test", methods...))))
	require.NoError(t, err)
	rules, err := services.Rules("test.v1.Test")
	require.NoError(t, err)
	return services, rules
}

const allType, subType, httpBodyType = ".test.v1.All", ".test.v1.Sub", ".google.api.HttpBody"
