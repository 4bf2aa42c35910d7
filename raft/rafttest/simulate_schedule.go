package rafttest

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/flagship-go/flagship/internal/sim"
	"github.com/flagship-go/flagship/internal/vfs"
	"github.com/flagship-go/flagship/raft"
)

// A schedule holds the faults that sim knows, and as its operations, in words,
// those of the clients and the faults that are Raft's own affair:
//
//	3s op "p12 put k0 17"         client 12 puts 17
//	4s op "n2 sync-error"         the next sync of node 2 fails
//	5s op "n3 disk-full" for 2s   no space is left for two seconds
//	6s op "n1 rot 412" for 1s     node 1 is killed, a bit of its disk turns,
//	                              and it is started again after a second
//	7s op "p12 get k0 n3"         client 12 reads, and asks node 3 first
//
// and those of the operator (simulate_operator.go).

// generate makes the schedule of a seed.
func (o *Options) generate(seed uint64) Schedule {
	f := o.Faults
	r := rand.New(rand.NewPCG(seed, 0x7363686564756c65))
	operations, nodes := o.drawOperations(rand.New(rand.NewPCG(seed, 0x6f70657261746f72)))
	p := sim.Profile{
		Length: o.Duration, FaultMin: 100 * time.Millisecond, FaultMax: o.longest(),
		PowerCuts: f.PowerCuts, Kills: f.Kills, PowerCutsDuring: f.PowerCutsDuring, KillsDuring: f.KillsDuring, MaxDiskOperations: 30,
		Pauses: f.Pauses, Partitions: f.Partitions, Cuts: f.Cuts, Drifts: f.Drifts, MaxDrift: o.MaxDrift,
		Chaoses: f.Chaoses, Chaos: sim.Chaos{Loss: 0.3, Duplicate: 0.3, Reorder: 0.3, LatencyMin: time.Millisecond, LatencyMax: 300 * time.Millisecond},
		DiskErrors: f.DiskErrors, DiskStalls: f.DiskStalls,
		Ops: o.Ops, Op: o.drawOp,
	}
	for i := range nodes {
		p.Processes = append(p.Processes, sim.ID(i+1))
	}
	s := sim.Generate(seed, p)
	for i := range s {
		switch s[i].Fault {
		case sim.FaultPartition:
			o.seatClients(r, s[i].Groups)
		case sim.FaultDiskStall:
			s[i].For = time.Duration(1+r.IntN(2000)) * time.Millisecond
		}
	}
	return slices.Concat(s, o.drawDiskFaults(r), operations).Sorted()
}

// seatClients puts each client on a side of a partition, or between: a client
// that reaches both sides is the one who notices two leaders.
func (o *Options) seatClients(r *rand.Rand, groups [][]sim.ID) {
	for c := range o.Clients {
		id, seat := sim.ID(firstClient+c), r.IntN(len(groups)+1)
		for g := range groups {
			if seat == g || seat == len(groups) {
				groups[g] = append(groups[g], id)
			}
		}
	}
}

// drawOp makes the words of a client's operation. Its value is its number, so
// all values differ, and stay the same when a schedule is minimised.
func (o *Options) drawOp(r *rand.Rand, i int) string {
	client, key := firstClient+r.IntN(o.Clients), r.IntN(o.Keys)
	switch r.IntN(5) {
	case 0:
		return fmt.Sprintf("p%d get k%d", client, key)
	case 1: // of any node, that is of a follower mostly
		return fmt.Sprintf("p%d get k%d n%d", client, key, 1+r.IntN(o.Nodes))
	case 2:
		return fmt.Sprintf("p%d cas k%d %d", client, key, i+1)
	}
	return fmt.Sprintf("p%d put k%d %d", client, key, i+1)
}

