// Package peers makes production stores into what mvcctest grades: badger behind
// mvcctest.DB. kit_test.go says what each claims, and what it cannot do.
//
// Whoever comes from badger finds in badger.go what of package mvcc stands for what of it.
package peers
