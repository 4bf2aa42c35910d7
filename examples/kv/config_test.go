package main

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/flagship-go/flagship/examples/kv/service"
)

func TestFlagsThatCannotWorkAreRefusedAsEtcdRefusesThem(t *testing.T) {
	for args, want := range map[string]string{
		"-election-timeout=499":                                        "--election-timeout[499ms] should be at least as 5 times as --heartbeat-interval[100ms]",
		"-election-timeout=50001":                                      "--election-timeout[50001ms] is too long, and should be set less than 50000ms",
		"-heartbeat-interval=0":                                        "--heartbeat-interval must be >0 (set to 0ms)",
		"-initial-cluster=a=http://h:1":                                `couldn't find local name "default" in the initial cluster configuration`,
		"-initial-cluster=default":                                     `--initial-cluster: "default" is not NAME=URL`,
		"-initial-cluster-state=existing":                              "--initial-cluster-state existing needs --initial-cluster",
		"-initial-cluster-state=old":                                   `--initial-cluster-state is "old", must be new or existing`,
		"-listen-client-urls=localhost:1":                              "--listen-client-urls: URL scheme must be http or https: localhost:1",
		"-listen-client-urls=http://localhost":                         `--listen-client-urls: URL address does not have the form "host:port": http://localhost`,
		"-listen-client-urls=http://h:1/x":                             "--listen-client-urls: URL must not contain a path: http://h:1/x",
		"-auto-compaction-mode=x":                                      `unsupported auto-compaction-mode "x"`,
		"-auto-compaction-retention=-1":                                "is negative",
		"-auto-compaction-retention=1h -auto-compaction-mode=revision": "invalid syntax",
		"-max-snapshots=-1":                                            "invalid value",
		"-max-wals=2147483648":                                         "must be below",
		"-snapshot-count=0":                                            "must be >0",
		"-log-level=loud":                                              "--log-level",
		"extra":                                                        `"extra" is not a valid flag`,
		"-nothing":                                                     "flag provided but not defined: -nothing",
	} {
		var stderr bytes.Buffer
		_, err := parse(strings.Fields(args), &stderr)
		rule(t, "F1", err != nil && strings.Contains(err.Error(), want), "%s: %v", args, err)
	}
	var stderr bytes.Buffer
	require.Equal(t, 2, cli(t.Context(), []string{"-nothing"}, &stderr, &stderr))
	require.Contains(t, stderr.String(), "flag provided but not defined: -nothing")
}

func TestCertificatesThatAreMissingAreRefused(t *testing.T) {
	for args, want := range map[string]string{
		"-listen-client-urls=https://127.0.0.1:0": "an https URL needs --cert-file and --key-file",
		"-listen-client-urls=http://127.0.0.1:0 -initial-cluster=default=http://h:1 -listen-peer-urls=https://127.0.0.1:0": "an https URL needs --peer-cert-file and --peer-key-file",
	} {
		var stderr bytes.Buffer
		args = "-data-dir=" + t.TempDir() + " " + args
		require.Equal(t, 1, cli(t.Context(), strings.Fields(args), &stderr, &stderr), args)
		require.Contains(t, stderr.String(), want, args)
	}
}

func TestFlagsMeanWhatEtcdMeansByThem(t *testing.T) {
	c, err := parse(strings.Fields("-name b -initial-cluster a=http://h:1,b=http://h:2,b=http://h:3 -auto-compaction-retention 2 -listen-peer-urls http://h:2"), nil)
	require.NoError(t, err)
	require.Equal(t, "b.etcd", c.dataDir)
	require.Equal(t, map[string][]string{"a": {"http://h:1"}, "b": {"http://h:2", "http://h:3"}}, c.initialCluster)
	require.Equal(t, []string{"http://h:2"}, c.advertisePeer)
	require.Equal(t, service.AutoCompaction{Retention: 2 * time.Hour}, c.compaction)
	c, err = parse(strings.Fields("-auto-compaction-mode revision -auto-compaction-retention 1000"), nil)
	require.NoError(t, err)
	require.Equal(t, service.AutoCompaction{Revisions: 1000}, c.compaction)
	require.Nil(t, c.initialCluster, "three members in this process")

	var help bytes.Buffer
	require.Zero(t, cli(t.Context(), []string{"-h"}, &help, &help))
	for _, want := range []string{"-quota-backend-bytes size", "-max-wals files", "three members in this process", "/v3/kv/put", "/readyz", "exit"} {
		require.Contains(t, help.String(), want)
	}
}