func (o *Options) drawDiskFaults(r *rand.Rand) Schedule {
	var s Schedule
	add := func(f time.Duration, format string, args ...any) {
		at := time.Duration(r.Int64N(int64(o.Duration-f) + 1)).Truncate(time.Millisecond)
		s = append(s, sim.Action{At: at, Fault: sim.FaultOp, For: f, Text: fmt.Sprintf(format, args...)})
	}
	for range o.Faults.SyncErrors {
		add(0, "n%d sync-error", 1+r.IntN(o.Nodes))
	}
	for range o.Faults.FullDisks {
		length := time.Duration(100+r.IntN(3900)) * time.Millisecond
		add(min(length, o.Duration), "n%d disk-full", 1+r.IntN(o.Nodes))
	}
	// A majority must live on.
	victims := r.Perm(o.Nodes)[:min(o.Faults.Corruptions, (o.Nodes-1)/2)]
	for _, v := range victims {
		add(min(time.Second, o.Duration), "n%d rot %d", v+1, r.IntN(1<<20))
	}
	return s
}

// drawOperations plans what the operator does, and returns how many nodes
// there may be by then.
func (o *Options) drawOperations(r *rand.Rand) (s Schedule, nodes int) {
	nodes = o.Nodes
	now := raft.Membership{}
	for i := range o.Nodes {
		now.Voters = append(now.Voters, raft.NodeID(i+1))
	}
	at := func(before time.Duration) time.Duration {
		return time.Duration(r.Int64N(int64(max(1, o.Duration-before)))).Truncate(time.Millisecond)
	}
	add := func(at time.Duration, text string) {
		s = append(s, sim.Action{At: at, Fault: sim.FaultOp, Text: text})
	}
	var changes, losses []time.Duration
	for range o.Operations.Changes {
		changes = append(changes, at(0))
	}
	for range o.Operations.Losses {
		losses = append(losses, at(time.Second))
	}
	for range o.Operations.Transfers {
		add(at(0), fmt.Sprintf("n%d lead", 1+r.IntN(o.Nodes)))
	}
	slices.Sort(changes)
	slices.Sort(losses)
	for len(changes)+len(losses) > 0 {
		fresh := raft.NodeID(0)
		if nodes < maxNodes {
			fresh = raft.NodeID(nodes + 1)
		}
		if len(losses) == 0 || len(changes) > 0 && changes[0] < losses[0] {
			now = changed(r, now, nodes, fresh)
			add(changes[0], "members "+formatMembership(now))
			changes = changes[1:]
		} else if len(now.Voters) < 2 {
			losses = losses[1:] // with the only voter everything is lost
		} else {
			i := r.IntN(len(now.Voters))
			add(losses[0], fmt.Sprintf("n%d lost", now.Voters[i]))
			now.Voters = slices.Delete(slices.Clone(now.Voters), i, i+1)
			if fresh != 0 {
				now.Voters = append(now.Voters, fresh)
			}
			if len(now.Voters) > 0 {
				add(losses[0]+time.Duration(r.IntN(1000))*time.Millisecond, "members "+formatMembership(now))
			}
			losses = losses[1:]
		}
		if fresh != 0 && now.Contains(fresh) {
			nodes++
		}
	}
	return s, nodes
}

// changed draws another membership: of those there are, and a new one, each
// stays what it is, or becomes a voter, a learner, or nothing.
func changed(r *rand.Rand, old raft.Membership, nodes int, fresh raft.NodeID) (m raft.Membership) {
	const maxVoters = 5
	for id := raft.NodeID(1); id <= max(raft.NodeID(nodes), fresh); id++ {
		voter, learner := slices.Contains(old.Voters, id), slices.Contains(old.Learners, id)
		switch luck := r.IntN(8); {
		case voter && luck >= 2, learner && luck >= 4, luck >= 7:
			if len(m.Voters) < maxVoters {
				m.Voters = append(m.Voters, id)
			}
		case luck%2 == 1:
			m.Learners = append(m.Learners, id)
		}
	}
	if len(m.Voters) == 0 {
		m.Voters, m.Learners = m.Learners, nil
	}
	if len(m.Voters) == 0 {
		return old
	}
	return m
}

