package erasuretest

import (
	"bytes"
	"errors"
	"maps"
	"math"
	"math/rand/v2"
	"slices"

	"github.com/flagship-go/flagship/erasure"
	"github.com/flagship-go/flagship/internal/vfs"
)

// A player makes the calls of a run, and lets the ledger judge every answer.
type player struct {
	r     *rack
	l     *ledger
	stats Stats
}

func newPlayer(impl *Implementation, g geometry) (*player, error) {
	r, err := newRack(impl, g, 0)
	return &player{r: r, l: newLedger(g)}, err
}

// Stats count what a run went through: a world that nothing happens in tests
// nothing.
type Stats struct {
	Acknowledged, Refused, Unknown int // writes
	Reads, Errors                  int // of Reads, those that were answered by an error
	PowerCuts, Restarts            int
	Lost, Returned, Replaced       int // drives
	Damaged                        int // files
	Slowed, Late                   int // drives; calls done after their callers gave up
	Outages                        int // calls of drives that failed by EIO or ENOSPC
	Heals                          int
}

func (s *Stats) add(t Stats) {
	s.Acknowledged += t.Acknowledged
	s.Refused += t.Refused
	s.Unknown += t.Unknown
	s.Reads += t.Reads
	s.Errors += t.Errors
	s.PowerCuts += t.PowerCuts
	s.Restarts += t.Restarts
	s.Lost += t.Lost
	s.Returned += t.Returned
	s.Replaced += t.Replaced
	s.Damaged += t.Damaged
	s.Slowed += t.Slowed
	s.Late += t.Late
	s.Outages += t.Outages
	s.Heals += t.Heals
}

// dark reports whether power is off.
func (p *player) dark() bool {
	_, err := p.r.disk.List("")
	return errors.Is(err, vfs.ErrPowerCut)
}

// failed are the drives on which something has failed since it was last asked, and
// those that answer late.
func (p *player) failed() (f driveSet) {
	for _, b := range p.r.bays {
		if b.takeFailed() || b.owes() {
			f |= oneDrive(b.id)
		}
	}
	return f &^ p.l.off
}

// slow are the drives that answer late.
func (p *player) slow() (s driveSet) {
	for _, b := range p.r.bays {
		if b.owes() {
			s |= oneDrive(b.id)
		}
	}
	return s
}

// write makes a call that adds a version, and enters its outcome.
func (p *player) write(name string, e *entry, call func() (erasure.Info, error)) {
	p.failed()
	p.l.begin(name, e)
	info, err := call()
	failed := p.failed()
	switch {
	case err == nil:
		p.stats.Acknowledged++
		if p.slow() != 0 {
			failed = 0 // which of them it is not on is not known; info counts them
		}
		p.l.acknowledged(name, e, info, failed)
	case errors.Is(err, erasure.ErrOutcomeUnknown) || p.dark():
		p.stats.Unknown++
	default:
		p.stats.Refused++
		p.l.failed(e)
		p.mustHave(name, err, failed, p.l.base.data, p.l.mayFail(name, "", failed))
	}
}

// mustHave reports a write that failed though there are enough drives for it.
func (p *player) mustHave(name string, err error, failed driveSet, data int, may bool) {
	l := p.l
	silent := l.silent(name, failed)
	if silent.count() <= l.drives-l.quorum(data) && failed&^p.slow() == 0 && !may {
		violated("E1", "a write to %q fails though enough drives answer: %v\n%s", name, err, l.describe(name, failed))
	}
}

func (p *player) put(label, name string, b []byte, versioned bool) {
	p.write(name, &entry{label: label, body: b, null: !versioned}, func() (erasure.Info, error) {
		return p.r.store.Put(background, name, onlyReader{bytes.NewReader(b)}, int64(len(b)), &erasure.PutOptions{Versioned: versioned})
	})
}

// hangUp puts a body that breaks off.
func (p *player) hangUp(label, name string, b []byte) {
	p.failed()
	e := p.l.begin(name, &entry{label: label, body: b, null: true})
	_, err := p.r.store.Put(background, name, hangsUp{bytes.NewReader(b), func() error { return errHungUp }}, int64(len(b))+1, nil)
	if err == nil {
		violated("E3", "a put whose body breaks off has no error")
	}
	p.stats.Refused++
	p.l.failed(e)
}

