package main

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/flagship-go/flagship/examples/kv/service"
	"github.com/flagship-go/flagship/examples/kv/store"
)

// other runs a member that says who is in the cluster, and returns the flags of
// one that starts beside it, in an empty directory.
func other(t *testing.T, members func(own uint64) []service.MemberInfo, flags ...string) *config {
	const own = "http://127.0.0.1:1"
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		json.NewEncoder(w).Encode(service.Cluster{ID: 7, Members: members(memberID("etcd-cluster", []string{own}))})
	}))
	t.Cleanup(s.Close)
	c, err := parse(append(flags, "-name=a", "-data-dir", t.TempDir(), "-listen-peer-urls", own, "-initial-cluster", "a="+own+",b="+s.URL), nil)
	require.NoError(t, err)
	return c
}

func info(id uint64, name string, client ...string) service.MemberInfo {
	return service.MemberInfo{Member: store.Member{ID: id, Name: name, PeerURLs: []string{"http://127.0.0.1:1"}, ClientURLs: client}}
}

func TestMemberThatLostItsDirectoryIsNotLetIn(t *testing.T) {
	for name, x := range map[string]struct {
		members func(own uint64) []service.MemberInfo
		flags   string
		want    string // in the error; empty: it is let in
	}{
		"first start":              {func(own uint64) []service.MemberInfo { return []service.MemberInfo{info(own, "a")} }, "new", ""},
		"has been running":         {func(own uint64) []service.MemberInfo { return []service.MemberInfo{info(own, "a", "http://h:1")} }, "new", "has already been bootstrapped"},
		"added":                    {func(uint64) []service.MemberInfo { return []service.MemberInfo{info(5, "")} }, "existing", ""},
		"not added":                {func(uint64) []service.MemberInfo { return nil }, "existing", "add it first"},
		"added, has been running":  {func(uint64) []service.MemberInfo { return []service.MemberInfo{info(5, "a", "http://h:1")} }, "existing", "has been started before"},
		"somebody else is running": {func(uint64) []service.MemberInfo { return []service.MemberInfo{info(5, "b", "http://h:1")} }, "new", ""},
	} {
		c := other(t, x.members, "-initial-cluster-state="+x.flags)
		id, err := identify(t.Context(), c, http.DefaultClient)
		if x.want != "" {
			rule(t, "F5", err != nil && strings.Contains(err.Error(), x.want), "%s: %v", name, err)
			_, err := os.Stat(filepath.Join(c.dataDir, identityFile))
			require.ErrorIs(t, err, os.ErrNotExist, "nothing is left behind")
			continue
		}
		rule(t, "F5", err == nil, "%s: %v", name, err)
		again, err := identify(t.Context(), c, nil)
		require.NoError(t, err, "from now on nobody is asked")
		require.Equal(t, id, again)
	}
}
