package lsmtest

import (
	"errors"
	"fmt"
)

func basicRules() []Rule {
	return []Rule{
		{ID: "read-own-writes", Source: "issue, section A",
			Text: "What was written last is read, what was deleted is not.",
			log: `
				get a
				put a 1
				get a
				put a 2
				put b 3
				get a
				del a
				get a
				del nothing
				get nothing
				scan
				put a 4
				get a
				scan`},
		{ID: "empty-value", Source: "pitfall 14", Text: "A value of no bytes is a value.",
			log: `
				put a ""
				put b 1
				get a
				scan
				flush
				get a
				reopen
				get a
				scan
				put b ""
				get b
				compact
				get b
				del a
				get a
				scan`},
		{ID: "odd-keys", Source: "pitfall 16", Text: "Keys are bytes: zeros, 0xff, prefixes of each other, long ones.",
			log: `
				put a 1
				put "a\x00" 2
				put "a\x00\x00" 3
				put "a\x01" 4
				put ab 5
				put "\x00" 6
				put "\xff" 7
				put "\xff\xff" 8
				put "\xff\xff\xff\xff\xff\xff\xff\xff\xff" 9
				put k*2000 10
				put k*2001 11
				put "\x00\xff" 12
				scan
				get a
				get "a\x00"
				get "\xff\xff\xff"
				get k*1999
				get k*2001
				flush
				scan
				get "a\x00"
				get "\xff\xff\xff"
				del "a\x00"
				compact
				scan
				scan a "a\x01"
				reopen
				scan`},
		{ID: "buffers", Source: "pitfall 28", Text: "The caller's buffers are his own again after a call, and what Get returned is his.",
			log: `
				put abc v*100
				get abc
				get abc
				put abd w*3000
				get abd
				get abd
				flush
				get abc
				get abc
				get abd
				get abd
				compact
				get abc
				get abc
				scan`},
		{ID: "batch-order", Source: "pitfall 7", Text: "The operations of a batch happen in its order.",
			log: `
				batch put a 1, put a 2
				get a
				batch put b 1, del b
				get b
				batch put c 1, del c, put c 2
				get c
				batch del a, put a 3, put d 4
				scan
				flush
				scan
				reopen
				scan`},
		{ID: "batch-large", Source: "pitfall 30", Text: "A batch may be larger than whatever buffers writes.", tell: largeBatch},
		{ID: "values-large", Source: "pitfall 30", Text: "A value may be larger than whatever buffers writes.",
			log: `
				put a 1
				put big xy*700000
				put z 2
				get big
				put big uvw*500000
				get big
				scan
				flush
				get big
				reopen
				get big
				scan
				compact
				get big
				del big
				get big
				scan`},
		{ID: "newest-wins", Source: "pitfall 11", Text: "The newest version of a key is the one that is read, wherever it lies.",
			log: `
				put a 1*200
				put b 1*200
				put c 1*200
				flush
				compact
				put a 2*200
				put b 2*200
				flush
				get a
				get c
				put a 3*200
				get a
				flush
				get a
				scan
				put b 4*200
				flush
				put c 4*200
				flush
				get a
				get b
				get c
				reopen
				scan
				compact
				scan`},
		{ID: "deleted-stays-deleted", Source: "badger issues 2143 and 2310", Text: "A deleted key does not come back when files are merged.",
			log: `
				put a 1*300
				put b 1*300
				flush
				compact
				put a 2*300
				flush
				del a
				flush
				get a
				scan
				compact
				get a
				scan
				reopen
				get a
				put c 1
				flush
				compact
				get a
				scan
				put a 3
				del a
				put a 4
				get a
				del a
				compact
				reopen
				scan`},
		{ID: "reopen-keeps", Source: "issue, section B", Text: "What was applied is there after Close and Open, as often as that happens.",
			log: `
				put a 1
				reopen
				get a
				put b 2
				del a
				reopen
				scan
				put a 3
				put c v*5000
				reopen
				put a 4
				reopen
				reopen
				scan
				flush
				reopen
				del c
				reopen
				scan
				put c 5
				scan`},
		{ID: "closed", Source: "pitfall 29", Text: "Close may be called twice, and a closed store returns errors.", tell: closedStore},
	}
}

// spread returns n keys of one length with the values that round gives them.
func spread(n, size, round int) []Op {
	ops := make([]Op, n)
	for i := range ops {
		ops[i] = Op{Key: fmt.Appendf(nil, "key%05d", i), Value: repeated(fmt.Sprintf("r%d-%d.", round, i), size)}
	}
	return ops
}

func largeBatch(w *world) error {
	first := spread(3000, 200, 1)
	second := spread(3000, 100, 2)
	for i := range second {
		if i%3 == 0 {
			second[i] = Op{Kind: Delete, Key: second[i].Key}
		}
	}
	// The same key again at the end of a large batch.
	second = append(second, Op{Key: []byte("key00000"), Value: []byte("last")})
	l := Log{{verb: "batch", ops: first}}
	l = append(l, mustParse("get key01500\nscan key01000 key01010")...)
	l = append(l, step{verb: "batch", ops: second})
	return w.play(append(l, mustParse(`
		get key00000
		get key00001
		get key00003
		scan
		flush
		scan
		reopen
		get key02999
		scan
		compact
		scan`)...))
}

func closedStore(w *world) error {
	p, err := w.player()
	if err != nil {
		return err
	}
	defer p.release()
	if err := p.open(); err != nil {
		return err
	}
	if err := p.step(mustParse("put a 1")[0]); err != nil {
		return err
	}
	for range 2 {
		if err := p.store.Close(); err != nil {
			return fmt.Errorf("closing: %w", err)
		}
	}
	if _, err := p.store.Get([]byte("a")); err == nil || errors.Is(err, ErrNotFound) {
		return fmt.Errorf("a closed store answers Get with %v", err)
	}
	if err := p.store.Apply([]Op{{Key: []byte("a"), Value: []byte("2")}}, true); err == nil {
		return errors.New("a closed store takes a write")
	}
	if got, err := readAll(p.store, nil, nil); err == nil {
		return fmt.Errorf("an iterator of a closed store shows %d keys and no error", len(got))
	}
	return nil
}

func emptyKeyRules() []Rule {
	return []Rule{{ID: "empty-key", Source: "pitfall 14", Capability: "EmptyKeys", Text: "The empty key is a key, and the first of all.",
		log: `
			put "" 1
			put a 2
			get ""
			scan
			back
			scan "" a
			iter i
			move i first
			move i next
			move i ge ""
			move i lt ""
			move i lt a
			close i
			flush
			get ""
			scan
			reopen
			compact
			scan
			del ""
			get ""
			scan`}}
}
