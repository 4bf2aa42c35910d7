package main

import (
	"io"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestEllipsesAreExpanded(t *testing.T) {
	for pattern, want := range map[string]string{
		"/data":                      "/data",
		"d{1...3}":                   "d1 d2 d3",
		"d{08...11}/x":               "d08/x d09/x d10/x d11/x",
		"r{1...2}/d{3...4}":          "r1/d3 r1/d4 r2/d3 r2/d4",
		"d{7...7}":                   "d7",
		"d{3...1}":                   "",
		"d{a...c}":                   "",
		"d{1..3}":                    "",
		"d{1...3":                    "",
		"d1...3":                     "",
		"d}":                         "",
		"d{1...2}}":                  "",
		"d{-1...2}":                  "",
		"d{1...99999}":               "",
		"d{1...100}/{1...100}":       "",
		"d{1...4294967296}":          "",
		"":                           "",
		"d{18446744073709551615...}": "",
	} {
		got, err := expand(pattern)
		rule(t, "F1", (err == nil) == (want != "") && strings.Join(got, " ") == want, "%s stands for %q: %v", pattern, got, err)
	}
}

func TestFlagsThatCannotWorkAreRefused(t *testing.T) {
	for _, x := range []struct {
		args, env, want string
	}{
		{"", "", ""},
		{"--address :9000 --parity 3 --requests-max 10 /a /b /c /d /e /f", "", ""},
		{"-parity 0 /a /b", "", ""},
		{"/a /b --parity 1", "", ""},
		{"/a /b --parity 2", "", "--parity 2: must be 0 to 1"},
		{"/a -- --parity /b", "", ""},
		{"/a --address", "", "needs an argument"},
		{"d{1...4}", "AWS_ACCESS_KEY_ID=a AWS_SECRET_ACCESS_KEY=b", ""},
		{"", "AWS_ACCESS_KEY_ID=a", "only one is set"},
		{"", "AWS_SECRET_ACCESS_KEY=a", "only one is set"},
		{"--address 9000", "", "--address 9000: must be host:port"},
		{"--parity 5", "", "--parity 5: must be 0 to 4"},
		{"--parity -2", "", "--parity -2: must be 0 to 4"},
		{"--parity x", "", "invalid value"},
		{"--requests-max -1", "", "--requests-max -1: must not be negative"},
		{"--drives-per-set 3 d{1...8}", "", "--drives-per-set 3: does not divide 8 drives"},
		{"--log-level loud", "", "--log-level loud: must be debug, info, warn or error"},
		{"/a /b /a", "", "/a is given twice"},
		{"a ./a", "", "./a is given twice"},
		{"d{2...1}", "", "the smaller first"},
		{"--erasure-set=6,2", "", "not defined"},
	} {
		env := func(name string) string {
			for pair := range strings.SplitSeq(x.env, " ") {
				if v, ok := strings.CutPrefix(pair, name+"="); ok {
					return v
				}
			}
			return ""
		}
		_, err := parse(strings.Fields(x.args), env, io.Discard)
		if x.want == "" {
			rule(t, "F1", err == nil, "%s: %v", x.args, err)
			continue
		}
		rule(t, "F1", err != nil && strings.Contains(err.Error(), x.want), "%s: %v", x.args, err)
		rule(t, "F1", exit(io.Discard, err) == 2, "%s: exit code", x.args)
	}
}

func TestDefaultsArePlain(t *testing.T) {
	c, err := parse(nil, func(string) string { return "" }, io.Discard)
	require.NoError(t, err)
	require.Equal(t, "127.0.0.1:9000", c.address)
	require.Len(t, c.dirs, 8)
	require.Equal(t, "objectstore-data/drive8", c.dirs[7])
	require.True(t, c.defaultKeys)
	require.True(t, slices.Equal([]string{"health", "metrics", "admin"}, reserved))

	var help strings.Builder
	require.Zero(t, cli(t.Context(), []string{"-h"}, io.Discard, &help))
	require.Contains(t, help.String(), "objectstore --address :9000 /mnt/drive{1...16}")
	require.Contains(t, help.String(), "-requests-max")
	require.Zero(t, cli(t.Context(), []string{"heal", "-h"}, io.Discard, &help))
	require.Contains(t, help.String(), "-dry-run")
}
