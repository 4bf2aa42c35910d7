// Package history finds out, from nothing but what clients did and saw, whether a store
// kept its transactions apart as it promised, and draws what went wrong. It knows nothing
// of the store. It is the idea of Elle (Kingsbury and Alvaro, "Elle: Inferring Isolation
// Anomalies from Experimental Observations", VLDB 2020), in Go.
//
// # The problem
//
// A test runs a thousand transactions at once, kills nodes meanwhile, and has a list of
// who read what. Is there an order in which they could have run one after another? To
// try orders takes for ever, there are too many. But if each value is written once, a
// read tells who was before; and if what is read is a list to which transactions append,
// it tells the order of all who were before.
//
// # The picture
//
//	T0  append x 1; append y 1
//	T1  read x [1]; read y []
//
//	T0 --wr on x--> T1      T1 saw what T0 appended, so T0 was before
//	T0 <--rw on y-- T1      T1 did not see what T0 appended, so T1 was before
//
// Both cannot be. There is no order if and only if somebody is before himself: a cycle.
// So the checker collects edges,
//
//	ww   the other's version of a key follows mine         (a dependency)
//	wr   the other read my version                         (a dependency)
//	rw   the other's version follows the one that I read   (an anti-dependency)
//
// finds the sets of transactions in which everybody is before everybody (strongly
// connected components, in linear time; of a good history there are none), and looks in
// each for a cycle that is short and bad. What it is called says what level of isolation
// it breaks (Adya):
//
//	                     edges of the cycle              is not to happen at
//	G0                   ww                              read uncommitted
//	G1c                  ww wr                           read committed
//	G-single             ww wr, one rw                   snapshot isolation
//	long fork            ww wr, more rw, none in a row   snapshot isolation
//	G2-item, G2          ww wr, rw in a row              serializable
//	the same, with real time                             strict serializable
//
// Other anomalies need no cycle: a read of what a failed transaction wrote (G1a), or
// wrote over (G1b), a transaction at odds with itself, an update that is lost.
//
// A transaction whose outcome is unknown counts as committed from the moment that somebody
// has seen something it wrote, and as nothing otherwise.
//
// The checker misses what it cannot see: the order of writes to a register that nobody
// read in between, or the end of a list that nobody read. End a test by reading all keys.
// What it reports is certain, if the history is true.
//
// # Reading order
//
//	history.go   the vocabulary; parse.go: as people write it
//	check.go     the names of anomalies, and Check, which calls the rest in order
//	index.go     keys to numbers, writes by key, what each transaction read from others
//	list.go      edges of lists; register.go: of registers; realtime.go: of time
//	graph.go     the graph, and its strongly connected components
//	search.go    which cycle to show, and its name
//	explain.go   why an edge is there; draw.go: the picture
//	bank.go      another sort of history: snapshots of which the sum is known
package history
