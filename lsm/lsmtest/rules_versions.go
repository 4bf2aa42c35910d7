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

func rangeRules() []Rule {
	return []Rule{
		{ID: "range-delete", Source: "issue, section A", Capability: "RangeDelete", Text: "DeleteRange deletes from its start on and before its end, and nothing that is written later.",
			log: `
				put a 1
				put b 1
				put c 1
				put d 1
				delrange b d
				scan
				get b
				get d
				put c 2
				get c
				scan
				delrange x z
				delrange b b
				scan
				batch put b 3, delrange a c, put bb 4
				scan
				flush
				scan
				back
				reopen
				scan`},
		{ID: "range-delete-levels", Source: "pitfall 18", Capability: "RangeDelete", Text: "A range tombstone covers what is older in every file, and only that.",
			log: `
				put a 1*300
				put b 1*300
				put c 1*300
				put d 1*300
				put e 1*300
				flush
				compact
				put c 2*300
				flush
				delrange b d
				put bb 3
				flush
				get b
				get c
				get bb
				get d
				scan
				put c 4*300
				scan
				back
				compact
				scan
				get b
				delrange a zz
				flush
				put d 5
				scan
				compact
				scan
				reopen
				scan`},
		{ID: "range-delete-cut", Source: "pitfall 18", Capability: "RangeDelete", With: "Maintenance", Text: "Where merging cuts files, a range tombstone is cut with them, and nothing of it is lost.", tell: rangeCut},
		{ID: "range-delete-snapshot", Source: "pitfall 9", Capability: "RangeDelete", With: "Snapshots", Text: "A snapshot sees what was deleted after it.",
			log: `
				put a 1
				put b 1
				put c 1
				flush
				snap s
				delrange a c
				in s scan
				in s get a
				scan
				flush
				in s get a
				in s get b
				snap t
				put a 2
				compact
				in s get a
				in s scan
				in s back
				in t scan
				in t get a
				scan
				drop s
				compact
				in t scan
				scan`},
		{ID: "range-delete-iterator", Source: "pitfall 18", Capability: "RangeDelete", With: "Reverse", Text: "Iterators pass over what a range tombstone covers, in both directions.",
			log: `
				put a 1
				put c 1
				put e 1
				put g 1
				flush
				delrange b f
				put d 2
				iter i
				move i first
				move i next
				move i next
				move i prev
				move i prev
				move i next
				move i ge c
				move i prev
				move i lt g
				move i lt d
				move i next
				move i next
				move i last
				flush
				compact
				move i prev
				move i prev
				close i
				back`},
	}
}

func rangeCut(w *world) error {
	l := Log{{verb: "batch", ops: spread(300, 400, 1)}}
	l = append(l, mustParse("flush\ncompact\ndelrange key00050 key00250\nflush")...)
	later := spread(300, 400, 2)
	l = append(l, step{verb: "batch", ops: append(later[40:60:60], later[240:260]...)})
	return w.play(append(l, mustParse(`
		scan
		flush
		scan
		compact
		scan
		get key00049
		get key00050
		get key00059
		get key00060
		get key00249
		get key00250
		back
		delrange key00000 key00100
		delrange key00055 key00300
		put key00077 3
		flush
		scan
		reopen
		compact
		scan`)...))
}

func mergeRules() []Rule {
	return []Rule{
		{ID: "merge", Source: "issue, section A", Capability: "Merge", Text: "Operands are merged in the order they came, into what is below.",
			log: `
				merge a 1
				get a
				merge a 2
				get a
				put b 1
				merge b 2
				merge b 3
				get b
				scan
				del b
				get b
				merge b 4
				get b
				put b 5
				get b
				batch put c 1, merge c 2, merge c 3
				get c
				batch merge c 4, del c, merge c 5
				get c
				flush
				scan
				back
				reopen
				scan`},
		{ID: "merge-levels", Source: "pitfall 19", Capability: "Merge", Text: "Operands in several files become one value, once.",
			log: `
				put a 1
				merge b 1
				put c v*3000
				flush
				compact
				merge a 2
				merge b 2
				merge c 2
				flush
				merge a 3
				merge b 3
				flush
				get a
				get b
				get c
				merge a 4
				get a
				scan
				back
				compact
				scan
				merge a 5
				reopen
				get a
				compact
				get a
				del a
				flush
				merge a 6
				flush
				get a
				compact
				get a
				scan`},
		{ID: "merge-snapshot", Source: "pitfall 19", Capability: "Merge", With: "Snapshots", Text: "A snapshot sees the operands that were there.",
			log: `
				put a 1
				merge a 2
				snap s
				merge a 3
				flush
				in s get a
				snap t
				del a
				merge a 4
				compact
				in s get a
				in t get a
				get a
				in s scan
				in t back
				drop s
				merge a 5
				compact
				in t get a
				get a
				drop t
				compact
				get a`},
		{ID: "merge-range-delete", Source: "pitfall 19", Capability: "Merge", With: "RangeDelete", Text: "Operands below a range tombstone are deleted.",
			log: `
				put a 1
				merge a 2
				put b 1
				flush
				compact
				merge b 2
				flush
				delrange a c
				merge a 3
				merge b 3
				get a
				get b
				flush
				get a
				get b
				scan
				back
				compact
				get a
				scan
				reopen
				get a
				get b`},
	}
}

func ttlRules() []Rule {
	return []Rule{
		{ID: "ttl", Source: "pebble issue 1050", Capability: "TTL", Text: "A value with a time to live is there until it is over.",
			log: `
				ttl a 1 10s
				put b 2
				get a
				scan
				clock 9s
				get a
				scan
				clock 2s
				get a
				scan
				back
				ttl a 2 5s
				get a
				flush
				get a
				clock 6s
				get a
				scan
				compact
				scan
				reopen
				scan`},
		{ID: "ttl-hides", Source: "pitfall 20", Capability: "TTL", Text: "An expired value is a deleted one: it does not uncover an older version.",
			log: `
				put a old*300
				put b old*300
				flush
				compact
				ttl a new 10s
				ttl b v*3000 10s
				flush
				get a
				get b
				clock 11s
				get a
				get b
				scan
				back
				compact
				get a
				get b
				scan
				put c old*300
				flush
				compact
				ttl c new 10s
				clock 11s
				flush
				get c
				scan
				reopen
				compact
				get a
				get c
				scan`},
		{ID: "ttl-overwritten", Source: "pitfall 20", Capability: "TTL", Text: "A value written over one that will expire stays.",
			log: `
				ttl a 1 5s
				put a 2
				ttl b 1 5s
				ttl b 2 20s
				ttl c 1 20s
				ttl c 2 5s
				flush
				clock 6s
				get a
				get b
				get c
				scan
				compact
				scan
				clock 20s
				scan
				reopen
				scan`},
		{ID: "ttl-merge", Source: "pitfalls 19, 20", Capability: "TTL", With: "Merge", Text: "When the value below expires, the operands stay.",
			log: `
				ttl a 1 5s
				merge a 2
				get a
				flush
				get a
				clock 6s
				get a
				scan
				compact
				get a
				reopen
				get a`},
	}
}
