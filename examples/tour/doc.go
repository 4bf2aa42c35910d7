// Tour runs the packages of this library on real input and shows what happens,
// a chapter a package.
//
//	go run ./examples/tour                   all chapters, about a minute
//	go run ./examples/tour -short            all chapters, some ten seconds
//	go run ./examples/tour -chapter raft     one of them
//	go run ./examples/tour -check            no telling, only the verdicts
//
// The input is the source of the Go installation itself, which everybody has and
// can look into: every .go file of package net and below, some 400 files and 4 MB,
// or, where a chapter can take more, all files there are. Each chapter makes claims about what it did and checks them; the exit
// code is 0 only if every claim held.
//
// # How it is built
//
// A chapter neither prints nor knows who listens. It runs on a stage and emits
// events, which are plain data; what becomes of them is the renderer's matter:
//
//	     Say, Event, Picture, Progress, Claim                   terminal.go  a reader
//	chapter --------------------------------> Stage --Event-->  terse.go  -check
//	(x_chapter.go)                          (stage.go)            json.go  -json, a page
//
// The stream of one chapter is:
//
//	begin   (say | event | picture | progress | claim)*   end
//
// The rules:
//
//  1. Events come one at a time and in the order they were emitted, whatever
//     goroutines they come from.
//  2. Every chapter that begins ends, with the reason when it failed.
//  3. A chapter that claims nothing has failed: it proved nothing.
//  4. A failed claim fails its chapter, and the chapter goes on; an error ends
//     it. The chapters after it run in any case.
//  5. An interrupted tour stops at once, removes its files, and is no success.
//
// Reading order: stage.go (the stream), tour.go (the loop over the chapters),
// source.go (the input), terminal.go, terse.go, json.go, main.go, victim.go (a
// process to kill); then the chapters.
//
// # Chapter raft
//
// Three nodes with logs on disk store the files, one command a file. Their
// leader is stopped half-way; the next is cut off from the others; then the
// cluster runs in a process of its own, which is killed while it writes; and in
// the end a node loses its disk for good, is removed, and replaced by a fresh
// one, on which the cluster then depends. After each of these every node must
// hold all that was ever acknowledged, and at the end every file.
//
// Reading order: raft_chapter.go (the acts), raft_replace.go (the last of them),
// raft_cluster.go (three nodes and their clients), raft_store.go (the state
// machine), raft_watch.go (what is told and judged of the nodes' own events),
// raft_victim.go (the process to kill).
//
// # Chapter lsm
//
// A store takes all files of the installation: keys are names, values contents. A
// third is overwritten, some are deleted, while a snapshot still shows what was.
// Then everything is compacted, another process writes to the store and is killed
// meanwhile, and a copy is damaged. After each of these every key is compared with
// a model that knows which edition of which file must be there.
//
// Reading order: lsm_store.go (the model), lsm_chapter.go (the acts),
// lsm_damage.go, lsm_victim.go (the process to kill).
//
// # Chapter erasure
//
// The largest programs of the Go installation, an archive of its source and the
// small files are objects on eight drives, 5 + 3 shards each. Two drives are deleted
// and a third rots; a fourth is unplugged for a moment, which is too many. Empty
// drives take the places, everything is healed, and then three of the others go:
// what is read now was rebuilt. In the end they come back with what was deleted
// meanwhile.
//
// Reading order: erasure_objects.go (what is stored), erasure_chapter.go (the acts).
//
// # Chapter mvcc
//
// A bank of 10,000 accounts lies in eight ranges of keys on three nodes
// (examples/txnkv/ranges). 64 clients move money while a node dies, a range is split and
// a leader moved; whoever adds up all accounts finds the same total at every snapshot.
// Then a million lines of code become rows, and questions about them are answered twice:
// where the rows are, and by fetching them.
//
// Reading order: mvcc_chapter.go (the acts), mvcc_bank.go, mvcc_rows.go.
//
// # Chapter gateway
//
// Every file of the installation is a URL, and 10,000 of them have a route of their own. All are looked up,
// and fetched through the gateway and compared with the disk. A canary takes a second upstream from none to half of the
// users in an hour, which takes no time, since the gateway's clock is the chapter's. An upstream in a process of its own
// is killed behind a breaker. In the end routes change, one at a time and all at once, while clients ask without
// a pause and a WebSocket is open.
//
// Reading order: gateway_chapter.go (routes, files), gateway_canary.go, gateway_breaker.go, gateway_reload.go (an act
// each), gateway_servers.go (what is behind the gateway; the process to kill).
//
// # Chapter bft
//
// Four validators, each with a home of its own, keep a bank: lines of a file are signed transfers between the words in them.
// One is killed and comes back, one has a twin that votes for something else, is slashed by the evidence and removed. What must hold is
// looked for in the blocks, in the application's state at every height, and in what the validators say of themselves; of that,
// rounds are drawn, too.
//
// Reading order: bft_ledger.go (lines as transfers), bft_chain.go (the validators; the process to kill), bft_chapter.go (the
// acts), bft_liar.go (the one with the twin), bft_watch.go, bft_diagram.go (what validators say, judged and drawn), bft_audit.go.
package main
