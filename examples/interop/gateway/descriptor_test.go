package gateway_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
	"google.golang.org/genproto/googleapis/api/annotations"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/descriptorpb"

	"github.com/flagship-go/flagship/examples/apigateway/upstreams"
)

func parseSet(t *testing.T, data []byte) *descriptorpb.FileDescriptorSet {
	t.Helper()
	set := new(descriptorpb.FileDescriptorSet)
	require.NoError(t, proto.Unmarshal(data, set))
	return set
}

// library.pb is in the repository, so that nobody needs protoc; this says when it is out of date. What protoc
// itself brings (google/protobuf/descriptor.proto) differs from version to version.
func TestLibraryIsWhatProtocMakesOfItsProto(t *testing.T) {
	protoc := program(t, "protoc")
	dir := filepath.Join("..", "..", "apigateway", "upstreams", "proto")
	out := filepath.Join(t.TempDir(), "library.pb")
	run(t, protoc, "-I"+dir, "--include_imports", "--descriptor_set_out="+out, filepath.Join(dir, "library.proto"))
	made, err := os.ReadFile(out)
	require.NoError(t, err)
	want := map[string]*descriptorpb.FileDescriptorProto{}
	for _, f := range parseSet(t, made).File {
		want[f.GetName()] = f
	}
	for _, f := range parseSet(t, upstreams.Descriptors).File {
		if f.GetName() != "google/protobuf/descriptor.proto" {
			require.True(t, proto.Equal(want[f.GetName()], f), "%s has changed: run the command that is in library.proto", f.GetName())
		}
	}
}

// The rules are those of the real google.api.http, which genproto has.
func TestRulesAreReadByGenproto(t *testing.T) {
	rules := map[string]*annotations.HttpRule{}
	for _, f := range parseSet(t, upstreams.Descriptors).File {
		for _, s := range f.GetService() {
			for _, m := range s.GetMethod() {
				if proto.HasExtension(m.GetOptions(), annotations.E_Http) {
					rules[m.GetName()] = proto.GetExtension(m.GetOptions(), annotations.E_Http).(*annotations.HttpRule)
				}
			}
		}
	}
	require.Len(t, rules, 4)
	require.Equal(t, "/v1/{name=shelves/*/books/*}", rules["GetBook"].GetGet())
	require.Equal(t, "/v1/books", rules["ListBooks"].GetAdditionalBindings()[0].GetGet())
	require.Equal(t, "/v1/{parent=shelves/*}/books", rules["CreateBook"].GetPost())
	require.Equal(t, "book", rules["CreateBook"].GetBody())
}
