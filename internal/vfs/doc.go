// Package vfs is the file system as an interface: what a storage engine asks
// of the disk, and nothing else, on the operating system ([OS]) and in memory
// ([NewMem]).
//
// # The problem
//
// A program that writes to a file has written to the kernel's memory. What a
// power cut leaves of it is another matter: pages go to disk in any order, a
// page may be half there, a file whose bytes were synced may have no name. The
// code that gets this right looks like the code that gets it wrong, and a test
// on a real disk cannot tell them apart, because real power does not go out.
//
// So the file system in memory exists to fail. It numbers every operation, so
// that a test can cut power after each of them in turn, and it keeps apart what
// a program has written from what the disk has promised:
//
//	    program
//	       | Write, WriteAt, Mapping.WriteAt      Create, Rename, Remove, MkdirAll
//	       v                                               v
//	+--------------+                               +--------------+
//	| bytes,length |  as programs see them         |    names     |
//	+--------------+                               +--------------+  KillClone keeps
//	       | Sync                                          | SyncDir  all of this
//	       v                                               v
//	+--------------+                               +--------------+  CrashClone keeps
//	| bytes,length |  as the disk has promised     |    names     |  this, and of the
//	+--------------+                               +--------------+  rest what it likes
//
// A crash clone is drawn from all the states that the rules below allow: real
// file systems allow fewer, each of them other ones (Pillai et al., "All File
// Systems Are Not Created Equal", OSDI 2014). A program that recovers from every
// crash clone does not depend on which one it runs on.
//
// # What is promised
//
//  1. A completed call outlives the process. Stores through a [Mapping] too.
//  2. [File.Sync] makes bytes and length durable; [Mapping.Sync] only bytes.
//  3. File.Sync does not make the file's name durable: [FS.SyncDir] does, for
//     the names in that directory, and not for the directory's own.
//  4. A rename is atomic: after a power cut there is the old state or the new.
//
// # What a power cut may do
//
//  5. A sector of 512 bytes is written whole or not at all. Each sector written
//     since the last sync shows what it held then, or after any of the writes to
//     it since: a prefix of them, whatever the other sectors show.
//  6. The length shows any value it has had since the last sync, whatever the
//     sectors show; where it is ahead of them, zeros are read. What a truncation
//     cuts off is, to the sectors, a write of zeros.
//  7. Creations, renames and removals since the last SyncDir happen or do not,
//     with three reins: those of one name keep their order; a rename into a
//     directory needs the directory; the removal of a directory needs it emptied.
//     Without the latter two, a power cut could lose a file that only moved. As a
//     journal does, SyncDir takes along what the operations it syncs need.
//  8. A Sync, or a StartSync, that fails has lost what it was to make durable:
//     it may be on disk or not, programs read it, and no later Sync helps. Only
//     writing it again does (Rebello et al., "Can Applications Recover from fsync
//     Failures?", ATC 2020). The only safe answer is to stop and recover.
//
// # What is not modelled
//
// Disks that lie about syncing, or damage sectors that nobody wrote (but see
// [Mem.FlipBit]); sectors smaller than 512 bytes, or atomic writes of larger
// ones; garbage where a length was ahead of the bytes (ext4 with
// data=writeback); the page cache that drops a page after a failed sync, so that
// old bytes are read again while the program still runs; links, permissions,
// times. On the operating system, a read error under a mapping is a fault
// (SIGBUS) that Go turns into a panic.
//
// # Use
//
// Production code takes an [FS]; nil means OS(). A test runs the workload once
// to count its operations, and then once for each place to cut power at (see the
// example of [Mem.CutPower]), or once in all, with a clone taken by
// [Mem.Observe] after every operation. [Mem.Inject] adds what else goes wrong.
//
// # Reading order
//
//	vfs.go          the interfaces
//	os.go           the operating system; os_mapping.go; then a platform: os_linux.go, os_unix.go,
//	                os_bsd.go, os_windows.go, os_other.go
//	mem_op.go       what an operation is
//	mem_content.go  bytes and their history (rules 5, 6, 8)
//	mem_dir.go      names and their history (rules 3, 4, 7)
//	mem.go          the file system: how an operation runs
//	mem_file.go     open files and mappings
//	mem_fault.go    what goes wrong
//	mem_crash.go    what is left
//
// Of the tests, mem_crash_test.go lists the states that small stories may end
// in, and reads as the specification; mem_oracle_test.go judges random stories.
package vfs
