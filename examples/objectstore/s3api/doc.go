// Package s3api is the S3 protocol: HTTP handlers before a [Store], which knows
// nothing of HTTP, XML or signatures.
//
// # The problem
//
// S3 is not a specification but what clients rely on: dozens of programs and
// libraries, each of which knows the service by its answers. That an empty
// range of an empty object is an error, that deleting what is not there is none,
// that an ETag has quotes, that the XML of a listing may be percent-encoded,
// that a key may end in a slash, or be a slash.
//
// # The picture
//
//	PUT /photos/cat.jpg?partNumber=2&uploadId=7  x-amz-..., Authorization: ..., body
//	   |
//	   |  server.go    a number for the log, a place among RequestsMax    or 429
//	   |  address.go   path or host -> bucket "photos", key "cat.jpg"
//	   |  sigv4        who signed it; a body that verifies itself         or 403
//	   |  route.go     method x what is addressed x sub-resource -> UploadPart
//	   v
//	(*call).uploadPart                    headers.go, condition.go, ranges.go
//	   |                                  read what the headers say
//	   v
//	Store.PutPart(ctx, "photos", "cat.jpg", "7", 2, body, size)
//	   |
//	   |  errors.go    NoSuchUpload -> 404 and <Error><Code>NoSuchUpload...
//	   v
//	200, ETag: "..."                      or S3's error as XML
//
// # The rules
//
//	H1   What is not signed by somebody known is answered by 403 before the
//	     store is asked anything.                                 server.go
//	H2   An object is stored only if its body came whole and as it was promised;
//	     a client that is gone leaves nothing.                    object_put.go
//	H3   Ranges: one, from the front or the end, clipped; none of it there is an
//	     error, nonsense and several are the whole.               ranges.go
//	H4   Conditions of reads, in RFC 9110's order of precedence.  condition.go
//	H5   A condition of a write or delete is checked by the store when it takes place;
//	     If-Match of what is not there is NoSuchKey.              object_put.go
//	H6   A listing shows every key once over its pages, whatever is deleted
//	     meanwhile; rolled-up prefixes count as keys.             list.go
//	H7   Versions: a delete marker is 404 by key and 405 by version, and says so.
//	                                                              object_get.go
//	H8   Parts are numbered 1 to 10000 and completed in order.    multipart.go
//	H9   What is refused has S3's code and status; a sub-resource that nobody
//	     knows is never taken for the object or bucket itself.    route.go
//	H10  Requests over the limit are refused at once, with Retry-After. server.go
//	H11  A client that stalls loses its connection.               stall.go
//	H12  What is not kept is refused, not dropped: tags, encryption, locks.
//	                                                              headers.go
//	H13  A copy has its source's metadata, or all of its own.     copy.go
//	H14  Requests in XML are bounded, and read to their verified end. xml.go
//
// Tests print the rule that was broken; testdata/bugs breaks each on purpose.
//
// # Reading order
//
//	store.go       what is behind
//	server.go      from a request to its answer; address.go, route.go
//	errors.go      how no is said
//	headers.go     what an object's headers say; condition.go, ranges.go
//	object_get.go  object_put.go  object_delete.go  copy.go
//	bucket.go      buckets; configuration.go: what can be asked about them
//	list.go        listings; versions.go
//	multipart.go   uploads in parts; multipart_list.go
//	messages.go    S3's XML; xml.go: reading and writing it
//	metrics.go     counts of all this
//
// Package memstore is a Store of a few maps: what a test wants, and the shortest
// text on what a Store does.
package s3api
