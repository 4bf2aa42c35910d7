package transcode_test

import (
	"fmt"
	"log"

	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/descriptorpb"

	"github.com/flagship-go/flagship/gateway/transcode"
)

// A descriptor set is what protoc makes of this:
//
//	package library.v1;
//	message Shelf { string name = 1; }
//	service Library {
//	  rpc GetShelf(Shelf) returns (Shelf) {
//	    option (google.api.http) = { get: "/v1/{name=shelves/*}" };
//	  }
//	}
//
// Its rules say which request is which call.
func Example() {
	services, err := transcode.Load(descriptorSet())
	if err != nil {
		log.Fatal(err)
	}
	rules, err := services.Rules("library.v1.Library")
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(rules.Match("GET", "/v1/shelves/7"))
	fmt.Println(rules.Match("GET", "/v1/books/7"))
	fmt.Println(rules.Allowed("/v1/shelves/7"))

	_, err = services.Rules("library.v1.Librarian")
	fmt.Println(err)
	// Output:
	// GET /v1/{name=shelves/*} -> /library.v1.Library/GetShelf
	// <nil>
	// [GET]
	// transcode: no service "library.v1.Librarian" in the descriptor set, which has library.v1.Library
}

// descriptorSet does without protoc. In a program it is read from a file.
func descriptorSet() []byte {
	// HttpRule has get as field 2, and is extension 72295728 of a method's options.
	rule := protowire.AppendString(protowire.AppendTag(nil, 2, protowire.BytesType), "/v1/{name=shelves/*}")
	options := new(descriptorpb.MethodOptions)
	options.ProtoReflect().SetUnknown(protowire.AppendBytes(protowire.AppendTag(nil, 72295728, protowire.BytesType), rule))

	file := &descriptorpb.FileDescriptorProto{
		Name: proto.String("library.proto"), Package: proto.String("library.v1"), Syntax: proto.String("proto3"),
		MessageType: []*descriptorpb.DescriptorProto{{
			Name: proto.String("Shelf"),
			Field: []*descriptorpb.FieldDescriptorProto{{
				Name: proto.String("name"), Number: proto.Int32(1),
				Type:  descriptorpb.FieldDescriptorProto_TYPE_STRING.Enum(),
				Label: descriptorpb.FieldDescriptorProto_LABEL_OPTIONAL.Enum(),
			}},
		}},
		Service: []*descriptorpb.ServiceDescriptorProto{{
			Name: proto.String("Library"),
			Method: []*descriptorpb.MethodDescriptorProto{{
				Name: proto.String("GetShelf"), InputType: proto.String(".library.v1.Shelf"), OutputType: proto.String(".library.v1.Shelf"),
				Options: options,
			}},
		}},
	}
	set, err := proto.Marshal(&descriptorpb.FileDescriptorSet{File: []*descriptorpb.FileDescriptorProto{file}})
	if err != nil {
		log.Fatal(err)
	}
	return set
}
