package main

import (
	"fmt"
	"io"
	"net/http"
	"runtime"

	"github.com/flagship-go/flagship/bft/fullnode"
)

// sample is what a node is at one moment.
type sample struct {
	name   string
	status fullnode.Status
	counts fullnode.Metrics
}

// The metrics of each node that runs, with CometBFT's names where it has them.
var metricsOfNodes = []struct {
	name, kind, help string
	value            func(*sample) int64
}{
	{"cometbft_consensus_height", "gauge", "Height of the chain.", func(s *sample) int64 { return int64(s.status.Committed) }},
	{"cometbft_consensus_latest_block_height", "gauge", "The latest block height.", func(s *sample) int64 { return int64(s.status.LastHeight) }},
	{"cometbft_consensus_rounds", "gauge", "Round of the height that is being decided.", func(s *sample) int64 { return int64(s.status.Round) }},
	{"cometbft_consensus_validators", "gauge", "Number of validators.", func(s *sample) int64 {
		if s.status.Validators == nil {
			return 0
		}
		return int64(s.status.Validators.Len())
	}},
	{"cometbft_consensus_validators_power", "gauge", "Total power of all validators.", func(s *sample) int64 {
		if s.status.Validators == nil {
			return 0
		}
		return s.status.Validators.TotalPower()
	}},
	{"cometbft_consensus_total_txs", "counter", "Transactions in committed blocks since the start.", func(s *sample) int64 { return int64(s.counts.Consensus.Txs) }},
	{"cometbft_consensus_committed_total", "counter", "Heights committed by consensus since the start.", func(s *sample) int64 { return int64(s.counts.Consensus.Committed) }},
	{"cometbft_consensus_rounds_total", "counter", "Rounds since the start.", func(s *sample) int64 { return int64(s.counts.Consensus.Rounds) }},
	{"cometbft_consensus_votes_total", "counter", "Votes counted since the start.", func(s *sample) int64 { return int64(s.counts.Consensus.Votes) }},
	{"cometbft_consensus_double_votes_total", "counter", "Double votes found since the start.", func(s *sample) int64 { return int64(s.counts.Consensus.Equivocate) }},
	{"cometbft_blocksync_syncing", "gauge", "Whether the node fetches blocks.", func(s *sample) int64 {
		if s.status.CatchingUp {
			return 1
		}
		return 0
	}},
	{"cometbft_p2p_peers", "gauge", "Number of peers.", func(s *sample) int64 { return int64(len(s.status.Network.Peers)) }},
	{"cometbft_mempool_size", "gauge", "Number of uncommitted transactions in the mempool.", func(s *sample) int64 { return int64(s.counts.Mempool.Txs) }},
	{"cometbft_mempool_size_bytes", "gauge", "Size of the mempool in bytes.", func(s *sample) int64 { return s.counts.Mempool.Bytes }},
	{"cometbft_mempool_failed_txs", "counter", "Number of failed transactions.", func(s *sample) int64 { return int64(s.counts.Mempool.Refused) }},
	{"cometbft_mempool_evicted_txs", "counter", "Number of evicted transactions.", func(s *sample) int64 { return int64(s.counts.Mempool.Evicted) }},
	{"cometbft_mempool_rejected_txs", "counter", "Number of rejected transactions, for want of room.", func(s *sample) int64 { return int64(s.counts.Mempool.Full) }},
	{"cometbft_mempool_already_received_txs", "counter", "Number of duplicate transaction reception.", func(s *sample) int64 { return int64(s.counts.Mempool.Seen) }},
}

// metrics is Prometheus' text.
func (s *server) metrics(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "text/plain; version=0.0.4; charset=utf-8")
	var samples []*sample
	head(w, "chain_node_up", "gauge", "Whether a node runs.")
	for _, m := range s.members {
		up := 0
		if n := m.running(); n != nil && n.Err() == nil {
			st, err := n.Status()
			if err != nil {
				s.log.Error("metrics", "node", m.name, "err", err)
				continue
			}
			up = 1
			samples = append(samples, &sample{m.name, st, n.Metrics()})
		}
		fmt.Fprintf(w, "chain_node_up{node=%q} %d\n", m.name, up)
	}
	for _, m := range metricsOfNodes {
		head(w, m.name, m.kind, m.help)
		for _, at := range samples {
			fmt.Fprintf(w, "%s{chain_id=%q,node=%q} %d\n", m.name, at.status.Network.Network, at.name, m.value(at))
		}
	}
	head(w, "go_goroutines", "gauge", "Number of goroutines that currently exist.")
	fmt.Fprintf(w, "go_goroutines %d\n", runtime.NumGoroutine())
}

func head(w io.Writer, name, kind, help string) {
	fmt.Fprintf(w, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, kind)
}
