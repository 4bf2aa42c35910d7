// Package s3 has no code, but tests that real clients talk to examples/objectstore:
// minio-go, aws-sdk-go-v2, and, where they are installed, rclone and restic.
//
//	go -C examples/interop/s3 test ./...
//	INTEROP_REQUIRE=1 go -C examples/interop/s3 test ./...    a program that is missing is a failure
//
// The server is built and started as a process, on 127.0.0.1 and a free port,
// over directories of the test. Nothing else is talked to.
package s3
