// Package transcode lets a client that speaks HTTP and JSON call a service that speaks
// gRPC, with nothing generated: the service's descriptors say at run time what its
// messages look like, and its google.api.http rules which request is which call.
//
// # The problem
//
// A gRPC service is one interface; browsers, scripts and partners want the other:
//
//	GET /v1/shelves/7?view=FULL           POST /library.v1.Library/GetShelf
//	Accept: application/json       ==>    content-type: application/grpc
//	                                      te: trailers
//	                                      00 00 00 00 0d  0a 09 73 68 65 6c ...
//	                                      |  `- length -'  `- message, protobuf
//	                                      `- flags: 1 is compressed
//
// The rule that joins them is written where the service is, in its .proto file:
//
//	rpc GetShelf(GetShelfRequest) returns (Shelf) {
//	  option (google.api.http) = { get: "/v1/{name=shelves/*}" };
//	}
//
// Three kinds of program act on it. Kratos generates an HTTP handler that calls the
// service's Go method; grpc-gateway generates an HTTP handler that is a gRPC client; Envoy's
// gRPC-JSON filter reads a descriptor set when it starts, and transcodes bytes as they
// pass. This package is of the third kind: a new method needs a new descriptor set,
// not a new gateway.
//
// # The walk of one call
//
//	            request                              answer
//	               |                                    ^
//	rules.Match    | method and path -> binding         | JSON, NDJSON or SSE    stream.go
//	codec.build    | body, then path, then query        | status -> HTTP         status.go
//	               | -> one dynamic message             | message -> JSON        response.go
//	appendFrame    | flags, length, message             | frames, trailers       frame.go
//	               v                                    |
//	            upstream, h2c  ------------------>  upstream
//
// A unary answer is held until its trailers have come, since only they say whether the call went well, and an
// HTTP status comes first. The messages of a stream are passed on one by one, as they come. By then the status is
// sent: an error that comes later is the last message, {"error": {...}}, or an SSE event named error (X3).
//
// # What is bounded
//
// A message is held whole, before and after it is turned, and its size is limited ([Spec.MaxMessage],
// 4 MiB as in gRPC) before memory is taken for it, compressed or not (X4). A dynamic message takes
// more than its bytes: a body of empty objects about sixty times as much. The messages of a client's stream are
// bounded together, since the call begins when the last of them is there: a client that needs to hear an answer before
// it goes on must speak gRPC. Of a server's stream one message is held at a time.
//
// # What it costs
//
// Finding the binding takes a walk of the tree and no memory. A small unary call takes 12 µs of processor time and
// 62 allocations, there and back, and most of that is spent in protojson and dynamicpb, which look at every field by
// reflection; with a list of 150 short strings it is 120 to 180 µs. (go test -bench Unary, Intel Xeon, 2 cores that others used too,
// 2026-11-27, Go 1.26.8, protobuf 1.36.12.) To write JSON straight from the wire's bytes, and back, would be faster. It would
// also be a second protojson, with every corner of the mapping (X1) ours to get right.
//
// # The decisions that google.api.http leaves open
//
//	Several templates fit       Segment by segment a literal beats *, which beats **; a verb that is some
//	                            template's beats a name with a colon. Methods count: a template that fits but
//	                            lacks the method is passed over. The same template twice is an error.
//	Literals                    are compared as they are sent: %73helves is not shelves. So the gateway's
//	                            routes (M2) and this package never disagree about what a path is.
//	Path and body disagree      400. They may say the same, as an updated resource does that has its name in it.
//	A query parameter           that names what the path or the body has, or no field: 400.
//	JSON names                  lowerCamelCase or as in the .proto file; answers have lowerCamelCase.
//
// # Reading order
//
//	descriptor.go  a descriptor set becomes services; annotation.go: the rule in a method's options
//	template.go    /v1/{name=shelves/*}:cancel, parsed
//	match.go       the tree of templates, and which of them a path is
//	rule.go        a rule is checked against its messages: a binding
//	request.go     body, path and query become a message; text.go: one field from text
//	response.go    a message becomes JSON
//	frame.go       messages on the wire; timeouts
//	status.go      how a call ended: trailers, HTTP, JSON
//	stream.go      a stream of messages becomes lines or events
//	httpbody.go    messages that are no JSON but bytes
//	filter.go      the filter grpcTranscode: requests; answer.go: answers
//
// Sources: google/api/http.proto and google/rpc/code.proto (the rules, the table); gRPC's
// doc/PROTOCOL-HTTP2.md and doc/http-grpc-status-mapping.md; protobuf.dev/programming-guides/json.
package transcode
