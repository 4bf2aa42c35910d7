// Package gossip carries the messages of consensus between nodes that are linked by package p2p: a [bft.Network].
//
// # The problem
//
// A vote has to reach all validators, over whatever links there are, before anything else can happen. Passing on all that is
// new to all neighbours reaches everybody; but among n nodes that all know each other each vote then travels about n*n times,
// each time to be decrypted and looked at. Looking now and then what a peer lacks sends little, and the time
// between looks is lost at each step of a round: a node that sleeps 100 ms at a time takes 200 ms for an empty block.
//
// # The picture
//
//	Publish, Enter, Want             what this node has       what each peer has
//	        |                       +-------------------+    +-----------------+
//	        +---------------------> | height: groups    |    | view of height  |
//	                                |  messages by      |    |  the same       |
//	heard from a peer ------------> |  number, encoded  |    |  groups, in bits|
//	   |                            +-------------------+    +-----------------+
//	   +--> Node.Deliver                         \              /
//	                                      next(peer): what is here and not there,
//	                                      asked by the link when it can send
//
// Nothing is queued for a peer: when something happens the links for which it may matter are woken, and each asks for what
// its peer lacks at that moment. A slow peer so costs no memory, and hears the latest first.
//
// # Who sends, and who only says
//
// A message is sent to each peer that is not known to have it. But if a peer had it from elsewhere when ours came, twice, then messages of that
// validator are no longer sent to it: it is told that they are here, and asks for those that it lacks. It can tell
// that it came in second because both had sent it, or because it is told. So among nodes that all know each other each vote is sent once to each, by its
// maker; on a ring each is passed on. A node that has lost a peer says so to the others, and they send again
// (the idea is Plumtree's: Leitão, Pereira and Rodrigues, "Epidemic Broadcast Trees", SRDS 2007). Parts of blocks are expected from who has sent the first one.
//
// # Rules
//
//	P2  Gossip waits for events, not for time. What a peer has is not sent to it again.
//	K2  Both votes of a liar are passed on: messages are told apart by their value also.
//	K3  What is kept for rounds to come is bounded as in the core, and what a peer may have dropped
//	    is sent again when it comes to that round and says what it has.
//	K5  A value that has a quorum is asked for, once, of each peer that claims to have it, and sent to who asks, whatever it was sent before.
//
// A peer at an earlier height is served the block and the precommits that decided it, from the store. What it asks for is bounded; what it says of its own
// is kept up to 512 groups a height. Whoever sends what nobody correct sends is disconnected; a message that is merely early or old is not at fault.
//
// # Reading order
//
//	message.go  what peers say to each other
//	height.go   what there is of a height
//	peer.go     what a peer has
//	state.go    what happens at this node
//	heard.go    what a peer says
//	next.go     what a peer is told: the message that is of the most use to it
//	gossip.go   the shell: links, the store, the node
package gossip
