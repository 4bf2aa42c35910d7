// Package sigv4 is AWS Signature Version 4 as S3 uses it, from scratch: both
// sides, for headers, URLs and streamed bodies.
//
// # The problem
//
// A client and a server share a secret. Each request shall prove that whoever
// made it knows the secret, and that nobody changed it on the way: its method,
// its path, its query, the headers that matter, and its body, which may be
// larger than memory and not even exist when the request begins. A proof that
// was overheard shall be of little use: it holds for one request, and minutes.
//
// # The picture
//
//	GET /photos/a%20b.jpg?list-type=2 ...        the request
//	    |
//	    |  canonical.go: both sides write it down in one way only
//	    v
//	GET                                          the canonical request
//	/photos/a%20b.jpg
//	list-type=2                                  sorted, encoded once
//	host:bucket.s3.amazonaws.com
//	x-amz-date:20130524T000000Z
//
//	host;x-amz-date                              which headers are meant
//	e3b0c44298fc...                              SHA-256 of the body
//	    |
//	    v
//	AWS4-HMAC-SHA256                             the string to sign
//	20130524T000000Z
//	20130524/us-east-1/s3/aws4_request           the scope
//	7344ae5b7ee6...                              SHA-256 of the above
//	    |
//	    |  HMAC with a key made of the secret and the scope  (scope.go)
//	    v
//	f0e8bdb87c96...                              the signature
//
// A body that is not known when its request is signed is cut into chunks, each
// signed together with the signature before it, so that none can be changed,
// moved, repeated or left out:
//
//	headers -- signature 0                           x-amz-content-sha256:
//	             |                                   STREAMING-AWS4-HMAC-SHA256-PAYLOAD[-TRAILER]
//	             v
//	10000;chunk-signature=  signature 1  CRLF 64 KiB CRLF
//	             |
//	             v
//	0;chunk-signature=      signature 2  CRLF
//	             |
//	             v
//	x-amz-checksum-crc32c:sOO8/Q== CRLF              if a trailer was announced
//	x-amz-trailer-signature:signature 3  CRLF CRLF
//
// # The rules
//
//	S1  The canonical request: the query sorted by encoded name, then value;
//	    the path of S3 is encoded once, and not cleaned.         canonical.go
//	S2  Host and every x-amz- header are signed.                 verify.go
//	S3  The scope is of the request's own day, of this region and service.
//	                                                             verify.go
//	S4  A request is refused more than 15 minutes from its time, on either
//	    side.                                                    verify.go
//	S5  A presigned URL holds from its time until its expiry, 7 days at most.
//	                                                             verify.go
//	S6  A body is delivered whole only if it is the one that was signed, and
//	    has the checksums that were sent with it.                payload.go
//	S7  Chunks: each signature follows from the one before it; the last one,
//	    which is empty, must come.                               chunk.go
//	S8  Trailers are those that were announced, are signed if the chunks are,
//	    and hold the body's checksum.                            chunk.go
//	S9  A body has the length that was promised.                 payload.go
//
// The reader of a body returns an error instead of the last bytes, should
// anything be wrong with it. So whoever read it to its end, or just as many
// bytes as were promised, has what was sent, and whoever did not commits
// nothing. It does not hold back a chunk until it is verified, hence needs no
// memory for it.
//
// Signatures are compared in constant time. The clock is an argument.
//
// Tests print the rule that was broken; testdata/bugs breaks each on purpose.
//
// # Reading order
//
//	canonical.go  one way to write a request
//	scope.go      what a key is for, and how it is made
//	claim.go      what a request says about its signature
//	verify.go     the server's side
//	payload.go    bodies; chunk.go: chunked ones
//	sign.go       the client's side; stream.go: chunked bodies
//	errors.go     S3's codes
//
// Sources: AWS General Reference, "Signature Version 4 signing process"; Amazon
// S3 API Reference, "Authenticating Requests (AWS Signature Version 4)".
package sigv4