// upload puts an object by way of a multipart upload of one part.
func (p *player) upload(label, name string, b []byte, versioned bool) {
	u, ok := p.r.store.(Uploader)
	if !ok {
		p.put(label, name, b, versioned)
		return
	}
	p.failed()
	upload, err := u.NewUpload(background, name, nil)
	if err != nil {
		p.stats.Refused++
		return
	}
	part, err := u.PutPart(background, name, upload.ID, 1, onlyReader{bytes.NewReader(b)}, int64(len(b)))
	if err != nil {
		p.stats.Refused++
		return
	}
	p.complete(label, name, b, upload, part, versioned)
}

func (p *player) complete(label, name string, b []byte, upload erasure.Upload, part erasure.Part, versioned bool) {
	p.write(name, &entry{label: label, body: b, null: !versioned}, func() (erasure.Info, error) {
		return p.r.store.(Uploader).CompleteUpload(background, name, upload.ID, []erasure.Part{part}, erasure.Condition{}, versioned)
	})
}

// mark puts a delete marker.
func (p *player) mark(label, name string, null bool) {
	p.write(name, &entry{label: label, marker: true, null: null}, func() (erasure.Info, error) {
		return p.r.store.Delete(background, name, &erasure.DeleteOptions{Versioned: !null, MarkNull: null})
	})
}

// remove removes a version for good; "null" is the null version.
func (p *player) remove(name, version string) {
	p.failed()
	targets := p.l.targets(name, version)
	data := p.l.base.data
	for _, e := range targets {
		data = max(data, e.most)
	}
	o := &erasure.DeleteOptions{VersionID: version}
	if version == "null" {
		o.VersionID = ""
	}
	_, err := p.r.store.Delete(background, name, o)
	failed := p.failed()
	switch {
	case err == nil:
		p.stats.Acknowledged++
		for _, e := range targets {
			e.state, e.why, e.may = gone, "E5", p.l.silent(name, failed)
		}
	case errors.Is(err, erasure.ErrOutcomeUnknown) || p.dark():
		p.stats.Unknown++
		for _, e := range targets {
			e.state, e.may = open, p.l.all()
		}
	default:
		p.stats.Refused++
		p.mustHave(name, err, failed, data, p.l.mayRefuse(name, version, failed))
	}
}

// see reads a version twice, and lets the ledger judge both.
func (p *player) see(name, version string) {
	for range 2 {
		p.failed()
		p.stats.Reads++
		var s sight
		var err error
		s.body, err = p.r.read(name, version)
		switch failed := p.failed(); {
		case p.dark() && err != nil:
			return
		case errors.Is(err, erasure.ErrDeleted):
			s.marker = true
			p.l.see(name, version, s, failed)
		case errors.Is(err, erasure.ErrNotFound):
			s.missing = true
			p.l.see(name, version, s, failed)
		default:
			if s.err = err; err != nil {
				p.stats.Errors++
			}
			p.l.see(name, version, s, failed)
		}
	}
}

// seeAll reads all there is.
func (p *player) seeAll() {
	for _, name := range slices.Sorted(maps.Keys(p.l.names)) {
		p.see(name, "")
		for _, e := range p.l.names[name] {
			if e.id != "" {
				p.see(name, e.id)
			}
		}
	}
}

func (p *player) heal(deep bool) {
	p.failed()
	report, err := p.r.store.Heal(background, &erasure.HealOptions{Deep: deep}, nil)
	failed := p.failed()
	p.stats.Heals++
	switch {
	case err == nil && report.Unreadable == 0 && !p.dark():
		p.l.healed(failed, deep)
	case err != nil && p.l.off == 0 && failed == 0 && !p.dark():
		violated("E13", "healing fails though all drives answer: %v", err)
	}
}

// catchUp has a drive do some of the calls that it was too slow for.
func (p *player) catchUp(b *bay, n int, rng *rand.Rand) {
	p.stats.Late += min(n, len(b.backlog))
	b.catchUp(n, rng)
}

// noneSlow ends the slowness of drives: with power, or their process, gone, what
// they have not done is not done any more.
func (p *player) noneSlow() {
	for _, b := range p.r.bays {
		b.set(func(b *bay) { b.brisk, b.lags, b.backlog = 0, 0, nil })
	}
}

