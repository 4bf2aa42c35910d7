package lsmtest

func iterateRules() []Rule {
	return []Rule{
		{ID: "scan-order", Source: "issue, section A", Text: "A scan shows each key once, in the order of bytes, without the deleted ones.",
			log: `
				put m 1
				put c 2
				put x 3
				put a 4
				put m 5
				del c
				put cc 6
				scan
				flush
				put b 7
				del x
				put a 8
				scan
				flush
				scan
				compact
				put c 9
				scan
				reopen
				scan`},
		{ID: "scan-bounds", Source: "pitfall 14", Text: "The lower bound is the first key shown, the upper the first that is not.",
			log: `
				put a 1
				put b 2
				put bb 3
				put c 4
				put d 5
				flush
				del bb
				put ba 6
				scan b d
				scan - c
				scan b -
				scan b b
				scan c b
				scan e -
				scan - a
				scan "b\x00" c
				scan aa aaa
				compact
				scan b d
				scan - c
				iter i b d
				move i first
				move i ge a
				move i ge bz
				move i next
				move i ge d
				move i ge x
				move i ge b
				close i`},
		{ID: "seek", Source: "pitfall 14", Text: "SeekGE finds the first key that is not before, also from behind the end.",
			log: `
				put b 1
				put d 2
				flush
				put f 3
				put d 4
				del e
				iter i
				move i ge a
				move i ge b
				move i ge c
				move i next
				move i ge d
				move i ge e
				move i ge f
				move i next
				move i next
				move i ge b
				move i ge g
				move i ge a
				move i next
				move i next
				move i next
				move i next
				move i first
				close i
				iter j
				move j ge zzz
				move j first
				close j`},
		{ID: "iterator-stands-still", Source: "pitfall 13", Text: "An iterator shows the moment it was made, whatever is written, flushed and merged meanwhile.",
			log: `
				put a 1*500
				put b 1*500
				put c 1*500
				put d 1*500
				flush
				put b 2*500
				iter i
				move i first
				put b 3*500
				del c
				put bb 3
				flush
				move i next
				put a 4
				del d
				compact
				move i next
				put c 5*500
				flush
				compact
				move i next
				move i next
				move i first
				move i next
				move i ge c
				close i
				scan
				iter j
				put zz 1
				move j ge z
				close j`},
	}
}

func reverseRules() []Rule {
	const data = `
		put a 1
		put c 1
		put e 1
		flush
		put b 2
		put c 2
		del e
		put f 2
		flush
		put d 3
		del b
		put g 3
		del h
		`
	return []Rule{
		{ID: "reverse-order", Source: "issue, section A", Capability: "Reverse", Text: "Backwards is forwards in reverse.",
			log: data + `
				back
				back b e
				back - d
				back d -
				back c c
				back x -
				compact
				back
				put h 4
				del a
				back
				reopen
				back`},
		{ID: "seek-lt", Source: "pitfall 14", Capability: "Reverse", Text: "SeekLT finds the last key before, and none before the first.",
			log: data + `
				iter i
				move i lt z
				move i lt c
				move i lt cc
				move i prev
				move i lt a
				move i next
				move i lt e
				move i lt f
				move i prev
				move i lt ""
				move i lt d
				close i
				iter j b e
				move j lt z
				move j lt e
				move j lt c
				move j last
				move j prev
				move j prev
				close j`},
		{ID: "turns", Source: "pitfall 14", Capability: "Reverse", Text: "The direction may change anywhere, also at both ends.",
			log: data + `
				iter i
				move i first
				move i prev
				move i next
				move i next
				move i prev
				move i next
				move i next
				move i next
				move i prev
				move i prev
				move i next
				move i last
				move i next
				move i prev
				move i prev
				move i next
				move i next
				move i next
				move i prev
				move i ge z
				move i prev
				move i lt a
				move i next
				move i ge d
				move i prev
				move i prev
				move i prev
				move i prev
				move i next
				close i`},
		{ID: "turns-over-versions", Source: "pitfall 14", Capability: "Reverse", Text: "Old versions and deleted keys are passed over in both directions.",
			log: `
				put a 1
				put b 1
				put c 1
				iter old
				put b 2
				put b 3
				put a 2
				del c
				put c 2
				del c
				flush
				put b 4
				del a
				put a 3
				iter i
				put b 5
				del a
				put c 6
				move i first
				move i next
				move i next
				move i prev
				move i prev
				move i prev
				move i next
				move old last
				move old prev
				move old next
				move old prev
				move old prev
				flush
				compact
				move i last
				move i prev
				move i next
				move old first
				move old next
				move old prev
				close i
				close old
				back`},
	}
}
