// Package coprocessor answers queries where the rows are: a small SELECT over one table is
// made into a plan, the plan goes to every region of the table, and what comes back is
// not rows but what they come to.
//
//	query, err := coprocessor.Parse("SELECT b, count(*), sum(x) FROM t WHERE a > 100 GROUP BY b ORDER BY b LIMIT 10")
//	plan, err := query.Plan(table)                // names looked up, types checked
//	start, end := plan.Range()                    // the regions of these keys are asked
//	part, err := plan.Run(ctx, source, nil)       // in each of them
//	for row, err := range plan.Merge(ctx, parts, nil) { ... }
//
// It knows nothing of transactions, regions or networks: a region is a [Source] of rows,
// and package mvcc is one that reads them at a snapshot.
//
// # The problem
//
// A million rows are on three machines, and somebody asks how many of them are longer
// than a hundred. To bring the rows to the question costs a hundred bytes each, to pack,
// send and unpack; to bring the question to the rows costs one loop and sends back a
// number. TiKV calls what runs there a coprocessor; its way of doing it, a small plan of
// relational operators over batches of columns, is that of MonetDB/X100 (Boncz, Zukowski
// and Nes, "MonetDB/X100: Hyper-Pipelining Query Execution", CIDR 2005).
//
// Two things make it hard. A result that was computed in parts must be that of the whole,
// wherever the cuts are: an average of averages is not an average, and the first ten of
// a region are ten at most of the first ten. And an interpreter that decides
// for every row what to do next is slower than SQL has any right to be.
//
// # The picture
//
// A query's way through the rooms, from the left to the right and back:
//
//	 text                    the client                       a region (of many)
//	SELECT ..    +-------+  +-------+  +------+        +-------------------------------+
//	------------>| Parse |->| check |->| Plan |--+---->| Source  a batch of rows       |
//	             +-------+  +-------+  +------+  |     |   |     32, 64, .. 1024       |
//	              parse.go   check.go  plan.go   |     |   v                           |
//	                                             |     | TableScan  columns on demand  | batch.go
//	             rows                            |     |   v                           |
//	             <-----------+                   |     | Selection  WHERE              | eval.go
//	                         |                   |     |   v                           |
//	  Projection   SELECT    |                   |     | Aggregation, partial          | grouping.go
//	     ^                   |                   |     |  or TopN, or Limit            | topn.go
//	  TopN, Limit  ORDER BY  | merge.go          |     +-------|-----------------------+
//	     ^                   |                   |             |
//	  Selection    HAVING    |                   |             | Partial: groups with
//	     ^                   |                   |             | states, or few rows, or
//	  Aggregation, final <---+-------------------+-------------+ a page of rows
//
// Within a region nothing is done for a row that can be done for a thousand. A batch is
// slices of keys and values, that the source owns, and a list of the rows that are still
// selected. An expression asks for a column, and it is decoded into a vector for
// those rows; each node of the expression is one loop over vectors; a filter takes
// numbers out of the list. No row is copied, allocated for, or passed through an
// interface.
//
// # The rules
//
// Tests are named by them, and a bug is planted against each (testdata/bugs).
//
//	C1  The parts add up to the whole: wherever the regions are cut, however a result
//	    is cut into pages, and in whatever order parts of groups and of sorted rows
//	    come, the result is that of one row after the other.         merge.go
//	C2  What is kept of an aggregate can be merged: avg is sum and count, a sum of
//	    ints has 128 bits, min and max of nothing are NULL.          aggregate.go
//	C3  A limit counts what a filter has let through, and HAVING, ORDER BY and
//	    LIMIT over groups wait for all regions.                      plan.go
//	C4  There are no ties: rows that are equal to ORDER BY come in the order of their
//	    keys, groups in that of theirs.                              topn.go
//	C5  NULL is neither true nor false, equal to nothing, in no aggregate but
//	    count(*), a group of its own, and below all values in an order. eval.go
//	C6  Overflow and division by zero are errors with the place and the operands; but
//	    a side that AND or OR does not look at, and NULL, have none. arith.go
//	C7  A row that is malformed is an error with its key and column, never a panic;
//	    it is one only for a query that reads the column.            row.go, batch.go
//	C8  A text is a query or an error with its position; a query prints as a text that
//	    is the same query.                                           parse.go
//	C9  Memory is bounded: by the limit, or by a page where rows are passed on. A
//	    client that takes its time holds a page. A group takes the same time to find,
//	    whatever its key and those of the others.             run.go, group.go
//	C10 What leaves a region shares no memory with the source.       vector.go
//	C11 A range of keys that is scanned has every row that the query wants. keyrange.go
//
// # Reading order
//
// The table: value.go, schema.go, row.go and key.go (the formats, byte by byte),
// errors.go. The query: expr.go (the language and its logic), query.go (and its text),
// lex.go, parse.go, parseexpr.go, check.go, plan.go, keyrange.go. The region: source.go, vector.go,
// batch.go, eval.go with arith.go and like.go, group.go and aggregate.go with
// grouping.go, topn.go, run.go. The root: merge.go.
//
// # What is left out
//
// Joins, queries within queries, DISTINCT, OFFSET, CASE and casts, functions but the
// five aggregates, indexes but the primary key's. The text says so, with the position.
package coprocessor
