// Package push brings the newest configuration to many subscribers, and learns what became of it.
//
// # The problem
//
// Ten thousand gateways ask every few seconds whether there is a new configuration: nearly all of it is for
// nothing, and still a change takes seconds. To push it is quick; but then somebody has to
// know who has what, encode it ten thousand times, and keep a queue for each subscriber that
// is slow, until memory is full of versions that nobody wants any more.
//
// # The picture
//
//	                    newest
//	Publish -> encode     |
//	           (once)     v
//	            v5 ----> v6 ----> v7 (frame, references)
//	         newer:      newer:   newer: not closed yet
//	         closed      closed     ^  ^
//	                                |  +---- feed of a    waits for v7.newer
//	                                +------- feed of b    waits for v7.newer
//	            ^
//	            +--------------------------- feed of c    is slow, still sends v5; v7 is next
//
// There is no queue: a version is a frame of bytes and a channel that is closed when there is a newer
// one. Who is done with one takes the newest. The bytes are lent by reference, and
// when nobody sends them any more they are the room for another version.
//
//	publisher                                   subscriber
//	   |  <---- hello: edge-1, has v5 (sum) -------  |
//	   |  ----- v7, 3 KiB, checksum -------------->  |  Apply: parse, validate, swap
//	   |  <---- ack v7, or nack v7: "f:3:14: ..." -  |
//	   |  ----- ping, each 30 s ------------------>  |
//
// # The rules
//
//	C5  A subscriber gets the newest version, not each of them. A slow one holds up nobody, and one that does not read at all
//	    is given up after WriteTimeout. A version is encoded once. Who refuses one says why (nack), keeps the
//	    last good, and is not sent it again. After a reconnect what is known is not sent again.
//	C1  What is broken is never applied: length, kind, version and bytes are under a checksum, and no memory is made
//	    for a length before the bytes have come.
//
// Frames travel on any [net.Conn] ([Publisher.Serve], [SubscribeConn]), or as the body of an HTTP answer that does not
// end ([Publisher.ServeHTTP], [Subscribe]); reports are then requests of their own.
//
// # What it leaves to others
//
// Who may publish and subscribe: a handler or listener around it (tokens, mutual TLS). What a configuration is: bytes. Which
// of two publishers is right: there is one; a second that starts in its place counts anew, and its versions are told from the first's by
// their checksums.
//
// A subscriber costs its publisher two goroutines (over HTTP those of its connection), and nothing per version. Both ends of a
// pipe together take about 22 KiB, and the configuration that a subscriber has read into memory.
//
// # Reading order
//
// snapshot.go (versions, the core: no goroutine, no clock, no connection), frame.go (bytes), publisher.go and session.go (one
// subscriber, seen from the publisher), subscriber.go, http.go.
//
// Sources: Envoy's xDS protocol (versions, ack and nack), RFC 9112 (chunked streams).
package push
