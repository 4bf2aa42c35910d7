package main

import (
	"bytes"
	"log/slog"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/flagship-go/flagship/examples/kv/service"
	"github.com/flagship-go/flagship/examples/kv/store"
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

func TestFlagsReachTheMember(t *testing.T) {
	serverOf := func(args string) *server {
		c, err := parse(strings.Fields(args), nil)
		require.NoError(t, err)
		return &server{config: c, log: slog.New(slog.DiscardHandler)}
	}
	self := store.Member{ID: 9, Name: "n"}
	s := serverOf("-heartbeat-interval 20 -election-timeout 300 -quota-backend-bytes 5000 -max-request-bytes 600 " +
		"-snapshot-count 70 -max-snapshots 3 -max-wals 4 -auto-compaction-retention 8 -corrupt-check-time 11m")
	o := s.options(9, 7, []store.Member{self}, self, nil)
	r := o.Raft
	rule(t, "F1", r.TickInterval == 20*time.Millisecond && max(r.HeartbeatTicks, 1) == 1 && r.ElectionTicks == 15,
		"a heartbeat is %d ticks of %v, an election %d", r.HeartbeatTicks, r.TickInterval, r.ElectionTicks)
	rule(t, "F1", o.Quota == 5000 && o.MaxRequestBytes == 600 && o.Compaction.Retention == 8*time.Hour && o.CheckEvery == 11*time.Minute,
		"quota %d, requests of %d bytes, history of %v, a check every %v", o.Quota, o.MaxRequestBytes, o.Compaction.Retention, o.CheckEvery)
	d := s.diskOptions(9, 7)
	rule(t, "F1", r.SnapshotEvery == 70 && d.KeepSnapshots == 3 && d.MaxSegments == 4,
		"a snapshot every %d entries, %d kept, and %d files of the log", r.SnapshotEvery, d.KeepSnapshots, d.MaxSegments)
	d = serverOf("-max-snapshots 0 -max-wals 0").diskOptions(9, 7)
	rule(t, "F1", d.KeepSnapshots == math.MaxInt32 && d.MaxSegments == 0, "of all snapshots %d are kept, of all files %d", d.KeepSnapshots, d.MaxSegments)
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
