package rpc

import (
	"context"
	"maps"
	"slices"
)

// A method is something to be called, with its parameters in the order of an array.
type method struct {
	params []string
	do     func(context.Context, *params) (any, error)
}

func (s *Server) table() map[string]method {
	return map[string]method{
		"health":   {nil, s.health},
		"status":   {nil, s.status},
		"net_info": {nil, s.netInfo},
		"genesis":  {nil, s.genesis},

		"block":            {[]string{"height"}, s.block},
		"block_results":    {[]string{"height"}, s.blockResults},
		"blockchain":       {[]string{"minHeight", "maxHeight"}, s.blockchain},
		"header":           {[]string{"height"}, s.header},
		"commit":           {[]string{"height"}, s.commit},
		"validators":       {[]string{"height", "page", "per_page"}, s.validators},
		"consensus_params": {[]string{"height"}, s.consensusParams},

		"broadcast_tx_sync":   {[]string{"tx"}, s.broadcastSync},
		"broadcast_tx_async":  {[]string{"tx"}, s.broadcastAsync},
		"broadcast_tx_commit": {[]string{"tx"}, s.broadcastCommit},
		"tx":                  {[]string{"hash", "prove"}, s.tx},
		"tx_search":           {[]string{"query", "prove", "page", "per_page", "order_by"}, s.txSearch},
		"unconfirmed_txs":     {[]string{"limit"}, s.unconfirmed},
		"num_unconfirmed_txs": {nil, s.numUnconfirmed},

		"abci_query": {[]string{"path", "data", "height", "prove"}, s.abciQuery},
		"abci_info":  {nil, s.abciInfo},
	}
}

func (s *Server) names() []string { return slices.Sorted(maps.Keys(s.methods)) }
