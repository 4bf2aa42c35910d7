package transcode

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestRulesAreCheckedAgainstTheirMessages(t *testing.T) {
	cases := map[string]struct {
		rules []httpRule
		want  string
	}{
		"no such field":         {[]httpRule{rule("GET", "/v1/{nme}")}, `test.v1.Test.Get: path template "/v1/{nme}": column 6: no field "nme" in test.v1.All, which has name, i32`},
		"no such field inside":  {[]httpRule{rule("GET", "/v1/{sub.nme}")}, `no field "nme" in test.v1.Sub, which has subfield, big, sub`},
		"repeated in path":      {[]httpRule{rule("GET", "/v1/{tags}")}, "field test.v1.All.tags is repeated"},
		"through repeated":      {[]httpRule{rule("GET", "/v1/{subs.subfield}")}, `field test.v1.All.subs has no field "subfield" inside`},
		"map in path":           {[]httpRule{rule("GET", "/v1/{labels}")}, "field test.v1.All.labels is a map"},
		"message in path":       {[]httpRule{rule("GET", "/v1/{sub}")}, "field test.v1.All.sub is a message"},
		"inside a timestamp":    {[]httpRule{rule("GET", "/v1/{at.seconds}")}, "has a text of its own"},
		"template":              {[]httpRule{rule("GET", "/v1/{name=}")}, "column 11"},
		"body":                  {[]httpRule{rule("POST", "/v1").withBody("bdy")}, `body: no field "bdy"`},
		"nested body":           {[]httpRule{rule("POST", "/v1").withBody("sub.sub")}, `body: "sub.sub" is not a field of test.v1.All itself`},
		"response_body":         {[]httpRule{rule("POST", "/v1").withResponse("bdy")}, `response_body: no field "bdy"`},
		"conflict with itself":  {[]httpRule{rule("GET", "/v1/{name}"), rule("GET", "/v1/{kind}")}, "both are GET /v1/{kind}"},
		"second rule is wrong":  {[]httpRule{rule("GET", "/v1"), rule("GET", "v2")}, `"v2": column 1`},
		"no method, and a path": {[]httpRule{{path: "/v1"}}, "has no method"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			services, err := Load(encodeSet(t, testFile(service("Test", method("Get", allType, allType, "", c.rules...)))))
			require.NoError(t, err)
			_, err = services.Rules()
			require.ErrorContains(t, err, c.want)
		})
	}
}

func TestAllWrongRulesAreNamedAtOnceAndBothOfAConflict(t *testing.T) {
	services, err := Load(encodeSet(t, testFile(service("Test",
		method("One", allType, allType, "", rule("GET", "/v1/{name=shelves/*}")),
		method("Two", allType, allType, "", rule("GET", "/v1/shelves/{tags}")),
		method("Three", allType, allType, "", rule("GET", "/v1/shelves/{kind}")),
		method("Four", allType, allType, "", rule("POST", "/v1/shelves/{kind}"), rule("GET", "/v1/shelves/{kind}:x")),
	))))
	require.NoError(t, err)
	_, err = services.Rules()
	require.ErrorContains(t, err, "test.v1.Test.Two")
	require.ErrorContains(t, err, "GET /v1/{name=shelves/*} -> /test.v1.Test/One and GET /v1/shelves/{kind} -> /test.v1.Test/Three: both are GET /v1/shelves/{kind}")
	require.NotContains(t, err.Error(), "Four")
}

func TestEveryBindingIsAWayToItsMethod(t *testing.T) {
	_, rules := load(t,
		method("Get", allType, allType, "", rule("GET", "/v1/{name=messages/*}"), rule("GET", "/v1/users/{sub.subfield}/{name=messages/*}"), rule("PURGE", "/v1/all")),
		method("Put", allType, allType, "", rule("PUT", "/v1/x"), rule("PATCH", "/v1/x"), rule("DELETE", "/v1/x"), rule("POST", "/v1/x")),
		method("Hidden", allType, allType, ""),
	)
	var all []string
	for _, b := range rules.Bindings() {
		all = append(all, b.String())
	}
	require.Equal(t, []string{
		"GET /v1/{name=messages/*} -> /test.v1.Test/Get",
		"GET /v1/users/{sub.subfield}/{name=messages/*} -> /test.v1.Test/Get",
		"PURGE /v1/all -> /test.v1.Test/Get",
		"PUT /v1/x -> /test.v1.Test/Put",
		"PATCH /v1/x -> /test.v1.Test/Put",
		"DELETE /v1/x -> /test.v1.Test/Put",
		"POST /v1/x -> /test.v1.Test/Put",
	}, all)
	require.Equal(t, all[1], rules.Match("GET", "/v1/users/7/messages/8").String())
	require.Equal(t, all[2], rules.Match("PURGE", "/v1/all").String())
	require.Equal(t, []string{"DELETE", "PATCH", "POST", "PUT"}, rules.Allowed("/v1/x"))
	require.Nil(t, rules.Match("POST", "/test.v1.Test/Hidden"))
}

func TestMatchAllocatesNothing(t *testing.T) {
	_, rules := load(t, method("Get", allType, allType, "", rule("GET", "/v1/{name=shelves/*/books/*}"), rule("GET", "/v1/{name=**}:stat")))
	require.Zero(t, testing.AllocsPerRun(100, func() {
		if rules.Match("GET", "/v1/shelves/7/books/8") == nil || rules.Match("GET", "/v1/shelves/7/books/8:stat") == nil {
			t.Fatal("not found")
		}
	}))
}
