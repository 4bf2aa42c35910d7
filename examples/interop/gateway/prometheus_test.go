package gateway_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

const ofExample = "../../apigateway/" // where its files for Prometheus are

func TestPromtoolFindsNothingWrong(t *testing.T) {
	promtool := program(t, "promtool")
	run(t, promtool, "check", "config", ofExample+"prometheus.yml") // and the rules that it names
	s := start(t, "")
	do(t, "GET http://"+s.address+"/shop/items", "")
	do(t, "GET http://"+s.address+"/nowhere", "")
	_, metrics := do(t, "GET http://"+s.support+"/metrics", "")
	cmd := exec.Command(promtool, "check", "metrics")
	cmd.Stdin = strings.NewReader(metrics)
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, "%s", out)
	require.Empty(t, string(out))
}

// prometheus is Debian's, running.
type prometheus struct {
	t   *testing.T
	url string
}

// startPrometheus scrapes a gateway with the rules of the example, but in more of a hurry.
func startPrometheus(t *testing.T, target string) *prometheus {
	path := program(t, "prometheus")
	dir := t.TempDir()
	hurry := strings.NewReplacer("5s", "200ms", "127.0.0.1:9911", target, "for: 60s", "for: 1s")
	for _, name := range []string{"prometheus.yml", "alerts.yml"} {
		text, err := os.ReadFile(ofExample + name)
		require.NoError(t, err)
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte(hurry.Replace(string(text))), 0o644))
	}
	// It does not say which port it has if it may choose.
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	address := l.Addr().String()
	require.NoError(t, l.Close())
	ctx, cancel := context.WithCancel(t.Context())
	cmd := exec.CommandContext(ctx, path, "--config.file="+filepath.Join(dir, "prometheus.yml"), "--storage.tsdb.path="+filepath.Join(dir, "data"),
		"--web.listen-address="+address, "--log.level=warn")
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	cmd.WaitDelay = 10 * time.Second
	var says bytes.Buffer
	cmd.Stderr = &says
	require.NoError(t, cmd.Start())
	t.Cleanup(func() {
		cancel()
		cmd.Wait()
		if t.Failed() {
			t.Logf("prometheus says:\n%s", &says)
		}
	})
	p := &prometheus{t, "http://" + address}
	eventually(t, "prometheus is ready", func() bool {
		r, err := client.Get(p.url + "/-/ready")
		if err != nil {
			return false
		}
		r.Body.Close()
		return r.StatusCode == http.StatusOK
	})
	return p
}

// get asks the API; what is in data is decoded into v.
func (p *prometheus) get(path string, v any) {
	p.t.Helper()
	_, text := do(p.t, "GET "+p.url+path, "")
	var answer struct {
		Status, Error string
		Data          json.RawMessage
	}
	require.NoError(p.t, json.Unmarshal([]byte(text), &answer), text)
	require.Equal(p.t, "success", answer.Status, "%s: %s", path, answer.Error)
	require.NoError(p.t, json.Unmarshal(answer.Data, v))
}

// series is how many an expression has now, and the value of the first.
func (p *prometheus) series(expression string) (n int, first string) {
	p.t.Helper()
	var data struct{ Result []struct{ Value []any } }
	p.get("/api/v1/query?query="+url.QueryEscape(expression), &data)
	if len(data.Result) == 0 {
		return 0, ""
	}
	return len(data.Result), fmt.Sprint(data.Result[0].Value[1])
}

// A breaker that stays open is an alert that fires.
func TestPrometheusScrapesAndTheAlertFires(t *testing.T) {
	s := start(t, "")
	p := startPrometheus(t, s.support)
	eventually(t, "the gateway is scraped", func() bool { n, up := p.series("up"); return n == 1 && up == "1" })
	const state = `circuit_breaker_state{route="orders"}`
	eventually(t, "the breaker is closed", func() bool { n, value := p.series(state); return n == 1 && value == "0" })

	code, _ := do(t, "POST http://"+s.shop1+"/fail?for=1h", "")
	require.Equal(t, http.StatusOK, code)
	for range 6 {
		code, _ = do(t, "POST http://"+s.address+"/shop/orders", `{"item":1}`)
		require.Equal(t, http.StatusServiceUnavailable, code)
	}
	eventually(t, "the breaker is open", func() bool { _, value := p.series(state); return value == "2" })
	eventually(t, "the alert fires", func() bool {
		var data struct {
			Alerts []struct {
				State  string
				Labels map[string]string
			}
		}
		p.get("/api/v1/alerts", &data)
		for _, a := range data.Alerts {
			if a.Labels["alertname"] == "BreakerOpen" && a.State == "firing" {
				require.Equal(t, "orders", a.Labels["route"])
				return true
			}
		}
		return false
	})
	n, _ := p.series(`circuit_breaker_calls_total{route="orders",outcome="rejected"} == 1`)
	require.Equal(t, 1, n, "one order was refused")
	p.dashboard()
}

// dashboard asks for all that the dashboard shows, and there is something of each.
func (p *prometheus) dashboard() {
	p.t.Helper()
	text, err := os.ReadFile(ofExample + "grafana.json")
	require.NoError(p.t, err)
	var dashboard struct {
		Panels []struct {
			Title   string
			Targets []struct{ Expr string }
		}
	}
	require.NoError(p.t, json.Unmarshal(text, &dashboard))
	require.NotEmpty(p.t, dashboard.Panels)
	all := strings.NewReplacer("$instance", ".*", "$route", ".*")
	for _, panel := range dashboard.Panels {
		for _, target := range panel.Targets {
			eventually(p.t, panel.Title+" has something to show: "+target.Expr, func() bool { n, _ := p.series(all.Replace(target.Expr)); return n > 0 })
		}
	}
}
