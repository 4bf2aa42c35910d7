package transcode

import (
	"net/url"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/types/descriptorpb"
)

// built is the message, as JSON, that a request becomes: "GET /path?query" and a body.
func built(t testing.TB, spec *Spec, services *Services, rules *Rules, request, body string) (string, error) {
	t.Helper()
	httpMethod, target, _ := strings.Cut(request, " ")
	u, err := url.Parse(target)
	require.NoError(t, err)
	b, bare := rules.root.match(httpMethod, u.EscapedPath())
	require.NotNil(t, b, "no rule for %s", request)
	m, err := spec.codec(services).build(b, input{path: bare, query: u.RawQuery, body: []byte(body), contentType: "text/plain"})
	if err != nil {
		return "", err
	}
	text, err := protojson.MarshalOptions{Resolver: services.types}.Marshal(m)
	require.NoError(t, err)
	return string(text), nil
}

// The examples of google/api/http.proto, as its comment tells them.
func TestTheExamplesOfTheRulesDocumentation(t *testing.T) {
	messaging := func(methods ...*descriptorpb.MethodDescriptorProto) *descriptorpb.FileDescriptorProto {
		f := testFile(service("Messaging", methods...))
		f.MessageType = append(f.MessageType,
			message("GetMessageRequest", "name string"),
			message("GetMessageRequest2", "message_id string", "revision int64", "sub .test.v1.SubMessage"),
			message("SubMessage", "subfield string"),
			message("Message", "text string"),
			message("UpdateMessageRequest", "message_id string", "message .test.v1.Message"),
			message("FlatMessage", "message_id string", "text string"),
			message("GetMessageRequest3", "message_id string", "user_id string"),
		)
		return f
	}
	cases := []struct {
		name    string
		method  *descriptorpb.MethodDescriptorProto
		request string
		body    string
		want    string
	}{
		{"a resource name", method("GetMessage", ".test.v1.GetMessageRequest", ".test.v1.Message", "", rule("GET", "/v1/{name=messages/*}")),
			"GET /v1/messages/123456", "", `{"name":"messages/123456"}`},
		{"fields that are not in the path are in the query", method("GetMessage", ".test.v1.GetMessageRequest2", ".test.v1.Message", "", rule("GET", "/v1/messages/{message_id}")),
			"GET /v1/messages/123456?revision=2&sub.subfield=foo", "", `{"messageId":"123456","revision":"2","sub":{"subfield":"foo"}}`},
		{"a body that is a field", method("UpdateMessage", ".test.v1.UpdateMessageRequest", ".test.v1.Message", "", rule("PATCH", "/v1/messages/{message_id}").withBody("message")),
			"PATCH /v1/messages/123456", `{"text":"Hi!"}`, `{"messageId":"123456","message":{"text":"Hi!"}}`},
		{"a body that is all that is not in the path", method("UpdateMessage", ".test.v1.FlatMessage", ".test.v1.Message", "", rule("PATCH", "/v1/messages/{message_id}").withBody("*")),
			"PATCH /v1/messages/123456", `{"text":"Hi!"}`, `{"messageId":"123456","text":"Hi!"}`},
		{"the first of two bindings", method("GetMessage", ".test.v1.GetMessageRequest3", ".test.v1.Message", "", rule("GET", "/v1/messages/{message_id}"), rule("GET", "/v1/users/{user_id}/messages/{message_id}")),
			"GET /v1/messages/123456", "", `{"messageId":"123456"}`},
		{"the second of two bindings", method("GetMessage", ".test.v1.GetMessageRequest3", ".test.v1.Message", "", rule("GET", "/v1/messages/{message_id}"), rule("GET", "/v1/users/{user_id}/messages/{message_id}")),
			"GET /v1/users/me/messages/123456", "", `{"userId":"me","messageId":"123456"}`},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			services, err := Load(encodeSet(t, messaging(c.method)))
			require.NoError(t, err)
			rules, err := services.Rules()
			require.NoError(t, err)
			got, err := built(t, new(Spec), services, rules, c.request, c.body)
			require.NoError(t, err)
			require.JSONEq(t, c.want, got, "RULE X2: %s", c.request)
		})
	}
}

