// Package abci is the line between consensus and an application: the calls of ABCI 2.0, in
// process. Consensus orders bytes; what they mean is the application's to say.
//
//	                  consensus                           application
//	start             Info, InitChain (height 0)     -->  where it is; genesis
//	a transaction     CheckTx                        -->  may it enter the mempool?
//	our turn          PrepareProposal                -->  which transactions, in which order
//	anyone's block    ProcessProposal                -->  accept, or reject: prevote nil
//	decided           FinalizeBlock, then Commit     -->  results, app hash, validators; then durable
//	a reader          Query                          -->  a value, and its proof
//
// # The rules
//
//	A1   FinalizeBlock is a function of the state and the block: no clock, no random number, no order of a
//	     map. Two applications that saw the same blocks have the same app hash and the same results.
//	A2   ProcessProposal accepts what PrepareProposal of a correct proposer makes, within MaxTxBytes as TxSize counts.
//	A3   Only Commit makes state durable, and Info tells the height and hash of the last Commit. A block finalised and
//	     not committed is finalised again after a crash.
//	A4   CheckTx and Query change nothing that FinalizeBlock sees.
//	A5   A transaction that is no good has a Code that is not 0; it is never an error of the call: that one halts the node.
//	A6   There is a result for each transaction, and changes of validators and parameters are such as consensus can take.
//	A7   Requests and what they refer to belong to the caller: nothing of them is changed, and what is kept is copied.
//
// Consensus calls one method after the other, but Query and CheckTx, which come at any time. bfttest.Application grades an
// application by these rules.
package abci
