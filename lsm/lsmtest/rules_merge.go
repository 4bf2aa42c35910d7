package lsmtest

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
