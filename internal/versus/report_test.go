package versus

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"errors"
	"flag"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime/debug"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

var update = flag.Bool("update", false, "rewrite testdata/report.*")

// fixedReport has what a report can have: a failure, a metric that one
// contender lacks, a goal met, missed, and not measurable.
func fixedReport() *Report {
	fig := func(v float64) Figure { return Figure{Median: v, Min: v * 0.96, Max: v * 1.02} }
	figures := func(rate, cpu, allocs, bytes, rss float64) map[Metric]Figure {
		return map[Metric]Figure{OpsPerSec: fig(rate), CPUPerOp: fig(cpu), AllocsPerOp: fig(allocs), BytesPerOp: fig(bytes), PeakRSS: fig(rss)}
	}
	small := figures(412_345, 2_112, 3, 210.5, 41<<20)
	small[P50], small[P99] = fig(140_500), fig(1_260_000)
	return &Report{
		Title:   "Proposals to a three-node cluster, disk <sync> & all",
		Command: "go -C examples/versus/raft run . -rounds 5 -cells 'size=64|1024' -duration 2s -out results/raft.md -chart results/raft.svg",
		Date:    time.Date(2026, 3, 14, 15, 9, 26, 0, time.UTC),
		Machine: Machine{CPU: "AMD EPYC 7B13 64-Core Processor", Cores: 2, OS: "linux", Arch: "amd64", Go: "go1.26.0"},
		Ours:    "flagship", Reference: "etcd-raft", Rounds: 5, Processes: true,
		Contenders: []Version{{"flagship", "v0.1.0"}, {"etcd-raft", "v3.6.0"}, {"hashicorp-raft", "v1.7.3"}, {"a-contender-with-a-needlessly-long-name", ""}},
		Cells:      []Cell{"size=64/clients=64", "size=1048576/clients=1"},
		Results: []Result{
			{Cell: "size=64/clients=64", Contender: "flagship", Figures: small},
			{Cell: "size=64/clients=64", Contender: "etcd-raft", Figures: figures(198_200, 4_890, 11, 1_480, 66<<20)},
			{Cell: "size=64/clients=64", Contender: "hashicorp-raft", Err: "running: client 3, operation 17: leadership lost | retry\nmore"},
			{Cell: "size=64/clients=64", Contender: "a-contender-with-a-needlessly-long-name", Figures: figures(1_200, 812_000, 40, 9_000, 30<<20)},
			{Cell: "size=1048576/clients=1", Contender: "flagship", Figures: figures(99.96, 9_996_000, 3, 1_048_800, 80<<20)},
			{Cell: "size=1048576/clients=1", Contender: "etcd-raft", Figures: figures(102, 9_100_000, 14, 3_150_000, 130<<20)},
			{Cell: "size=1048576/clients=1", Contender: "hashicorp-raft", Figures: figures(88, 12_000_000, 30, 4_150_000, 99<<20)},
			{Cell: "size=1048576/clients=1", Contender: "a-contender-with-a-needlessly-long-name", Figures: figures(0.5, 1_100_000_000, 30, 4_150_000, 99<<20)},
		},
		Goals: []Goal{
			{Metric: OpsPerSec, AtLeast: 1.5},
			{Metric: CPUPerOp, AtMost: 0.5, Cells: []Cell{"size=64/clients=64"}},
			{Metric: P99, AtMost: 1, Of: "etcd-raft", Cells: []Cell{"size=64/clients=64"}},
		},
	}
}

func TestRenderingIsAFunctionOfTheReport(t *testing.T) {
	// Through JSON and back, as a kept result would be.
	text, err := json.Marshal(fixedReport())
	require.NoError(t, err)
	var kept Report
	require.NoError(t, json.Unmarshal(text, &kept))
	for name, render := range map[string]func(io.Writer) error{"report.md": kept.Markdown, "report.svg": kept.SVG} {
		t.Run(name, func(t *testing.T) {
			var got bytes.Buffer
			require.NoError(t, render(&got))
			path := filepath.Join("testdata", name)
			if *update {
				require.NoError(t, os.WriteFile(path, got.Bytes(), 0o644))
			}
			want, err := os.ReadFile(path)
			require.NoError(t, err)
			require.Equal(t, strings.ReplaceAll(string(want), "\r\n", "\n"), got.String())
		})
	}
}

