// Package app is an application for consensus, made of modules: the algorithms of the Cosmos SDK as a library. A transaction
// is messages that an account signs; a module says what they mean; the state has one hash, which all nodes agree on.
//
// # The problem
//
// Consensus gives an application bytes in an order, and wants one answer on all machines, for ever. The bytes come from
// anybody: copies of old transactions, a signature for another chain, an endless loop, a message that fails after it has
// moved half of the coins. Each must cost something, do nothing that it may not, and end alike everywhere. And whoever writes
// the next module should not have to think of any of this again.
//
// # The walk of a transaction
//
//	bytes --> decode (T1) --> route, ValidateBasic, signer (T5)
//	                                |
//	          branch of the block's state, and a meter with the transaction's gas
//	                                |
//	            ante: bounds -> size -> sequence -> signature -> fee         fails: the branch is dropped, nothing was (T4)
//	                                |  written to the block's state          CheckTx and proposals end here
//	          another branch        v
//	            message 1 -> router -> handler -> keeper, metered store
//	            message 2 -> ...                                            fails, or runs out of gas: dropped; fee and
//	                                |  written, with the events              sequence stay (T3, G1)
//	                                v
//	          result: code, data, gas wanted and used, events
//
// And the states that there are at one time, each a branch of a tree of package store:
//
//	committed 5 <--- block 6: BeginBlock, transactions, EndBlock --> app hash; Commit makes it committed 6
//	         ^------ proposals: tried and dropped
//	         ^------ the mempool's: what CheckTx let in, dropped with each Commit
//	versions 1..5: queries, with proofs
//
// # The rules
//
// They refine A1 to A5 of package abci. Each has a bug in testdata/bugs, and a test that notices.
//
//	T1  A transaction has one encoding. Its signature is by ZIP-215 (S3 of package bft), over the chain's id and everything else.
//	T2  It is executed once, in the order of its account's sequences.
//	T3  All of its messages happen or none. What ante wrote stays: the fee is paid, the sequence is used.
//	T4  What ante refuses leaves nothing.
//	T5  What is wrong without looking at the state is refused before it: messages that nobody takes, that are not valid, or
//	    that somebody else would have to sign. A module that panics fails its transaction.
//	G1  Gas is taken for bytes, the signature, reads and writes, before they are done. When it has run out it stays out, whoever
//	    catches the error: the messages are reverted, the fee stays, and all of the gas is used.
//	G2  Gas is a function of the transaction and the state it runs on: not of caches, checks, or who asks.
//	M1  A block is a function of the state and the block (A1): no clock, no order of a map, no option of this node.
//	M2  CheckTx, proposals, queries and simulations change nothing that a block sees (A4). The mempool's state begins anew after each.
//	M3  Proposals are made and judged by one function of the same things (A2), within the block's bytes and gas.
//	M4  Only Commit makes a block durable; a crash leaves the last commit (A3).
//	M5  Exporting a state and importing it gives the same state and the same hash.
//
// What is not here: fees stay in an account and are not distributed; one account signs a transaction; validators
// are not jailed for being absent; there is no governance (SetParams is for a module that has one); upgrades are for whoever
// builds a chain.
//
// # Reading order
//
//	coin.go      addresses, coins, sums that are checked
//	codec.go     fields as bytes; tx.go transactions of them
//	module.go    Msg, Route, Module: what is to be written for a new one
//	context.go   the world of a message; gas.go its meter; params.go the prices
//	ante.go      what every transaction goes through; verified.go what is not verified twice
//	runtx.go     the walk, in the order above
//	app.go       the ABCI calls; proposal.go, query.go, genesis.go the rest of them
//	errors.go    failures and their codes
//
//	store/       the state: tree, branches, proofs, versions
//	bank/        coins; staking/ validators
//	apptest/     a chain of one, for the tests of modules
package app