// testRules are ways to one message with fields of every kind.
func testRules(t testing.TB) (*Services, *Rules) {
	return load(t,
		method("Query", allType, allType, "", rule("GET", "/q"), rule("GET", "/path/{name=shelves/*}"), rule("GET", "/rest/{name=**}"),
			rule("GET", "/name/{name}"), rule("GET", "/n/{i64}"), rule("GET", "/at/{at}"), rule("GET", "/kind/{kind}"), rule("GET", "/raw/{raw}"),
			rule("GET", "/left/{left}"), rule("GET", "/deep/{sub.sub.subfield}")),
		method("Whole", allType, allType, "", rule("POST", "/whole").withBody("*"), rule("POST", "/whole/{name}").withBody("*"), rule("PATCH", "/whole/{i64}").withBody("*")),
		method("Part", allType, allType, "", rule("POST", "/sub").withBody("sub"), rule("POST", "/sub/{sub.subfield}").withBody("sub"),
			rule("POST", "/tags").withBody("tags"), rule("POST", "/labels").withBody("labels"), rule("POST", "/text").withBody("name"), rule("POST", "/file").withBody("file")),
	)
}

// A requestCase is a request and the message that it becomes, as JSON, or "error: " and a part of what is wrong.
type requestCase struct{ request, body, want string }

func checkRequests(t *testing.T, rule string, cases []requestCase) {
	services, rules := testRules(t)
	for _, c := range cases {
		t.Run(c.request+" "+c.body[:min(len(c.body), 40)], func(t *testing.T) {
			got, err := built(t, new(Spec), services, rules, c.request, c.body)
			if want, is := strings.CutPrefix(c.want, "error: "); is {
				require.ErrorContains(t, err, want, "RULE %s: %s must be refused, and becomes %s", rule, c.request, got)
				return
			}
			require.NoError(t, err, "RULE %s: %s", rule, c.request)
			require.JSONEq(t, c.want, got, "RULE %s: %s", rule, c.request)
		})
	}
}

func TestATextMeansWhatItMeansInJSON(t *testing.T) {
	checkRequests(t, "X1", []requestCase{
		{"GET /q?i32=-7&i64=9223372036854775807&u32=1&u64=18446744073709551615&s64=-9223372036854775808&f64=3", "", `{"i32":-7,"i64":"9223372036854775807","u32":1,"u64":"18446744073709551615","s64":"-9223372036854775808","f64":"3"}`},
		{"GET /q?i32=1e3&i64=7.0", "", `{"i32":1000,"i64":"7"}`},
		{"GET /q?flag=true", "", `{"flag":true}`},
		{"GET /q?real=1.5e300&small_real=NaN", "", `{"real":1.5e300,"smallReal":"NaN"}`},
		{"GET /q?real=-Infinity", "", `{"real":"-Infinity"}`},
		{"GET /q?raw=aGk_&name=a%2Bb+c", "", `{"raw":"aGk/","name":"a+b c"}`},
		{"GET /q?raw=aGk%2F", "", `{"raw":"aGk/"}`},
		{"GET /q?kind=LARGE&kinds=SMALL&kinds=2", "", `{"kind":"LARGE","kinds":["SMALL","LARGE"]}`},
		{"GET /q?kind=1", "", `{"kind":"SMALL"}`},
		{"GET /q?kind=77", "", `{"kind":77}`}, // proto3's enums are open
		{"GET /q?tags=b&tags=a&tags=&numbers=2&numbers=1", "", `{"tags":["b","a",""],"numbers":["2","1"]}`},
		{"GET /q?sub.subfield=x&sub.sub.sub.big=7", "", `{"sub":{"subfield":"x","sub":{"sub":{"big":"7"}}}}`},
		{"GET /q?at=2026-11-27T03:00:00.5Z&wait=1.5s&mask=name,subs", "", `{"at":"2026-11-27T03:00:00.500Z","wait":"1.500s","mask":"name,subs"}`},
		{"GET /q?at=2026-11-27T04:00:00%2B01:00", "", `{"at":"2026-11-27T03:00:00Z"}`},
		{"GET /q?moments=2026-11-27T03:00:00Z&moments=1970-01-01T00:00:00Z", "", `{"moments":["2026-11-27T03:00:00Z","1970-01-01T00:00:00Z"]}`},
		{"GET /q?text=&wide=12&sure=false", "", `{"text":"","wide":"12","sure":false}`},
		{"GET /q?&&left=x&", "", `{"left":"x"}`},

		{"GET /q?i32=2147483648", "", `error: field i32: "2147483648" is no int32`},
		{"GET /q?u32=-1", "", `error: field u32: "-1" is no uint32`},
		{"GET /q?i64=0x10", "", `error: "0x10" is no int64`},
		{"GET /q?i64=%2B1", "", `error: "+1" is no int64`},
		{"GET /q?i64=1.5", "", `error: "1.5" is no int64`},
		{"GET /q?i64=", "", `error: "" is no int64`},
		{"GET /q?flag=1", "", `error: "1" is no bool`},
		{"GET /q?flag=TRUE", "", `error: "TRUE" is no bool`},
		{"GET /q?sure=1", "", `error: "1" is no google.protobuf.BoolValue`},
		{"GET /q?real=inf", "", `error: "inf" is no double`},
		{"GET /q?kind=large", "", `error: "large" is no test.v1.Kind`},
		{"GET /q?raw=a*", "", `error: "a*" is no bytes`},
		{"GET /q?at=yesterday", "", `error: "yesterday" is no google.protobuf.Timestamp`},
		{"GET /q?name=%ff", "", "error: is no valid UTF-8"},
		{"GET /q?raw=%ff", "", "error: is no bytes"},
		{"GET /q?name=%zz", "", "error: invalid URL escape"},
		{"GET /q?name=a;b=c", "", "error: semicolon"},
		{"GET /q?nme=x", "", `error: no field "nme" in test.v1.All`},
		{"GET /q?sub=x", "", "error: field sub is a message"},
		{"GET /q?subs=x", "", "error: field subs is a message"},
		{"GET /q?subs.subfield=x", "", "error: has no field"},
		{"GET /q?labels=x", "", "error: field labels is a map"},
		{"GET /q?any_json=x", "", "error: field any_json is a message"},
		{"GET /q?at.seconds=1", "", "error: has no field"},
	})
}