func TestChartIsWellFormed(t *testing.T) {
	r := fixedReport()
	r.Cells = append(r.Cells, "nobody=here")
	var got bytes.Buffer
	require.NoError(t, r.SVG(&got))
	for d := xml.NewDecoder(&got); ; {
		_, err := d.Token()
		if errors.Is(err, io.EOF) {
			return
		}
		require.NoError(t, err)
	}
}

type brokenWriter struct{}

func (brokenWriter) Write([]byte) (int, error) { return 0, io.ErrClosedPipe }

func TestRenderingReportsAFailedWrite(t *testing.T) {
	require.ErrorIs(t, fixedReport().Markdown(brokenWriter{}), io.ErrClosedPipe)
	require.ErrorIs(t, fixedReport().SVG(brokenWriter{}), io.ErrClosedPipe)
}

func TestBestPeerIsNeverOursNorAFailure(t *testing.T) {
	r := fixedReport()
	name, v, ok := r.BestPeer("size=64/clients=64", OpsPerSec)
	require.True(t, ok)
	require.Equal(t, "etcd-raft", name)
	require.InDelta(t, 198_200, v, 0)
	name, _, ok = r.BestPeer("size=64/clients=64", PeakRSS)
	require.True(t, ok)
	require.Equal(t, "a-contender-with-a-needlessly-long-name", name, "of memory, less is better")
	_, _, ok = r.BestPeer("size=64/clients=64", P99)
	require.False(t, ok, "no peer has it")

	ratio, ok := r.Ratio("size=64/clients=64", "flagship", "", OpsPerSec)
	require.True(t, ok)
	require.InDelta(t, 412_345.0/198_200, ratio, 1e-9)
	_, ok = r.Ratio("size=64/clients=64", "flagship", "hashicorp-raft", OpsPerSec)
	require.False(t, ok)
}

func TestGoalsAreJudgedOnTheUnroundedRatio(t *testing.T) {
	report := func(ours, theirs float64, g Goal) *Report {
		return &Report{
			Ours: "a", Contenders: []Version{{Name: "a"}, {Name: "b"}}, Cells: []Cell{"n=1"}, Goals: []Goal{g},
			Results: []Result{
				{Cell: "n=1", Contender: "a", Figures: map[Metric]Figure{OpsPerSec: {Median: ours}}},
				{Cell: "n=1", Contender: "b", Figures: map[Metric]Figure{OpsPerSec: {Median: theirs}}},
			},
		}
	}
	for _, c := range []struct {
		ours, theirs float64
		goal         Goal
		known, met   bool
	}{
		{150, 100, Goal{Metric: OpsPerSec, AtLeast: 1.5}, true, true},
		{149.99, 100, Goal{Metric: OpsPerSec, AtLeast: 1.5}, true, false},
		{50, 100, Goal{Metric: OpsPerSec, AtMost: 0.5}, true, true},
		{50.01, 100, Goal{Metric: OpsPerSec, AtMost: 0.5}, true, false},
		{150, 0, Goal{Metric: OpsPerSec, AtLeast: 1.5}, false, false},
		{150, 100, Goal{Metric: P99, AtMost: 1.5}, false, false},
		{150, 100, Goal{Metric: OpsPerSec, AtLeast: 1.5, Of: "b"}, true, true},
	} {
		got := report(c.ours, c.theirs, c.goal).Outcomes()
		require.Len(t, got, 1)
		require.Equal(t, c.known, got[0].Known, "%+v", c)
		require.Equal(t, c.met, got[0].Met, "%+v", c)
	}
}

func TestFigureIsTheMedian(t *testing.T) {
	require.Equal(t, Figure{Median: 3, Min: 1, Max: 100}, figureOf([]float64{100, 1, 3}))
	require.Equal(t, Figure{Median: 2.5, Min: 1, Max: 100}, figureOf([]float64{100, 1, 3, 2}))
}

func TestAMetricMissingFromOneRoundIsAbsent(t *testing.T) {
	r := newResult("n=1", "a", []sample{{OpsPerSec: 1, P50: 2}, {OpsPerSec: 1}}, nil)
	require.Contains(t, r.Figures, OpsPerSec)
	require.NotContains(t, r.Figures, P50)
}

