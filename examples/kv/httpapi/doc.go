// Package httpapi speaks etcd's v3 JSON API, as etcd's gateway does, before a
// service.Member.
//
//	curl localhost:2379/v3/kv/put -d '{"key":"Zm9v","value":"YmFy"}'
//	{"header":{"cluster_id":"...","member_id":"...","revision":"2","raft_term":"2"}}
//
// # The problem
//
// etcd's API is gRPC; its JSON is what protobuf makes of the messages. A client
// written against it relies on details: bytes are base64 and 64-bit numbers
// strings, zero values are absent, an error is a body with a code of gRPC, and a
// stream is a row of objects within {"result": ...}.
//
// # The picture
//
//	POST /v3/kv/put {"key":"Zm9v"}
//	   |
//	   |  decode.go    JSON -> putRequest          or 400, code 3
//	   |  convert.go   putRequest -> store.PutRequest
//	   |  api.go       service.Member.Put          or 4xx/5xx, etcd's code and text
//	   |  convert.go   store.PutResponse -> putResponse
//	   v
//	{"header":{...}}
//
// # The rules
//
//	H1  A request is read as etcd's gateway reads it: a number, base64 or enum
//	    that is none is refused, a field that nobody knows is passed over.
//	                                                         decode.go
//	H2  A body and a stream's message are bounded.           api.go, stream.go
//	H3  A client that stops reading costs a connection, for StallTimeout; a
//	    stream's events wait in the store, and when they are compacted
//	    there the watch is cancelled with the reason.        stream.go, api.go
//	H4  Events of a watch come in order, each once; "created" comes before
//	    them, and after "canceled" nothing.                  watch.go
//	H5  A refusal has etcd's code and text, and the HTTP status of its code.
//	                                                         errors.go
//	H6  A lease that is over is no error: its TTL says so.   lease.go
//	H7  A member is healthy if it serves everything, and ready if it serves
//	    reads.                                               probes.go
//	H8  A snapshot ends with the SHA-256 of what was before, or with the error
//	    that it broke off for.                               admin.go
//	H9  The size of the store is what it takes, also when it is a tree on the
//	    disk, and falls by defragmentation.          admin.go, probes.go
//	H10 An error is the last answer of a stream, and when its request is over
//	    nobody uses its connection.                          stream.go, watch.go
//
// Tests print the rule that was broken; testdata/bugs breaks each on purpose.
//
// # Reading order
//
//	messages.go  etcd's messages
//	decode.go    JSON as protobuf reads it
//	errors.go    how no is said
//	convert.go   to and from the store's vocabulary
//	api.go       requests with one answer; lease.go and admin.go: more of them
//	stream.go    requests with many
//	watch.go     watches
//	probes.go    /health, /readyz, /metrics
package httpapi
