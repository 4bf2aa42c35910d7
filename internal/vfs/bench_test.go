package vfs_test

import (
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/flagship-go/flagship/internal/vfs"
)

// BenchmarkAppendSync writes 256 bytes and syncs them, into a file that grows
// and into one that is preallocated: what the latter saves is the journal commit
// for the new length.
func BenchmarkAppendSync(b *testing.B) {
	const record = 256
	for _, fsys := range []string{"os", "mem"} {
		for _, preallocated := range []bool{false, true} {
			b.Run(fmt.Sprintf("fs=%s/preallocated=%v", fsys, preallocated), func(b *testing.B) {
				var fs vfs.FS = vfs.NewMem()
				name := "f"
				if fsys == "os" {
					fs, name = vfs.OS(), filepath.Join(b.TempDir(), "f")
				}
				f := create(b, fs, name, "")
				const room = 16 << 20
				if preallocated {
					require.NoError(b, f.Preallocate(room))
					require.NoError(b, f.Sync())
				}
				p := make([]byte, record)
				b.SetBytes(record)
				at := int64(0)
				for b.Loop() {
					if _, err := f.WriteAt(p, at%room); err != nil {
						b.Fatal(err)
					}
					if err := f.Sync(); err != nil {
						b.Fatal(err)
					}
					at += record
				}
			})
		}
	}
}

// BenchmarkMapWrite is the store that a killed process survives, without a
// system call.
func BenchmarkMapWrite(b *testing.B) {
	f := create(b, vfs.OS(), filepath.Join(b.TempDir(), "f"), "")
	require.NoError(b, f.Preallocate(1<<20))
	m := mapping(b, f, 1<<20, vfs.ReadWrite)
	p := make([]byte, 256)
	b.SetBytes(int64(len(p)))
	at := int64(0)
	for b.Loop() {
		if _, err := m.WriteAt(p, at%(1<<20)); err != nil {
			b.Fatal(err)
		}
		at += int64(len(p))
	}
}

// BenchmarkCrashClone clones what a replica of the simulator has on disk: a few
// files, some sectors and names not synced.
func BenchmarkCrashClone(b *testing.B) {
	for _, size := range []int{4 << 10, 256 << 10} {
		b.Run(fmt.Sprintf("files=4/size=%d", size), func(b *testing.B) {
			m := vfs.NewMem()
			for i := range 4 {
				f := create(b, m, fmt.Sprint("f", i), "")
				writeAt(b, f, string(make([]byte, size)), 0)
				require.NoError(b, f.Sync())
				for s := range 4 {
					writeAt(b, f, "unsynced", int64(s*1000))
				}
			}
			rng := rand.New(rand.NewPCG(1, 1))
			b.ReportAllocs()
			for b.Loop() {
				m.CrashClone(rng)
			}
		})
	}
}
