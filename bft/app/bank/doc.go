// Package bank is the module of coins: who has how many, and how they move. Other modules move them through
// its [Keeper], and nobody else writes its state.
//
// # The rules
//
//	B1  The supply of a coin is the sum of its balances, always. Only Mint and Burn change it.
//	B2  No balance is below zero or beyond 2^64-1: what is not there is not sent, and what does not fit is refused.
//	B3  Sending to oneself changes nothing, and still needs the amount.
//	B4  Accounts of modules receive from modules only. A user's coins there would belong to nobody.
//
// # The state
//
//	b/ address 20 | denom  ->  amount, 8 bytes     no entry: zero
//	s/ denom               ->  supply, 8 bytes
//
// bank.go has the keeper, msgs.go the messages, module.go genesis, queries and invariants.
package bank
