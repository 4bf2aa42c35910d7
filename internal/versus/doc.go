// Package versus measures implementations of one thing side by side: ours, the
// production system's, whatever else there is. It is what all comparisons of
// this project share, so that their figures mean the same.
//
//	report, err := versus.Run(ctx, versus.Config{Title: "...", Ours: "flagship"}, contenders, cells)
//	report.Markdown(os.Stdout)
//	report.SVG(file)
//
// # Measuring fairly on a shared machine
//
// A benchmark answers "how fast was this, here, then". What is wanted is "which
// is faster, and by how much", and most of what stands between the two is the
// machine: other tenants, clock speeds that follow the temperature, a page cache
// that the first run fills for the second. Averages over such noise converge on
// nothing. What helps is to let it fall on all alike:
//
//	cell size=64/clients=64         (each cell by itself)
//
//	          time ------------------------------------------------>
//	warm-up   [A] [B] [C]                              not counted
//	round 1   [A] [B] [C]
//	round 2       [B] [C] [A]       each round begins with the next
//	round 3           [C] [A] [B]
//
//	          figure of A = median of A over its rounds
//
// The rules, and why:
//
//  1. Contenders are interleaved, not run one after the other: a slow minute
//     of the machine costs each of them one round, and the median drops it.
//  2. The order rotates, so that nobody always runs after the one that heats the
//     processor or fills the disk's write cache.
//  3. The figure is the median, and the spread stands beside it. A ratio smaller
//     than the spread is not a result.
//  4. All run the same loop ([Work.Each]), with random sources seeded alike: the
//     same keys in the same order.
//  5. Each sample starts from a fresh Setup and a collected heap, and neither is
//     counted: nobody pays for another's garbage.
//  6. Processor time per operation stands beside operations per second. On a
//     shared machine the rate depends on what the neighbours left over; the
//     processor time much less. It also shows a rate that was bought with a
//     second core.
//  7. Memory of several contenders in one process cannot be told apart, nor can
//     the processor time of goroutines that outlive Close. Where that matters,
//     Config.Process gives each sample a process of its own, and a Remote runner
//     drives a contender that is a process by itself, such as a server.
//  8. Machine, date, versions and the command are part of the result. A missed
//     goal is shown as missed.
//
// What this cannot do is to make the workload fair. That the peer is configured
// as its documentation advises, that both sync to disk or neither does, that
// both return the same answer: this is for the contender's author to see to, and
// to say in the comparison's own text.
//
// # One process a sample
//
// With Config.Process, Run starts the program's own binary again with the same
// arguments and an environment variable that names a contender and a cell. In
// that process the program's main comes to the same Run, which measures this one
// sample, prints it as a line of JSON and exits. Three things follow: main must
// reach Run for the same arguments, must have no side effects before it, and
// must call Run only once.
//
// Reading order: contender.go (what is measured), work.go (the loop; closed.go is
// the same for go test -bench), latency.go,
// sample.go (one measurement), run.go (the rounds), process.go, report.go (the
// result and its ratios), goal.go, markdown.go, svg.go, machine.go, program.go (the
// command around it).
package versus