func TestQuantilesAreWithinThreePercent(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	var h, half histogram
	var all []time.Duration
	for i := range 20_000 {
		d := time.Duration(1) << rng.IntN(50)
		d += time.Duration(rng.Int64N(int64(d)))
		all = append(all, d)
		if i%2 == 0 {
			h.add(d)
		} else {
			half.add(d)
		}
	}
	h.merge(&half)
	slices.Sort(all)
	for _, q := range []float64{0.001, 0.25, 0.5, 0.9, 0.99, 1} {
		exact := all[max(int(q*float64(len(all))+0.5)-1, 0)]
		require.InDelta(t, float64(exact), float64(h.quantile(q)), 0.03*float64(exact)+1, "q=%g", q)
	}
}

func TestHistogramTakesAnyDuration(t *testing.T) {
	for _, d := range []time.Duration{-1, 0, 1, 31, 32, 63, 64, 1<<62 - 1, 1 << 62, 1<<63 - 1} {
		var h histogram
		h.add(d)
		require.InEpsilon(t, float64(max(d, 0))+1, float64(h.quantile(0.5))+1, 0.03)
	}
	var empty histogram
	require.Zero(t, empty.quantile(0.5))
}

func TestFiguresHaveThreeDigitsAndAUnit(t *testing.T) {
	for _, c := range []struct {
		m    Metric
		v    float64
		want string
	}{
		{OpsPerSec, 0.5, "0.50"}, {OpsPerSec, 7, "7"}, {OpsPerSec, 99.96, "100"}, {OpsPerSec, 999.6, "1.00 k"},
		{OpsPerSec, 412_345, "412 k"}, {OpsPerSec, 1_234_567, "1.23 M"}, {OpsPerSec, 5e12, "5000 G"},
		{CPUPerOp, 12, "12 ns"}, {CPUPerOp, 9_996, "10.0 µs"}, {P99, 1_260_000, "1.26 ms"}, {P50, 61e9, "61.0 s"},
		{BytesPerOp, 210.5, "210 B"}, {BytesPerOp, 1023.9, "1.00 KiB"}, {PeakRSS, 41 << 20, "41.0 MiB"},
		{AllocsPerOp, 0, "0"}, {AllocsPerOp, 2.25, "2.25"},
	} {
		require.Equal(t, c.want, c.m.format(c.v), "%v %v", c.m, c.v)
	}
}

func TestLongTextIsWrappedOrCut(t *testing.T) {
	require.Equal(t, []string{"a bb", "ccc", "dddd", "ee"}, wrap("a bb ccc ddddee", 4))
	require.Empty(t, wrap("  ", 4))
	require.Equal(t, "abc…", cut("abcde", 4))
	require.Equal(t, "äbcd", cut("äbcd", 4))
}

func TestReportSaysWhereItComesFrom(t *testing.T) {
	m := thisMachine()
	require.NotEmpty(t, m.CPU)
	require.Positive(t, m.Cores)
	require.Contains(t, Machine{CPU: "x", Cores: 1, OS: "linux", Arch: "386", Go: "go1.26"}.String(), "x, 1 core, linux/386, go1.26")
	require.Equal(t, "v9", versionOf(Contender{Version: "v9", Module: "github.com/stretchr/testify"}))
	require.NotEmpty(t, thisCommand())
}

func TestVersionsComeFromTheBuild(t *testing.T) {
	info := &debug.BuildInfo{
		Main:     debug.Module{Path: "m", Version: "(devel)"},
		Settings: []debug.BuildSetting{{Key: "vcs.revision", Value: "0123456789abcdef"}},
		Deps: []*debug.Module{
			{Path: "a", Version: "v1.2.3"},
			{Path: "b", Version: "v1", Replace: &debug.Module{Path: "c", Version: "v2"}},
			{Path: "d", Version: "v1", Replace: &debug.Module{Path: "../d"}},
		},
	}
	for module, want := range map[string]string{"a": "v1.2.3", "b": "v2", "d": "(local copy)", "m": "0123456789ab", "nowhere": ""} {
		require.Equal(t, want, versionIn(info, module), module)
	}
	require.Equal(t, "(devel)", versionIn(&debug.BuildInfo{Main: info.Main}, "m"), "a build outside version control")
}
