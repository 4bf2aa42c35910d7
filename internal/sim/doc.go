// Package sim is a virtual world for distributed systems: a clock, a network,
// disks, and processes that crash, all on one goroutine and all from one seed.
//
// # The problem
//
// The bugs of a distributed program live in the order of things: a vote that
// arrives after a restart, a power cut between two writes, a leader that was
// paused and does not know it. On real machines such an order comes once in a
// million runs and never again when one looks. Here it comes from a seed. A
// cluster with its disks and its network lives through minutes in a
// millisecond, a failed run is repeated exactly by its number, and the faults
// that did not matter are taken out of it by a machine.
//
//	        scenario: World.At, Schedule
//	            |  crash, pause, partition, chaos, client operations
//	            v
//	+--------------------------- World ---------------------------+
//	|  queue: what happens when        now = 1.204311             |
//	|                                                             |
//	|   Process 1          network            Process 2           |
//	|   +----------+   latency, loss,        +----------+         |
//	|   | Handler  |-- order, copies,  ----->| Handler  |         |
//	|   | timers   |   partitions            | timers   |         |
//	|   +----+-----+                         +----+-----+         |
//	|        | disk: vfs.Mem                      |               |
//	+--------+------------------------------------+---------------+
//	            |
//	            v
//	        events: tests, terminal, page
//
// # What is deterministic, and by which rules
//
//  1. One seed is one run, byte for byte, on every platform. Nothing here looks
//     at the real clock, starts a goroutine, ranges over a map or lets
//     floating point decide more than a probability. The program under test
//     must do likewise: it takes time and chance from its [Process] only.
//  2. What is due at the same instant happens in the order in which it was put
//     off to that instant.
//  3. Chance is divided. Every direction of every link, every life of a process,
//     every crash of a disk, every kind of fault of a generated schedule and
//     every name of [World.Rand] has a random stream of its own. A fault more
//     or less changes what it touches and not the luck of all the others.
//  4. A message takes the same number of draws whatever becomes of it, so that
//     a window of loss does not change the latencies after it.
//  5. An action of a [Schedule] carries its own end and means nothing where it
//     makes no sense. Every subset of a schedule is a schedule.
//  6. A crash ends a life ([Process]). Timers, unsent messages and waiting work
//     die with it; a call from an old life does nothing to the new one.
//
// # What the world can do
//
// Network ([Chaos]): latency, loss, duplicates and messages that fall behind;
// for all links or for one direction of one. Partitions in groups, which may
// overlap in a bridge, and one-way cuts. A link keeps its order, as TCP does,
// but for what [Chaos].Reorder holds back and for second copies.
//
// Processes: [World.Crash] by power cut or kill, and [World.CrashDuring] in the
// midst of a handler's disk operations; [World.Restart]; [World.Pause];
// [World.SetDrift] for clocks that run too fast or slow.
//
// Disks: all the faults of [vfs.Mem], by [World.Disk]. A fault with a stall
// takes virtual time: the handler goes on at once in real time, but what it
// sends after the stall leaves after the stall, and all that arrives meanwhile
// waits.
//
// # What is out of the model
//
// A handler's computation takes no time: only the disk makes it slow. Within
// a process nothing happens at once, so data races stay for the race detector.
// Messages are not bytes in a connection: there is no back-pressure, no
// bandwidth, no half-open connection, and one sent to an old life may reach the
// new one. (That is harsher than TCP. A protocol that relies on connections
// must number them.) Clocks drift but do not jump. Disks fail as [vfs.Mem] says.
//
// # Writing a test
//
//	w := sim.New(sim.Options{Seed: seed, Clone: copyMessage, Sink: checker.Event})
//	for id := sim.ID(1); id <= 5; id++ {
//		w.Spawn(id, bootReplica)            // also runs at every restart
//	}
//	schedule := sim.Generate(seed, profile) // faults and client operations
//	schedule.Apply(w, func(a sim.Action) { w.Inject(client, a.Text) })
//	err := w.Run(profile.Length)            // a panic, with seed and time
//	w.Recover()
//	settled := w.RunUntil(allAgree, profile.Length+10*time.Second)
//
// Safety is checked in the sink, at every event, with what the program tells it
// by [Process.Note]. Liveness is checked after the schedule: by then the faults
// are over, but for those that still wait for a disk operation and for starts
// that failed, which [World.Recover] deals with, and the cluster must come to
// agree in bounded time. When a seed fails, wrap the above in a function from
// schedule to failure, give it to [Schedule.Minimise], and paste the few lines
// of [Schedule.String] that are left into a test of their own, where
// [ParseSchedule] reads them. The example of this package is a whole test.
//
// # Reading order
//
//	event.go     what can happen, as data
//	queue.go     when: the heap under everything
//	rand.go      the streams of chance
//	world.go     the loop
//	process.go   one life of a process: handlers, timers, busy and paused
//	disk.go      its disk: stalls, and crashes between operations
//	faults.go    crash, restart, pause, drift
//	network.go   links, partitions, chaos
//	schedule.go  faults as data; notation.go writes and reads them,
//	generate.go  draws them from a seed, minimise.go makes them few
package sim