// restart opens the store again, after what a power cut has left if it is dark.
func (p *player) restart(clone func(*vfs.Mem) *vfs.Mem) {
	p.noneSlow()
	p.r.close()
	if p.dark() {
		p.stats.PowerCuts++
		p.r.crash(clone)
	}
	p.stats.Restarts++
	err := p.openAtLast(clone)
	if err == nil {
		return
	}
	if (p.l.off | p.l.fresh).count() <= p.l.drives-p.l.base.data {
		violated("E1", "the store does not open: %v\n%s", err, p.l.describe("", 0))
	}
	p.r.disk.ClearFaults()
	for _, b := range p.r.bays { // too few: it opens when they are back
		b.set(func(b *bay) { b.offline = false })
	}
	if err := p.openAtLast(clone); err != nil {
		violated("E1", "with all drives, the store does not open: %v", err)
	}
}

// openAtLast opens the store, through power cuts and drives that fail.
func (p *player) openAtLast(clone func(*vfs.Mem) *vfs.Mem) error {
	err := p.open()
	for range 9 {
		switch {
		case err == nil:
			return nil
		case p.dark():
			p.stats.PowerCuts++
			p.r.crash(clone)
		case p.failed() != 0:
			p.r.disk.ClearFaults()
		default:
			return err
		}
		err = p.open()
	}
	return err
}

// open opens the store; a drive that cannot be opened is one that is lost.
func (p *player) open() error {
	p.failed()
	err := p.r.open()
	p.l.off = 0
	for _, b := range p.r.bays {
		if b.offline {
			p.l.off |= oneDrive(b.id)
		}
	}
	return err
}

// calm ends all faults, heals everything, and then sees to it that all is as it
// must be, to the last file.
func (p *player) calm() {
	p.r.disk.ClearFaults()
	p.r.disk.CutPower(math.MaxInt64)
	for _, b := range p.r.bays {
		b.set(func(b *bay) { b.offline, b.brisk, b.lags = false, 0, 0 })
		p.catchUp(b, len(b.backlog), rand.New(rand.NewPCG(1, 9)))
	}
	p.l.off = 0
	p.restart(func(m *vfs.Mem) *vfs.Mem { return m.CrashClone(nil) })
	p.seeAll()
	p.heal(true)
	p.seeAll()
	p.heal(true)
	report, err := p.r.store.Heal(background, &erasure.HealOptions{Deep: true}, nil)
	if err != nil || p.l.fresh == 0 && report.Unreadable == 0 && report.Healed+report.Purged+report.Corrupt+report.Absent > 0 {
		violated("E13", "healed twice, there is still something to do: %+v, error %v", report, err)
	}
	if report.Unreadable == 0 {
		p.nothingLeft()
	}
	p.listed(report.Unreadable == 0)
}

// nothingLeft fails the rule when what is gone has left something.
func (p *player) nothingLeft() {
	for _, b := range p.r.bays {
		for _, f := range p.r.files(b, "tmp/") {
			violated("E13", "healed, drive %s is left with %s", b.dir, f.path)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(p.l.names)) {
		alive := 0
		for _, e := range p.l.names[name] {
			if e.state != gone {
				alive++
			}
		}
		for _, b := range p.r.bays {
			shards, versions := p.r.shards(b, name)
			if len(versions) > alive || len(shards) > alive {
				violated("E13", "healed, drive %s has %d version files and %d shards of %q\n%s", b.dir, len(versions), len(shards), name, p.l.describe(name, 0))
			}
		}
	}
}

// listed compares the list with what is read.
func (p *player) listed(whole bool) {
	lister, ok := p.r.store.(Lister)
	if !ok || !whole {
		return
	}
	page, err := lister.List(background, erasure.ListOptions{})
	if err != nil {
		violated("E1", "listing fails in the calm: %v", err)
	}
	got := objectNames(page)
	for _, name := range slices.Sorted(maps.Keys(p.l.names)) {
		_, err := p.r.read(name, "")
		if is := slices.Contains(got, name); is != (err == nil) {
			violated("E5", "%q is listed: %v, and reading it gives error %v", name, is, err)
		}
	}
}
