package rpc

import (
	"context"
	"fmt"
	"net"
	"time"

	"github.com/flagship-go/flagship/bft/abci"
	"github.com/flagship-go/flagship/bft/fullnode"
	"github.com/flagship-go/flagship/bft/p2p"
	"github.com/flagship-go/flagship/bft/types"
)

// health is an empty answer, or why the node has stopped.
func (s *Server) health(context.Context, *params) (any, error) {
	if err := s.opts.Node.Err(); err != nil {
		return nil, err
	}
	return struct{}{}, nil
}

// The shapes of status and net_info.
type (
	nodeInfo struct {
		Protocol struct {
			P2P   uint64 `json:"p2p,string"`
			Block uint64 `json:"block,string"`
			App   uint64 `json:"app,string"`
		} `json:"protocol_version"`
		ID       p2p.ID `json:"id"`
		Listen   string `json:"listen_addr"`
		Network  string `json:"network"`
		Version  string `json:"version"`
		Channels Hex    `json:"channels"`
		Moniker  string `json:"moniker"`
		Other    struct {
			Index string `json:"tx_index"`
			RPC   string `json:"rpc_address"`
		} `json:"other"`
	}
	syncInfo struct {
		LatestHash     Hex       `json:"latest_block_hash"`
		LatestApp      Hex       `json:"latest_app_hash"`
		LatestHeight   int64     `json:"latest_block_height,string"`
		LatestTime     time.Time `json:"latest_block_time"`
		EarliestHash   Hex       `json:"earliest_block_hash"`
		EarliestApp    Hex       `json:"earliest_app_hash"`
		EarliestHeight int64     `json:"earliest_block_height,string"`
		EarliestTime   time.Time `json:"earliest_block_time"`
		CatchingUp     bool      `json:"catching_up"`
	}
	validatorInfo struct {
		Address Hex   `json:"address"`
		PubKey  *Key  `json:"pub_key"`
		Power   int64 `json:"voting_power,string"`
	}
)

func (s *Server) info(st *p2p.Status) nodeInfo {
	i := nodeInfo{ID: st.ID, Listen: "tcp://" + st.Address, Network: st.Network, Version: s.opts.Version, Moniker: st.Moniker}
	i.Protocol.P2P, i.Protocol.Block = p2p.Version, blockVersion
	i.Other.Index = "on"
	return i
}

func (s *Server) status(context.Context, *params) (any, error) {
	st, err := s.opts.Node.Status()
	if err != nil {
		return nil, err
	}
	sync, err := s.syncInfo(&st)
	if err != nil {
		return nil, err
	}
	answer := struct {
		Node      nodeInfo      `json:"node_info"`
		Sync      syncInfo      `json:"sync_info"`
		Validator validatorInfo `json:"validator_info"`
	}{Node: s.info(&st.Network), Sync: sync}
	if key := s.opts.Node.PubKey(); key != nil {
		shown := pubKey(key)
		answer.Validator.Address, answer.Validator.PubKey = st.Self[:], &shown
		if st.Validators != nil {
			if i := st.Validators.Index(st.Self); i >= 0 {
				answer.Validator.Power = st.Validators.At(i).Power
			}
		}
	}
	return answer, nil
}

// syncInfo tells of what the application has committed.
func (s *Server) syncInfo(st *fullnode.Status) (out syncInfo, err error) {
	out.CatchingUp = st.CatchingUp
	if st.Committed == 0 {
		return out, nil
	}
	blocks := s.opts.Node.Blocks()
	last, id, err := blocks.Block(st.Committed)
	if err != nil {
		return out, err
	}
	results, err := blocks.Results(st.Committed)
	if err != nil {
		return out, err
	}
	first, firstID, err := blocks.Block(max(st.Earliest, blocks.Base()))
	if err != nil {
		return out, err
	}
	out.LatestHash, out.LatestApp, out.LatestHeight, out.LatestTime = hexOf(id.Hash), results.Response.AppHash, int64(last.Height), last.Time
	out.EarliestHash, out.EarliestApp, out.EarliestHeight, out.EarliestTime = hexOf(firstID.Hash), first.AppHash, int64(first.Height), first.Time
	return out, nil
}