// act does what an operation says.
func (s *simulation) act(a sim.Action) {
	who, what, _ := strings.Cut(a.Text, " ")
	if who == "members" {
		if err := s.want(what); err != nil {
			s.failWith(err)
		}
		return
	}
	id, err := strconv.Atoi(strings.TrimLeft(who, "pn"))
	switch client := id - firstClient; {
	case err == nil && strings.HasPrefix(who, "p") && client >= 0 && client < len(s.clients):
		s.clients[client].plan(what)
	case err == nil && strings.HasPrefix(who, "n") && id >= 1 && id <= maxNodes:
		s.hurt(raft.NodeID(id), what, a.For)
	default:
		s.failWith(fmt.Errorf("rafttest: operation %q names nobody", a.Text))
	}
}

// hurt does something to a node, or its disk.
func (s *simulation) hurt(node raft.NodeID, what string, length time.Duration) {
	w, id := s.world, sim.ID(node)
	verb, arg, _ := strings.Cut(what, " ")
	switch verb {
	case "sync-error":
		w.Disk(id).Inject(vfs.Fault{Kind: vfs.OpSync, Err: vfs.ErrIO})
	case "disk-full":
		disk := w.Disk(id)
		disk.SetCapacity(max(1, disk.Used()))
		w.At(w.Now()+length, func() { w.Disk(id).SetCapacity(0) })
	case "rot":
		if !s.canSpare(node) {
			return
		}
		bit, _ := strconv.ParseInt(arg, 10, 64)
		w.Crash(id, sim.Kill)
		if rot(w.Disk(id), bit) {
			s.host(node).rotten = true
		}
		w.At(w.Now()+length, func() { w.Restart(id) })
	case "lost":
		s.lose(node)
	case "lead":
		s.wish(simWish{lead: node})
	default:
		s.failWith(fmt.Errorf("rafttest: what is %q?", what))
	}
}

// parseSimOp reads an operation behind the client's name: put k0 17, get k0,
// get k0 n3, cas k0 18.
func parseSimOp(text string) (p simPlan, err error) {
	words := strings.Fields(text)
	for _, k := range []simKind{simPut, simGet, simCAS} {
		if len(words) > 1 && words[0] == k.String() {
			p.kind = k
		}
	}
	if p.kind == 0 || len(words) > 3 || len(words) == 2 && p.kind != simGet || !strings.HasPrefix(words[1], "k") {
		return p, errSimEncoding
	}
	if p.key, err = strconv.Atoi(words[1][1:]); err != nil || len(words) == 2 {
		return p, err
	}
	if p.kind != simGet {
		p.value, err = strconv.ParseUint(words[2], 10, 64)
		return p, err
	}
	name, ok := strings.CutPrefix(words[2], "n")
	at, err := strconv.ParseUint(name, 10, 8)
	if p.at = raft.NodeID(at); !ok {
		err = errSimEncoding
	}
	return p, err
}

// rot turns a bit of what a disk durably holds, and reports whether it did. It
// spares the last file of the log: of its end nobody can tell whether it was
// torn by a crash before it was promised, or rotted after.
func rot(disk *vfs.Mem, bit int64) bool {
	type file struct {
		name string
		size int64
	}
	var files []file
	lastLog := -1
	for line := range strings.Lines(disk.Dump()) {
		name, size, isFile := strings.Cut(strings.TrimSpace(line), " ")
		bytes, err := strconv.ParseInt(size, 10, 64)
		if !isFile || err != nil || bytes == 0 || strings.HasSuffix(name, ".tmp") || strings.HasSuffix(name, ".spare") {
			continue
		}
		if strings.HasSuffix(name, ".wal") {
			lastLog = len(files)
		}
		files = append(files, file{name, bytes})
	}
	if lastLog >= 0 {
		files = slices.Delete(files, lastLog, lastLog+1)
	}
	if len(files) == 0 {
		return false
	}
	f := files[bit%int64(len(files))]
	return disk.FlipBit(f.name, bit%(8*f.size)) == nil
}
