//go:build race

package rs

func init() { poolsForget = true }
