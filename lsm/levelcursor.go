package lsm

import (
	"github.com/flagship-go/flagship/lsm/key"
	"github.com/flagship-go/flagship/lsm/table"
)

// levelCursor is a key.Cursor over a run of tables that do not overlap: a level,
// or a layer of L0. It opens a table when it gets there.
type levelCursor struct {
	v    *version
	run  []*tableFile
	scan bool // for a compaction: read ahead, keep no blocks
	tr   *table.Trace

	at  int // the table that cur is in
	cur *table.Cursor
	err error
}

func (c *levelCursor) init(v *version, run []*tableFile, scan bool, tr *table.Trace) {
	*c = levelCursor{v: v, run: run, scan: scan, tr: tr, at: -1}
}

// enter makes cur a cursor of table i; false at an end of the run or on error.
func (c *levelCursor) enter(i int) bool {
	if i == c.at && c.cur != nil {
		return c.err == nil
	}
	c.leave()
	c.at = min(max(i, -1), len(c.run))
	if c.err != nil || c.at < 0 || c.at == len(c.run) {
		return false
	}
	r, err := c.run[i].reader()
	if err != nil {
		c.err = err
		return false
	}
	if c.scan {
		c.cur = r.NewScan(c.tr)
	} else {
		c.cur = r.NewCursor(c.tr)
	}
	return true
}

func (c *levelCursor) leave() {
	if c.cur == nil {
		return
	}
	if err := c.cur.Err(); err != nil && c.err == nil {
		c.err = err
	}
	c.cur.Close()
	c.cur = nil
}

// settle returns k, or the first key of the tables that follow.
func (c *levelCursor) settle(k []byte) []byte {
	for k == nil && c.cur != nil && c.cur.Err() == nil && c.enter(c.at+1) {
		k = c.cur.First()
	}
	return k
}

// settleBack returns k, or the last key of the tables before.
func (c *levelCursor) settleBack(k []byte) []byte {
	for k == nil && c.cur != nil && c.cur.Err() == nil && c.enter(c.at-1) {
		k = c.cur.Last()
	}
	return k
}

func (c *levelCursor) SeekGE(ikey []byte) []byte {
	if !c.enter(c.v.search(c.run, ikey)) {
		return nil
	}
	return c.settle(c.cur.SeekGE(ikey))
}

func (c *levelCursor) SeekLT(ikey []byte) []byte {
	i := c.v.search(c.run, ikey)
	if i == len(c.run) || c.v.order.Compare(c.run[i].Smallest, ikey) >= 0 {
		i--
	}
	if !c.enter(i) {
		return nil
	}
	return c.settleBack(c.cur.SeekLT(ikey))
}

func (c *levelCursor) First() []byte {
	if !c.enter(0) {
		return nil
	}
	return c.settle(c.cur.First())
}

func (c *levelCursor) Last() []byte {
	if !c.enter(len(c.run) - 1) {
		return nil
	}
	return c.settleBack(c.cur.Last())
}

func (c *levelCursor) Next() []byte  { return c.settle(c.cur.Next()) }
func (c *levelCursor) Prev() []byte  { return c.settleBack(c.cur.Prev()) }
func (c *levelCursor) Value() []byte { return c.cur.Value() }

func (c *levelCursor) Err() error {
	if c.err == nil && c.cur != nil {
		return c.cur.Err()
	}
	return c.err
}

func (c *levelCursor) Close() error {
	c.leave()
	return c.err
}

var _ key.Cursor = (*levelCursor)(nil)
