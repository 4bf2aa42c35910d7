// Package store is the deterministic heart of examples/kv: etcd's revisioned
// key-value store, leases, alarms and watches as a state machine under raft.
package store