func TestPathsAreDecodedOnce(t *testing.T) {
	checkRequests(t, "X2", []requestCase{
		{"GET /path/shelves/7", "", `{"name":"shelves/7"}`},
		{"GET /path/shelves/a%2Fb", "", `{"name":"shelves/a%2Fb"}`}, // no border between segments
		{"GET /path/shelves/a%20b+c%25", "", `{"name":"shelves/a b+c%"}`},
		{"GET /rest/a/b%2fc", "", `{"name":"a/b%2fc"}`},
		{"GET /name/a%2Fb", "", `{"name":"a/b"}`}, // one segment is decoded whole
		{"GET /name/a%252Fb", "", `{"name":"a%2Fb"}`},
		{"GET /name/a+b", "", `{"name":"a+b"}`},
		{"GET /name/%ff", "", "error: is no valid UTF-8"},
		{"GET /n/-5", "", `{"i64":"-5"}`},
		{"GET /n/x", "", `error: path: field i64: "x" is no int64`},
		{"GET /at/2026-11-27T03:00:00Z", "", `{"at":"2026-11-27T03:00:00Z"}`},
		{"GET /kind/LARGE", "", `{"kind":"LARGE"}`},
		{"GET /raw/aGk_", "", `{"raw":"aGk/"}`},
		{"GET /deep/x?sub.sub.big=1", "", `{"sub":{"sub":{"subfield":"x","big":"1"}}}`},
	})
}

func TestAFieldHasOneSource(t *testing.T) {
	checkRequests(t, "X2", []requestCase{
		{"GET /q?smallReal=2&small_real=2", "", "error: field small_real is given twice"},
		{"GET /q?name=a&name=b", "", "error: field name is given twice"},
		{"GET /q?i32=0&i32=0", "", "error: field i32 is given twice"},
		{"GET /q?left=a&right=b", "", "error: field right is given, and left too"},
		{"GET /name/a?name=b", "", "error: field name is in the path already"},
		{"GET /name/a?name=a", "", "error: field name is in the path already"},
		{"GET /deep/x?sub.sub.subfield=y", "", "error: field sub.sub.subfield is in the path already"},
		{"GET /left/x?right=y", "", "error: field right is given, and left too"},
		{"POST /whole?name=b", `{}`, "error: field name belongs into the body, as all do"},
		{"POST /sub?sub.big=1", `{}`, "error: field sub.big belongs into the body"},
		{"POST /whole/a", `{"name":"b"}`, "error: field name: the path says \"a\", and the body says otherwise"},
		{"POST /whole/a", `{"name":"a","i32":1}`, `{"name":"a","i32":1}`},
		{"PATCH /whole/7", `{"i64":"8"}`, "error: the body says otherwise"},
		{"POST /sub/x", `{"subfield":"y"}`, "error: the body says otherwise"},
		{"POST /sub/x?i32=1", `{"big":2}`, `{"sub":{"subfield":"x","big":"2"},"i32":1}`},
	})
}

