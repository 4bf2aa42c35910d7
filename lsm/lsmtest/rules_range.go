package lsmtest

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
