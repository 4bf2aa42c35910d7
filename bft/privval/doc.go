// Package privval is the keys of validators, which never sign two things that contradict each other.
//
// # The problem
//
// Two votes of one validator in one round and step are a proof that it is faulty, and it is punished, whether it meant to or not. A process
// that was killed does not remember what it has signed; the log of its node may be lost, or restored from yesterday; and a second process may
// have been started by mistake. So the key has a guard of its own, that knows the last height, round and step it has signed, and that is on
// the disk before the signature leaves (S2):
//
//	node                 guard                  disk                      others
//	  | sign 5/0 prevote x |                      |                          |
//	  |------------------->| 5/0 prevote after    |                          |
//	  |                    | 4/1 precommit? yes   |                          |
//	  |                    |--- write, sync ----->|  <- a crash before this: nothing was signed
//	  |<-- signature ------|                      |  <- a crash after it: the same signature is given out again
//	  |------------------------------------------------ prevote x ---------->|
//	  | sign 5/0 prevote y |                      |
//	  |------------------->| refused: types.ErrDoubleSign
//
// # The rules
//
// S2 of package bft is kept here, whole, and S1 by what package types says is signed. A guard that is lost, damaged or another key's is an
// error with its file and place: a key that may have signed anything signs nothing.
//
// # Reading order
//
//	guard.go       what may be signed after what
//	filesigner.go  a key in a file, and the guard beside it
//	memsigner.go   both in memory, for tests
//
// [FileSigner] and [MemSigner] are a bft.Signer each, and safe for concurrent use.
package privval
