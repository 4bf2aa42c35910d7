// Package rpc is CometBFT's RPC over a node of package fullnode: what its clients, explorers and scripts call, with the
// same names, parameters and shapes.
//
//	GET  /status                     by URI: numbers plain, strings in quotes, bytes as 0x...
//	GET  /abci_query?data="name"
//	POST /                           JSON-RPC 2.0, single or a batch: bytes in base64, 64-bit numbers as strings
//	GET  /websocket                  the same, and subscribe
//
// # Rules
//
//	Q1  An answer is CometBFT's: 64-bit integers are strings, hashes and addresses upper-case hexadecimal, bytes base64, and
//	    an error has its code, its message and what was wrong in data.
//	Q2  Whoever asks wrongly is told which parameter, and what is expected. Nobody's question ends the server.
//	Q3  What a client can use up is bounded: body, batch, page, subscriptions, connections, time of a call.
//	Q4  A subscriber hears each block and transaction that matches once and in order, or the connection ends and says why.
//	Q5  A proof of inclusion leads from the transaction to the data hash in the header of its block.
//
// # Reading order
//
//	server.go      requests in, answers out
//	params.go      parameters, by URI and by JSON
//	methods.go     the table of what can be called
//	chain.go       blocks, commits, validators
//	txs.go         transactions, in and out
//	node.go        the node and its application
//	shape.go       what answers look like
//	query.go       the language of subscriptions
//	websocket.go   subscriptions
//	client.go      the other side, for a command line
package rpc
