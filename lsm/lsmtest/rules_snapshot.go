package lsmtest

func snapshotRules() []Rule {
	return []Rule{
		{ID: "snapshot-stands-still", Source: "issue, section A", Capability: "Snapshots", Text: "A snapshot shows the moment it was made.",
			log: `
				put a 1
				put b 1
				snap s
				put a 2
				del b
				put c 2
				in s get a
				in s get b
				in s get c
				in s scan
				in s back
				snap t
				put a 3
				in t scan
				in s scan
				get a
				drop s
				in t get a
				iterin i t a c
				move i first
				drop t
				move i next
				close i
				scan`},
		{ID: "snapshot-outlives-compaction", Source: "pitfall 9", Capability: "Snapshots", Text: "What a snapshot needs survives flushes and compactions, and what none needs is not seen again.",
			log: `
				put a 1*400
				put b 1*400
				put c 1*400
				flush
				compact
				snap s
				del a
				put b 2*400
				flush
				snap t
				put a 3*400
				del b
				del c
				flush
				compact
				in s get a
				in s scan
				in t get a
				in t get b
				in t scan
				scan
				drop s
				compact
				in t scan
				in t back
				scan
				drop t
				compact
				scan
				reopen
				scan`},
		{ID: "snapshot-and-iterator", Source: "pitfall 13", Capability: "Snapshots", With: "Maintenance", Text: "Files live as long as a snapshot or an iterator reads them.",
			log: `
				put a 1*900
				put b 1*900
				put c 1*900
				flush
				snap s
				iterin i s
				move i first
				put a 2*900
				put b 2*900
				put c 2*900
				flush
				compact
				move i next
				put a 3*900
				flush
				compact
				in s get c
				drop s
				compact
				move i next
				move i first
				close i
				scan`},
	}
}

func maintenanceRules() []Rule {
	return []Rule{
		{ID: "compaction-changes-nothing", Source: "issue, section B", Capability: "Maintenance", Text: "Flush and Compact change no answer.",
			log: `
				flush
				compact
				scan
				put a 1
				flush
				flush
				put b v*2000
				compact
				compact
				del a
				compact
				scan
				del b
				flush
				compact
				scan
				put c 1
				reopen
				compact
				scan`},
		{ID: "levels", Source: "pitfalls 10, 12", Capability: "Maintenance", Text: "A tree of many files and levels answers as a map does.", tell: levels},
	}
}

// levels overwrites and deletes in rounds, with different parts of the keys in
// each, so that versions of one key lie in many files.
func levels(w *world) error {
	var l Log
	for round := range 8 {
		ops := spread(400, 150, round)
		var some []Op
		for i, op := range ops {
			switch {
			case round > 0 && (i/10)%(round+1) != 0:
			case round > 2 && i%7 == round:
				some = append(some, Op{Kind: Delete, Key: op.Key})
			default:
				some = append(some, op)
			}
		}
		l = append(l, step{verb: "batch", ops: some}, step{verb: "flush"}, step{verb: "scan"})
		if round == 2 || round == 5 {
			l = append(l, step{verb: "compact"}, step{verb: "scan"})
		}
	}
	for i := 0; i < 400; i += 13 {
		l = append(l, step{verb: "get", key: spread(400, 1, 0)[i].Key})
	}
	return w.play(append(l, mustParse("back\nreopen\nscan\ncompact\nscan\nback")...))
}
