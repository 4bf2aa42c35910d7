// Package service is what clients of txnkv can do, whatever protocol they speak: the
// transactions that they have open, keys, tables and queries. HTTP is in package
// httpapi; another protocol would stand beside it.
//
//	            httpapi        (later: the protocol of PostgreSQL)
//	               |                 |
//	service     Service  --  transactions by name, tables, SELECT
//	               |
//	            mvcc.DB
//
// # The rules
//
//	S1  A transaction is one client's, and does one thing at a time; one that is
//	    idle for too long is rolled back, and its name is never another's.  session.go
//	S2  Without a transaction, a call is one of its own.                    keys.go
//	S3  A row is of its table's types, or refused; a table is there once.   table.go
//	S4  Every error has one code, by which clients decide what to do.       errors.go
//	S5  A query sees what its transaction sees, its own writes included.    query.go
//
// # Keys
//
// What begins with a zero byte is the tables': their descriptions, and their rows. The
// rest is the clients'.
package service
