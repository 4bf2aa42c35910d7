// Package gateway has no code, but tests that real clients and servers talk through
// examples/apigateway: grpc-go and coder/websocket, and, where they are installed, curl,
// h2load, protoc, prometheus and promtool.
//
//	go -C examples/interop/gateway test ./...
//	INTEROP_REQUIRE=1 go -C examples/interop/gateway test ./...    a program that is missing is a failure
//
// Debian has them in the packages curl, nghttp2-client, protobuf-compiler, libprotobuf-dev
// and prometheus.
//
// The gateway is built and started as a process, on 127.0.0.1 and free ports, with routes
// of the test. Nothing else is talked to.
package gateway
