package transcode

import (
	"testing"

	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/descriptorpb"
)

func TestBrokenDescriptorSetsAreRefusedByWhatIsWrong(t *testing.T) {
	dangling := testFile(service("Test", method("Get", ".test.v1.Missing", allType, "")))
	cases := map[string]struct {
		set  []byte
		want string
	}{
		"not protobuf":   {[]byte("routes: Path(\"/\")"), "this is no descriptor set (protoc --include_imports"},
		"cut off":        {encodeSet(t, testFile(service("Test")))[:3000], "this is no descriptor set"},
		"empty":          {nil, "it is empty"},
		"no service":     {encodeSet(t, testFile()), "no service in its 7 files"},
		"missing import": {marshal(t, &descriptorpb.FileDescriptorSet{File: []*descriptorpb.FileDescriptorProto{testFile(service("Test"))}}), "test.proto imports google/protobuf/duration.proto, which is not in the set: make it with protoc --include_imports"},
		"missing type":   {encodeSet(t, dangling), "test.v1.Missing"},
		"file twice":     {encodeSet(t, testFile(service("Test")), testFile(service("Test"))), "test.proto"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			_, err := Load(c.set)
			require.ErrorContains(t, err, c.want)
		})
	}
}

func marshal(t testing.TB, m proto.Message) []byte {
	t.Helper()
	b, err := proto.Marshal(m)
	require.NoError(t, err)
	return b
}

func TestServicesAreNamedInOrderWhateverTheOrderOfFiles(t *testing.T) {
	services, err := Load(encodeSet(t, testFile(service("Zoo"), service("Ant"))))
	require.NoError(t, err)
	require.Equal(t, []string{"test.v1.Ant", "test.v1.Zoo"}, services.Names())

	_, err = services.Rules("test.v1.Bee")
	require.ErrorContains(t, err, `no service "test.v1.Bee" in the descriptor set, which has test.v1.Ant, test.v1.Zoo`)
	_, err = services.Rules("test.v1.Ant", "test.v1.Ant")
	require.ErrorContains(t, err, "named twice")
	_, err = services.Rules()
	require.ErrorContains(t, err, "no method of test.v1.Ant, test.v1.Zoo has an option google.api.http")
}

// Whoever gives an option in pieces means one message: protobuf merges them.
func TestOptionInPiecesIsMerged(t *testing.T) {
	m := method("Get", allType, allType, "")
	m.Options = withRule(rule("GET", "/v1/all").encode())
	more := protowire.AppendBytes(protowire.AppendTag(nil, httpOption, protowire.BytesType), httpRule{responseBody: "sub"}.encode())
	m.Options.ProtoReflect().SetUnknown(append(m.Options.ProtoReflect().GetUnknown(), more...))
	_, rules := load(t, m)
	b := rules.Match("GET", "/v1/all")
	require.NotNil(t, b)
	require.Equal(t, "sub", string(b.response.Name()))
}

func TestBrokenOptionsNameTheMethod(t *testing.T) {
	nested := httpRule{method: "GET", path: "/a", additional: []httpRule{{method: "GET", path: "/b", additional: []httpRule{{method: "GET", path: "/c"}}}}}
	cases := map[string]struct {
		rule []byte
		want string
	}{
		"cut off":           {[]byte{0x12, 0x20, '/'}, "test.v1.Test.Get: option google.api.http: unexpected EOF"},
		"bindings in those": {nested.encode(), "test.v1.Test.Get: option google.api.http: additional_bindings inside additional_bindings"},
		"no pattern":        {httpRule{body: "*"}.encode(), "test.v1.Test.Get: option google.api.http has no method"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			m := method("Get", allType, allType, "")
			m.Options = withRule(c.rule)
			services, err := Load(encodeSet(t, testFile(service("Test", m))))
			require.NoError(t, err)
			_, err = services.Rules()
			require.ErrorContains(t, err, c.want)
		})
	}
}

func FuzzLoad(f *testing.F) {
	f.Add(encodeSet(f, testFile(service("Test", method("Get", allType, allType, "", rule("GET", "/v1/{name=a/*}"), rule("POST", "/v1:x").withBody("sub"))))))
	f.Fuzz(func(t *testing.T, set []byte) {
		if services, err := Load(set); err == nil {
			services.Rules() // a panic is the only thing that is wrong
		}
	})
}
