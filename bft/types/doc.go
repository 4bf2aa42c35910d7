// Package types is what a chain is made of: votes and blocks, the validators who cast and decide them, and the bytes that are signed, hashed,
// sent and stored.
//
// # The problem
//
// Machines that do not trust each other have to mean the same by the same bytes. A vote counts if its signature is of exactly these bytes, by a
// key that all take or none does; a block is its hash, and a light client computes it again; a commit is worth what more than two thirds of one
// certain set have signed. Wherever two nodes could read one thing in two ways, one of them forks, or is made to. So there is one value for one
// encoding, one rule for signatures, and one order of validators; and everything here is a function of its arguments, without a clock, a file
// or a key of its own.
//
// # The picture
//
// What proves what, from one height to the next. An arrow is a hash or a signature:
//
//	genesis --> State --> Block 4 <------- Commit of 4 <----- precommits of 4
//	              |         |   parts         | in             signed by the set that
//	              |         v                 v                block 4's header names
//	              |       Results ------> Block 5
//	              |         |  app hash,      |
//	              v         v  results hash   v
//	            State after 4 ----------> State after 5        validators changed by 4 decide 6 (V2)
//
// # The rules
//
// Those of package bft that are kept here:
//
//	K1 V1 V2     power, turns, and changes of validators              validators.go, state.go
//	S1 S3        what is signed, and whose signature is taken         signbytes.go, sign.go
//	ENC          a value has one encoding, the rest is refused        coder.go
//	PART         a part is kept when it is proved to be in its place  parts.go
//	COMMIT       a commit is for one height, round and value          commit.go
//	A1           the header has what the application said before      state.go
//	C1           what of a commit a light client may believe          commit.go
//
// # Reading order
//
//	types.go       heights, rounds, values, votes, proposals
//	validators.go  the set, and whose turn it is; address_index.go finds a validator in it
//	block.go       blocks and their hashes; parts.go the pieces they travel in
//	coder.go       how values become bytes; append.go the smallest pieces; encode.go, message.go, encode_state.go each value
//	signbytes.go   what is signed; sign.go what is accepted
//	commit.go      who has decided a block; evidence.go who has voted twice
//	genesis.go     where a chain begins; state.go what is known after a block, and whether the next one fits
//
// Values are not changed once they are made, and then safe for concurrent use; what is not says so ([PartSet], [Batch]). What is decoded may be
// slices of what it was decoded from.
package types
