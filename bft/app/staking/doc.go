// Package staking is the module of validators: who stakes coins on whom, what power consensus gives them for it, and what a fault costs.
//
//	    coins of an account              delegate                delegated pool         undelegate        unbonding pool
//	       (bank)          ------------------------------->   (a module account)   ---------------->    (a module account)
//	         ^                                                  |                                         |        |
//	         |                                                  | slash: burned                   slashed |        | after
//	         +--------------------------------------------------|---------------------------------------- | -------+ unbonding time
//	                                                            v                                         v
//
//	delegations of a validator --sum--> tokens --/ power reduction--> power --the most powerful--> validator updates (EndBlock)
//
// # The rules
//
//	D1  The delegated pool has the sum of the delegations, which is that of the validators' tokens; the unbonding pool has
//	    the sum of what is unbonding. At every height, to the last unit.
//	D2  Power is tokens / power reduction. The reduction is at least 16, so the powers of all the 2^64-1 units that there
//	    can be stay within types.MaxTotalPower.
//	D3  The validators are the MaxValidators with the most power, equal ones by address. What changes is told to consensus in
//	    EndBlock, each change once. A set never becomes empty: then the last one stays, for nobody could decide a block any more.
//	D4  Who undelegates has the coins after the unbonding time, by the blocks' clock. Until then they are liable.
//	D5  A double vote burns a part of all that was staked on the validator at the time: delegations, and what has begun to
//	    unbond since. Parts are rounded up, so that nobody evades by crumbs. Power changes take two heights (V2 of package bft), so
//	    what began to unbond in the block before the fault was voting still, and is liable.
//	D6  Who voted twice is out, for good, and pays once: further proofs are of the same fault.
//
// Evidence is to expire before what it is about has unbonded: the chain's evidence ages are to be shorter than the unbonding time.
//
// A slash walks over the delegations of one validator, and each delegation has its amount. The Cosmos SDK has shares instead, whose
// worth falls for all at once; that takes constant time, and rounding that never adds up to the last unit.
//
// # The state
//
//	params                                          ->  Params in JSON
//	v/ operator 20                                  ->  public key 32 | tokens 8 | jailed 1
//	c/ consensus address 20                         ->  operator 20
//	r/ ^power 8 | operator 20                       ->  nothing       the ranking: of those not jailed, with power
//	p/ operator 20                                  ->  power 8       what consensus was told
//	d/ operator 20 | delegator 20                   ->  amount 8
//	u/ operator 20 | time 8 | height 8 | delegator  ->  amount 8      unbonding until time, begun at height
//	q/ time 8 | height 8 | operator 20 | delegator  ->  nothing       the same, in the order in which they end
//
// # Reading order
//
//	staking.go    the keeper: validators and delegations; msgs.go the messages
//	unbonding.go  the way out; slash.go the fault; set.go the updates to consensus
//	module.go     genesis, queries, invariants
package staking
