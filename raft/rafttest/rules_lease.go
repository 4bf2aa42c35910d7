package rafttest

import "github.com/flagship-go/flagship/raft"

// Reads by lease (dissertation §6.4.1): voters that answered a leader turn
// candidates away for an election timeout, so for a while after it asked them
// nobody else can have been elected, and the leader needs to ask nobody. All
// of it rests on clocks; what happens when they are wrong is shown in
// drift_test.go.
//
//	asked              answered by a majority             lease ends
//	  |------------------------|------------------------------|
//	  0                                                    Config.Lease
func leaseRules() []Rule {
	return claimed("LeaseReads", []Rule{
		{ID: "lease-answers-at-once", Section: "D§6.4.1", story: leaseAnswersAtOnce,
			Text: "With a lease, a read is answered without a message."},
		{ID: "lease-expires", Section: "D§6.4.1", story: leaseExpires,
			Text: "A leader that was not answered for Config.Lease ticks asks a majority again."},
		{ID: "lease-from-asking", Section: "D§6.4.1", story: leaseFromAsking,
			Text: "A lease counts from when the leader asked, not from when it was answered."},
		{ID: "lease-needs-majority", Section: "D§6.4.1", story: leaseNeedsMajority,
			Text: "A minority's answers extend no lease."},
		{ID: "lease-needs-own-commit", Section: "D§6.4, step 1", story: leaseNeedsOwnCommit,
			Text: "A lease answers no read before the leader has committed an entry of its term."},
		{ID: "lease-dropped", Section: "D§6.4.1", story: leaseDropped,
			Text: "When its clock is in doubt the lease ends, and what was asked before does not bring it back."},
		{ID: "lease-ends-with-transfer", Section: "D§6.4.1", With: "Transfer", story: leaseEndsWithTransfer,
			Text: "Who gave leadership away, though in vain, has no lease for the rest of its term: its word may arrive late."},
		{ID: "restarted-voter-quiet", Section: "D§6.4.1", story: restartedVoterQuiet,
			Text: "A voter that restarts votes for nobody for an election timeout: it may have promised a leader so."},
	})
}

// atOnce asks for a read, and says whether it is answered without a message
// of anybody. What the read makes the node send is lost.
func (n *node) atOnce(id uint64) bool {
	n.take()
	n.ask(id)
	r := n.answered(id)
	n.w.check(r == nil || !r.Lost, "%s leads term %d and gives a read up", n.id, n.status().Term)
	n.take()
	return r != nil
}

// renew lets a tick pass, after which these followers answer everything.
func (n *node) renew(followers ...raft.NodeID) {
	n.tick(1)
	n.obey(followers...)
}

func leaseAnswersAtOnce(w *world) {
	n := w.reign(3)
	for id := range uint64(3 * lease) {
		n.renew(2)
		n.propose("x")
		n.obey(2)
		n.ask(id)
		r := n.answered(id)
		w.check(r != nil && !r.Lost, "n2 answered n1 within the last tick, Config.Lease is %d, and a read is not answered at once", lease)
		w.check(r.Index == n.status().Commit, "n1 committed %d, and answers a read at index %d", n.status().Commit, r.Index)
	}
}

func leaseExpires(w *world) {
	n := w.reign(3)
	n.renew(2, 3)
	w.check(n.atOnce(1), "n1's followers answered within the last tick, and a read is not answered at once")
	n.tick(lease)
	w.check(!n.atOnce(2), "nobody answered n1 for %d ticks, Config.Lease is %d, and n1 answers a read at once", lease, lease)
	for range 3 {
		n.renew(2, 3)
	}
	r := n.answered(2)
	w.check(r != nil && !r.Lost, "n1's followers answer it again, and the read is not answered: %v", r)
	w.check(n.atOnce(3), "n1's followers answered within the last tick, and a read is not answered at once")
}