func TestAFieldHasOneSourceUnderEachOfItsNamesAndInAOneof(t *testing.T) {
	f := testFile(service("Test",
		method("ByJSONName", ".test.v1.Choice", allType, "", rule("GET", "/id/{userId}"), rule("GET", "/deep/{me.sub.subfield}")),
		method("Me", ".test.v1.Choice", allType, "", rule("GET", "/me/{me.subfield}"), rule("POST", "/me/{me.subfield}").withBody("you"), rule("PUT", "/me/{me.subfield}").withBody("*")),
	))
	f.MessageType = append(f.MessageType, message("Choice", "user_id string", "me oneof .test.v1.Sub", "you oneof .test.v1.Sub"))
	services, err := Load(encodeSet(t, f))
	require.NoError(t, err)
	rules, err := services.Rules()
	require.NoError(t, err)
	for _, c := range []struct{ request, body, want, err string }{
		{"GET /id/a", "", `{"userId":"a"}`, ""},
		{"GET /id/a?user_id=b", "", "", "field user_id is in the path already"},
		{"GET /id/a?userId=b", "", "", "field user_id is in the path already"},
		{"GET /me/a?me.big=1", "", `{"me":{"subfield":"a","big":"1"}}`, ""},
		{"GET /me/a?you.subfield=b", "", "", "field you is given, and me too"},
		{"GET /deep/a?you.sub.subfield=b", "", "", "field you is given, and me too"},
		{"POST /me/a", `{"subfield":"b"}`, "", "field me is given, and you too"},
		{"PUT /me/a", `{"you":{}}`, "", "field me is given, and you too"},
		{"PUT /me/a", `{"me":{"big":1}}`, `{"me":{"subfield":"a","big":"1"}}`, ""},
	} {
		got, err := built(t, new(Spec), services, rules, c.request, c.body)
		if c.err != "" {
			require.ErrorContains(t, err, c.err, "RULE X2: %s %s becomes %s", c.request, c.body, got)
			continue
		}
		require.NoError(t, err)
		require.JSONEq(t, c.want, got)
	}
}

func TestBodiesAreJSONOfTheirField(t *testing.T) {
	checkRequests(t, "X1", []requestCase{
		{"POST /whole", `{"i64":"9007199254740993","u64":1,"kind":"LARGE","kinds":[1],"raw":"aGk/","tags":["a"],"sub":{"big":3},"labels":{"k":"v"},"at":"2026-11-27T03:00:00Z","any_json":{"a":[1,null]}}`,
			`{"i64":"9007199254740993","u64":"1","kind":"LARGE","kinds":["SMALL"],"raw":"aGk/","tags":["a"],"sub":{"big":"3"},"labels":{"k":"v"},"at":"2026-11-27T03:00:00Z","anyJson":{"a":[1,null]}}`},
		{"POST /whole", "", `{}`},
		{"POST /whole", " \n", `{}`},
		{"POST /sub", "", `{}`},
		{"POST /sub", `{}`, `{"sub":{}}`},
		{"POST /tags", `["a","b"]`, `{"tags":["a","b"]}`},
		{"POST /labels?i32=1", `{"a":"b"}`, `{"labels":{"a":"b"},"i32":1}`},
		{"POST /text", `"x"`, `{"name":"x"}`},
		{"POST /text", `"x", "i32": 7`, "error: the body is no JSON value"},
		{"POST /tags", `["a"]} {`, "error: the body is no JSON value"},
		{"POST /tags", `[1]`, "error: the body is not as it should be"},
		{"POST /file", "as it is\x00\xff", `{"file":{"contentType":"text/plain","data":"YXMgaXQgaXMA/w=="}}`},
		{"POST /whole", `{"nme":1}`, `error: the body is not as it should be: (line 1:2): unknown field "nme"`},
		{"POST /whole", `{"sub":{"nme":1}}`, `error: unknown field "nme"`},
		{"POST /whole", `{"i32":1,"i32":2}`, "error: duplicate field"},
		{"POST /whole", `{"name":"` + "\xff" + `"}`, "error: UTF-8"},
		{"POST /whole", `{"i32":1}{}`, "error: unexpected token"},
		{"POST /whole", `{"i32":1`, "error: unexpected EOF"},
		{"POST /whole", `[]`, "error: unexpected token ["},
		{"POST /whole", `{"left":"a","right":"b"}`, "error: oneof"},
		{"POST /whole", strings.Repeat(`{"sub":`, 200) + "{}" + strings.Repeat("}", 200), "error: exceeded max recursion depth"},
	})
}

