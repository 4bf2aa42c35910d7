// Package table is the file that entries end in: sorted, immutable, and checked.
package table