func (s *Server) netInfo(context.Context, *params) (any, error) {
	st, err := s.opts.Node.Status()
	if err != nil {
		return nil, err
	}
	type monitor struct {
		Bytes uint64 `json:"Bytes,string"`
	}
	type channel struct {
		ID    byte `json:"ID"`
		Queue int  `json:"SendQueueSize,string"`
	}
	type peer struct {
		Node     nodeInfo `json:"node_info"`
		Outbound bool     `json:"is_outbound"`
		Status   struct {
			Duration int64     `json:"Duration,string"`
			Send     monitor   `json:"SendMonitor"`
			Recv     monitor   `json:"RecvMonitor"`
			Channels []channel `json:"Channels"`
		} `json:"connection_status"`
		IP string `json:"remote_ip"`
	}
	answer := struct {
		Listening bool     `json:"listening"`
		Listeners []string `json:"listeners"`
		Count     int      `json:"n_peers,string"`
		Peers     []peer   `json:"peers"`
	}{st.Network.Listening, []string{}, len(st.Network.Peers), []peer{}}
	if st.Network.Listening {
		answer.Listeners = append(answer.Listeners, fmt.Sprintf("Listener(@%s)", st.Network.Address))
	}
	for _, link := range st.Network.Peers {
		shown := peer{Node: s.info(&p2p.Status{ID: link.ID, Network: st.Network.Network, Moniker: link.Moniker, Address: link.Listen}), Outbound: link.Outbound}
		shown.Node.Version = ""
		shown.IP, _, _ = net.SplitHostPort(link.Address)
		shown.Status.Duration, shown.Status.Send.Bytes, shown.Status.Recv.Bytes = sinceNanoseconds(link.Since), link.Sent, link.Received
		for _, c := range link.Channels {
			shown.Node.Channels = append(shown.Node.Channels, c.ID)
			shown.Status.Channels = append(shown.Status.Channels, channel{c.ID, c.Queued})
		}
		answer.Peers = append(answer.Peers, shown)
	}
	return answer, nil
}

func (s *Server) genesis(context.Context, *params) (any, error) {
	return struct {
		Genesis *types.Genesis `json:"genesis"`
	}{s.opts.Node.Genesis()}, nil
}

// proofOps is a proof in CometBFT's shape: operations from the value up to the app hash.
type proofOps struct {
	Ops []proofOp `json:"ops"`
}

type proofOp struct {
	Type string `json:"type"`
	Key  []byte `json:"key"`
	Data []byte `json:"data"`
}

func (s *Server) abciQuery(ctx context.Context, p *params) (any, error) {
	r := &abci.QueryRequest{Path: p.string("path"), Data: p.bytes("data", true), Height: p.number("height", 0), Prove: p.flag("prove")}
	if p.err == nil && r.Height < 0 {
		p.fail("height is %d, and is 0 (the last) or more", r.Height)
	}
	if p.err != nil {
		return nil, p.err
	}
	a, err := s.opts.Node.Query(ctx, r)
	if err != nil {
		return nil, err
	}
	type answer struct {
		Code      uint32    `json:"code"`
		Log       string    `json:"log"`
		Info      string    `json:"info"`
		Index     int64     `json:"index,string"`
		Key       []byte    `json:"key"`
		Value     []byte    `json:"value"`
		Proof     *proofOps `json:"proofOps"`
		Height    int64     `json:"height,string"`
		Codespace string    `json:"codespace"`
	}
	out := answer{Code: a.Code, Log: a.Log, Key: a.Key, Value: a.Value, Height: a.Height, Codespace: a.Codespace}
	if len(a.Proof) > 0 {
		out.Proof = &proofOps{}
		for _, op := range a.Proof {
			out.Proof.Ops = append(out.Proof.Ops, proofOp{"flagship:store", a.Key, op})
		}
	}
	return struct {
		Response answer `json:"response"`
	}{out}, nil
}

func (s *Server) abciInfo(ctx context.Context, _ *params) (any, error) {
	a, err := s.opts.Node.App().Info(ctx, &abci.InfoRequest{})
	if err != nil {
		return nil, err
	}
	type answer struct {
		Data       string `json:"data"`
		Version    string `json:"version"`
		AppVersion uint64 `json:"app_version,string"`
		Height     int64  `json:"last_block_height,string"`
		AppHash    []byte `json:"last_block_app_hash"`
	}
	return struct {
		Response answer `json:"response"`
	}{answer{a.Data, a.Version, a.AppVersion, a.LastBlockHeight, a.LastBlockAppHash}}, nil
}
