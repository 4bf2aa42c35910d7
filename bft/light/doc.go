// Package light follows a chain without its blocks: from one header that is trusted, it comes to trust another one, by
// signatures alone. A phone does so, a bridge to another chain, and a node that has been away too long for [bft] to catch up.
//
//	client, err := light.NewClient(ctx, light.Options{ChainID: "demo", Root: light.Root{Height: 1, Hash: hash},
//		Primary: node, Witnesses: []light.Provider{others...}, Params: light.Params{Period: 14 * 24 * time.Hour}})
//	block, err := client.Update(ctx) // the newest header, verified; block.Header.AppHash proves what the application has
//
// # The problem
//
// A header is signed by validators, and the validators change. Who knows the set of height 10 and is shown height 900 cannot tell
// whether the set of height 900 is one at all. Walking through all heights in between tells, slowly. But a set does not
// change at once, and whoever lies loses a deposit for as long as the unbonding takes: if more than a third of the set
// that we know has signed height 900, then a correct validator has, and it signs only what is the chain's.
//
//	          trusted                                                        wanted
//	height    10                     450                     700             900
//	set       A B C D                C D E F                 D E F G         F G H I
//	           \_______ C, D: 2/4 ____/ \____ D, E, F: 3/4 ___/ \__ F, G _____/
//	           \________________________ nobody: 0/4 ________________________/
//
// From 10 to 900 there is no step, so a pivot in the middle is tried, and from there again: bisection. Where nothing
// changes, a thousand heights are one step; at worst each height is one.
//
// # The rules
//
// C1, in parts, each of them a rule of bfttest.Light:
//
//	The next height's set is the one that the trusted header names as the next (sequential).
//	Of any later height, more than the trust level in power of the trusted header's next set has signed, counted in that set (skipping).
//	And, always, more than two thirds in power of the header's own set.
//	The trusted header is younger than the trust period, by our own clock; it must be shorter than the time in which who lies is punished.
//	The header is later than the trusted one in height and time, and not from the future by more than a clock may drift.
//	Header, commit and sets belong to each other and to the chain. A set's hash does not cover addresses, so each is that of its key.
//
// C2: with more than a third of liars, two headers of one height can both satisfy C1. So what the primary said is compared with
// witnesses. Where one says something else, both sides are followed from the last height on which they agree to the first on
// which they do not. A witness that cannot support its header by C1 has lied, and goes. One that can has shown an attack: the client stops
// and says which validators are faulty ([Attack]).
//
//	lunatic       a header that no execution gave: faulty is who of the common height's next set has signed it
//	equivocation  two blocks in one round: who has signed both. Two signatures prove it to everybody
//	amnesia       two rounds: somebody forgot a lock, and commits alone do not say who (package accountability)
//
// # Reading order
//
//	block.go       a header and what proves it
//	verify.go      C1: pure functions, without a client; for IBC too
//	provider.go    where blocks come from
//	trace.go       bisection, one step after another, and backwards by hashes
//	client.go      the client: what it trusts, and how that grows
//	witnesses.go   who is asked, replaced, and sent away
//	detector.go    C2: where two chains part
//	attack.go      the report
//	store.go       trusted blocks in memory; filestore.go and on disk
package light
