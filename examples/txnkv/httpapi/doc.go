// Package httpapi serves a service over HTTP: POST with a JSON object, and a JSON object
// back.
//
//	POST /v1/begin     mode, read_ts            -> txn, start_ts
//	POST /v1/get       txn, key                 -> found, value
//	POST /v1/put       txn, key, value, insert  -> {}
//	POST /v1/delete    txn, key                 -> {}
//	POST /v1/lock      txn, keys                -> values, null for none
//	POST /v1/scan      txn, start, end, limit, reverse, keys_only -> pairs, more
//	POST /v1/commit    txn                      -> commit_ts
//	POST /v1/rollback  txn                      -> {}
//	POST /v1/table     name, columns, key       -> {}
//	POST /v1/insert    txn, table, rows         -> {}
//	POST /v1/select    txn, query, ship         -> columns, rows
//	GET  /v1/tables                             -> tables
//
// Without txn a call is a transaction of its own. Keys and values are strings of UTF-8;
// with "base64": true they are base64, both ways. Timestamps are decimal numbers in
// strings, since JSON's lose digits; commit_ts is "0" for a transaction that wrote nothing.
// An error is {"error": {"code": ..., "message": ...}} with a status of its own, and
// service.Code has the codes. A query's rows go out as they come: an error in their
// midst is the object's last member, and the status was 200 by then.
//
// # The rules
//
//	H1  What is not a request of this API is refused, and says what would be one:
//	    unknown members, other methods, bodies that are too long.    decode.go
//	H2  Bytes come back as they were sent.                           decode.go
//	H3  An error has the status and the code of its kind.            errors.go
//	H4  A query holds a page of rows, however many it has and however slow its
//	    client is; one that takes nothing for too long is cut off.   query.go
package httpapi