func TestUnknownIsPassedOverIfAskedFor(t *testing.T) {
	services, rules := testRules(t)
	spec := &Spec{IgnoreUnknown: true}
	got, err := built(t, spec, services, rules, "GET /q?utm_source=x&name=a&sub.nme=b", "")
	require.NoError(t, err)
	require.JSONEq(t, `{"name":"a"}`, got)
	got, err = built(t, spec, services, rules, "POST /whole?utm_source=x", `{"nme":1,"name":"a"}`)
	require.NoError(t, err)
	require.JSONEq(t, `{"name":"a"}`, got)
	_, err = built(t, spec, services, rules, "GET /name/a?name=b", "")
	require.ErrorContains(t, err, "is in the path already", "RULE X2: what is known has one source still")
}

func TestStreamsOfClientsAreArraysOrValuesOneAfterTheOther(t *testing.T) {
	for text, want := range map[string]string{
		"":                             "",
		`[]`:                           "",
		`[{"a":1}, {"b":2}]`:           `{"a":1} {"b":2}`,
		"{\"a\":1}\n{\"b\":2}\n":       `{"a":1} {"b":2}`,
		`{"a":1}{"b":2}`:               `{"a":1} {"b":2}`,
		`[{"a":1}] {"b":2}`:            "error",
		`[{"a":1}`:                     "error",
		"{\"a\":1}\n{\"b\":":           "error",
		"{\"a\":1}\nhello\n{\"b\":2}}": "error",
	} {
		messages, err := splitStream([]byte(text))
		if want == "error" {
			require.Error(t, err, text)
			continue
		}
		require.NoError(t, err, text)
		var got []string
		for _, m := range messages {
			got = append(got, string(m))
		}
		require.Equal(t, want, strings.Join(got, " "), text)
	}
}

// FuzzRequest looks for panics, and for requests that are taken whose message cannot be written or is not
// the same when it is sent back as JSON.
func FuzzRequest(f *testing.F) {
	for _, seed := range [][3]string{
		{"/name/a%2Fb", "i32=7&tags=a&sub.subfield=x", ""},
		{"/whole/a", "", `{"i64":"7","kind":"LARGE","at":"2026-11-27T03:00:00Z"}`},
		{"/sub/x", "real=NaN&raw=aGk_&wait=1s&mask=a.b&wide=7", `{"big":7}`},
	} {
		f.Add(seed[0], seed[1], seed[2])
	}
	services, rules := testRules(f)
	codec := new(Spec).codec(services)
	f.Fuzz(func(t *testing.T, path, query, body string) {
		for _, httpMethod := range []string{"GET", "POST", "PATCH"} {
			b, bare := rules.root.match(httpMethod, path)
			if b == nil {
				continue
			}
			m, err := codec.build(b, input{path: bare, query: query, body: []byte(body)})
			if err != nil {
				continue
			}
			frame, err := appendFrame(nil, m)
			require.NoError(t, err)
			if query != "" || b.takesRawBody() {
				continue
			}
			text, err := protojson.MarshalOptions{Resolver: services.types}.Marshal(m)
			if err != nil {
				continue // a mask that has no JSON form, say
			}
			again, err := codec.build(rules.Match("POST", "/whole"), input{body: text})
			require.NoError(t, err)
			frame2, err := appendFrame(nil, again)
			require.NoError(t, err)
			require.Equal(t, len(frame), len(frame2))
		}
	})
}