func leaseFromAsking(w *world) {
	n := w.reign(3)
	n.take()
	n.tick(1)
	asked := n.take()
	n.tick(lease - 2)
	n.take()
	n.reply(asked, n.status().Last, 2, 3)
	w.check(n.atOnce(1), "n1 asked its followers %d ticks ago, they answer now, Config.Lease is %d, and a read is not answered at once", lease-2, lease)
	n.tick(2)
	w.check(!n.atOnce(2), "n1's followers answered what it asked %d ticks ago, Config.Lease is %d, and n1 answers a read at once", lease, lease)
}

func leaseNeedsMajority(w *world) {
	n := w.reign(5)
	n.renew(2, 3)
	w.check(n.atOnce(1), "n2 and n3 of five answered within the last tick, and a read is not answered at once")
	for range lease {
		n.renew(2)
	}
	w.check(!n.atOnce(2), "only n2 of five answered n1 for %d ticks, Config.Lease is %d, and n1 answers a read at once", lease, lease)
}

func leaseNeedsOwnCommit(w *world) {
	n := w.solo(3, 1, 1)
	n.tick(election) // whoever restarts is quiet for a while
	term := n.lead()
	own := n.own()
	n.tick(1)
	n.confirm(2, 2, 3) // they follow n1, but hold the old entries only
	w.check(!n.atOnce(1), "n1 leads term %d, has committed nothing in it, and answers a read at once", term)
	for range 3 {
		n.renew(2, 3)
	}
	r := n.answered(1)
	w.check(r != nil && r.Index >= own, "n1's first commit in term %d is %d, and a read is answered so: %v", term, own, r)
	w.check(n.atOnce(2), "n1 committed in term %d, its followers answer, and a read is not answered at once", term)
}

func leaseDropped(w *world) {
	n := w.reign(3)
	n.renew(2, 3)
	w.check(n.atOnce(1), "n1's followers answered within the last tick, and a read is not answered at once")
	n.tick(1)
	asked := n.take()
	as[LeaseCore](n).DropLease()
	n.pump()
	w.check(!n.atOnce(2), "n1 was told that its clock stood still, and answers a read at once")
	n.reply(asked, n.status().Last, 2, 3)
	w.check(!n.atOnce(3), "n1 was told that its clock stood still, and answers a read at once by answers to what it asked before")
	for range 2 {
		n.renew(2, 3)
	}
	w.check(n.atOnce(4), "n1's clock goes right again, its followers answer, and a read is not answered at once")
}

func leaseEndsWithTransfer(w *world) {
	n := w.reign(3)
	n.renew(2, 3)
	w.check(n.atOnce(1), "n1's followers answered within the last tick, and a read is not answered at once")
	n.give(2)
	w.check(!n.atOnce(2), "n1 told n2 to campaign, and answers a read at once")
	for range 3 * election {
		n.renew(2, 3)
	}
	w.check(n.status().Role == raft.Leader, "n2 did not take over, and n1 is a %s", n.status().Role)
	w.check(!n.atOnce(3), "n1 told n2 to campaign in term %d, a word that may arrive late, and answers a read at once", n.status().Term)
	n.depose()
	n.lead()
	n.own()
	for range 3 {
		n.renew(2, 3)
	}
	w.check(n.atOnce(4), "n1 gave leadership away in another term, and a read is not answered at once in term %d", n.status().Term)
}

func restartedVoterQuiet(w *world) {
	for seed := range uint64(8) {
		w.config.Seed = seed
		n := w.solo(3, 1)
		_ = n.step(appendEntries(2, 1, 1, 1, 0))
		n.crash()
		n.restart()
		for range election - 1 {
			_ = n.step(requestVote(3, 9, 9, 1))
			w.check(!n.granted(3, 9), "n1 had heard its leader n2, restarted, and votes for n3 within an election timeout")
			n.tick(1)
		}
		n.tick(2)
		if n.asksForVotes() {
			continue // it did not wait for n3
		}
		_ = n.step(requestVote(3, 9, 9, 1))
		w.check(n.granted(3, 9), "n1 restarted %d ticks ago, ElectionTicks is %d, and denies n3 its vote", election+1, election)
		return
	}
	w.failf("n1 campaigns within %d ticks of a restart, whatever the seed", election+1)
}
