// Package fullnode puts the rooms together: keys, store, log, mempool, evidence, gossip over links, block sync and consensus, in a
// folder of its own. It is what a program starts that wants to be a node of a chain.
//
//	n, err := fullnode.Open(fullnode.Options{Home: "home", App: app, P2PListen: ":26656", PersistentPeers: peers})
//	n.BroadcastTx(ctx, tx)         into the mempool, here and at the others
//	n.WaitTx(ctx, hash)            until it is in a block
//	n.Close()
//
// # The picture
//
//	client --> BroadcastTx --> mempool ---------------------+        home/config/genesis.json
//	                             |                          v                    node_key.json
//	peers <====> switch <==> mempool, evidence, gossip, block sync                priv_validator_key.json, and its guard
//	                                             |          |        home/data/blocks    the store
//	                                          bft.Node <----+                  wal       inputs of the height under way
//	                                             |                             txindex   where each transaction is
//	              store <-- Executor --> application
//	                           |
//	                       follower --> tx index, WaitTx, Subscribe
//
// # The rules
//
//	F1  A home belongs to one node at a time; another one gets vfs.ErrLocked.
//	F2  What is committed is indexed, and told to those who wait and subscribe: each height once, in order, and not before the
//	    application has committed it. After a restart the index knows all blocks that are stored.
//	F3  Nobody is waited for: a subscriber that does not read is ended with ErrSlow.
//	F4  Nothing is heard before the application is where the store is, and everything that Open has started has ended, and is
//	    free for the next one, when Close returns.
//	F5  Nothing is committed after HaltHeight, neither by consensus nor by block sync, nor after a restart with the same one.
//	B1  A node that is behind fetches blocks, and then takes part.
//
// # Reading order
//
//	options.go    what a node is made of
//	fullnode.go   the order of the beginning and of the end
//	calls.go      what the owner of a node may ask of it
//	follower.go   committed blocks, on the way to index and subscribers
//	index.go      from a transaction's hash to its place
//	subscribe.go  who is told
//	recent.go     the last blocks, in memory
package fullnode
