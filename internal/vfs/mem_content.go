// What is in a file: its bytes as programs see them, and, for every sector that
// was written since the last sync, what the sector held before each write.
//
//	program sees     [ s0 ][ s1'' ][ s2' ][ s3 ]      data
//	                         ^        ^
//	past[1] = { s1, s1' } ---+        |
//	past[2] = { s2 } -----------------+
//
// A power cut shows each sector of past at any of its images or as it is now;
// all other sectors are as they are. A sync forgets past. The length has a
// history of the same form.

package vfs

import (
	"bytes"
	"maps"
)

// SectorSize is the unit, in bytes, that the modelled disk writes whole or not
// at all: the smallest that disks promise. A torn write is torn between sectors.
const SectorSize = 512

type content struct {
	data     []byte // bytes [0, high) matter; the rest, up to its length, is zero
	high     int64  // nothing at or after it was ever written: a preallocated file costs no memory
	size     int64
	reserved int64 // bytes of disk charged to the file: a prefix, holes included

	past     map[int64]*history // by sector number
	sizes    []int64            // lengths before each change since the last sync, oldest first
	sizeLost bool               // a sync of the length failed: see history.lost

	maps []*memMapping
}

// history is what one sector may show after a power cut, besides what is there.
type history struct {
	images [][]byte // oldest first; shorter than a sector: zeros follow; never changed in place
	// lost: a sync of these writes failed. The kernel then takes the page for
	// clean, and no later sync writes it; only a new write makes it dirty again
	// ("fsyncgate", PostgreSQL 2018; Rebello et al., ATC 2020).
	lost bool
}

func (c *content) write(off int64, p []byte) {
	if len(p) == 0 {
		return
	}
	end := off + int64(len(p))
	c.remember(off, end)
	c.grow(end)
	copy(c.data[off:], p)
	c.high = max(c.high, end)
	if end > c.size {
		c.setSize(end)
	}
	c.mirror(off, end)
}

// truncate sets the length. To the disk, what a shorter length cuts off is a
// write of zeros: until it is synced, the old bytes may come back.
func (c *content) truncate(size int64) {
	if size < c.size {
		for s, h := range c.past {
			if (s+1)*SectorSize > size {
				h.lost = false // the truncation can be synced, whatever was lost before
			}
		}
	}
	if size < c.high {
		c.remember(size, c.high)
		clear(c.data[size:c.high])
		c.high = size
	}
	if size != c.size {
		c.setSize(size)
	}
}

// read fills p from off on, as far as the file goes.
func (c *content) read(p []byte, off int64) int {
	n := int(min(int64(len(p)), max(c.size-off, 0)))
	stored := 0
	if off < c.high {
		stored = copy(p[:n], c.data[off:c.high])
	}
	clear(p[stored:n])
	return n
}

// remember keeps the present image of every sector that [off, end) touches.
func (c *content) remember(off, end int64) {
	if c.past == nil {
		c.past = make(map[int64]*history)
	}
	for s := off / SectorSize; s*SectorSize < end; s++ {
		h := c.past[s]
		if h == nil {
			h = &history{}
			c.past[s] = h
		}
		h.images = append(h.images, c.image(s))
		h.lost = false
	}
}

// image returns a copy of a sector as it is now; nil if it was never written.
func (c *content) image(sector int64) []byte {
	from := sector * SectorSize
	if from >= c.high {
		return nil
	}
	return bytes.Clone(c.data[from:min(from+SectorSize, c.high)])
}

func (c *content) setSize(size int64) {
	c.sizes = append(c.sizes, c.size)
	c.sizeLost = false
	c.size = size
}

// sync makes the bytes before end durable. It cannot save what an earlier
// failed sync has lost.
func (c *content) sync(end int64) {
	maps.DeleteFunc(c.past, func(s int64, h *history) bool {
		return s*SectorSize < end && !h.lost
	})
}

// failSync takes the bytes before end for clean without making them durable.
func (c *content) failSync(end int64) {
	for s, h := range c.past {
		if s*SectorSize < end {
			h.lost = true
		}
	}
}

func (c *content) syncSize() {
	if !c.sizeLost {
		c.sizes = nil
	}
}

// grow makes data at least n bytes long.
func (c *content) grow(n int64) {
	if more := n - int64(len(c.data)); more > 0 {
		c.data = append(c.data, make([]byte, more)...)
	}
}

// mirror copies bytes just stored to the mappings whose memory is no longer the
// file's: growth has moved the file, but a mapping must stay where it is.
func (c *content) mirror(off, end int64) {
	for _, m := range c.maps {
		if size := int64(len(m.view)); off < size && &m.view[0] != &c.data[0] {
			copy(m.view[off:], c.data[off:min(end, size)])
		}
	}
}

// flip inverts one bit where it is stored: in every image, as of a disk, and in
// what programs see.
func (c *content) flip(bit int64) {
	at, mask := bit/8, byte(1)<<(bit%8)
	if h := c.past[at/SectorSize]; h != nil {
		for i, old := range h.images {
			image := make([]byte, SectorSize)
			copy(image, old)
			image[at%SectorSize] ^= mask
			h.images[i] = image // a fresh copy: clones may share the old one
		}
	}
	c.grow(at + 1)
	c.data[at] ^= mask
	c.high = max(c.high, at+1)
	c.mirror(at, at+1)
}

// clone copies the content with its history: what a killed process leaves.
func (c *content) clone() content {
	d := content{
		data: bytes.Clone(c.data[:c.high]), high: c.high, size: c.size, reserved: c.reserved,
		sizes: append([]int64(nil), c.sizes...), sizeLost: c.sizeLost,
	}
	if len(c.past) > 0 {
		d.past = make(map[int64]*history, len(c.past))
	}
	for s, h := range c.past {
		d.past[s] = &history{images: append([][]byte(nil), h.images...), lost: h.lost}
	}
	return d
}
