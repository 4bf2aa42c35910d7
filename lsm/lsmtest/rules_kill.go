package lsmtest

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

func killRules() []Rule {
	return []Rule{{ID: "kill-9", Source: "pebble: 6,070 of 500,000 lost", Capability: "Kill", every: true, tell: killNine,
		Text: "A process that is killed loses nothing that was acknowledged, synced or not."}}
}

const (
	victimDir = "LSMTEST_VICTIM"
	victimSet = "LSMTEST_VICTIM_SET"

	victimKeys  = 100
	victimAcks  = 600   // after so many it is killed
	victimLimit = 50000 // it ends by itself after so many
)

func isVictim() bool { return os.Getenv(victimDir) != "" }

// victimOps is what batch n holds.
func victimOps(n int) []Op {
	return []Op{
		{Key: fmt.Appendf(nil, "n%03d", n%victimKeys), Value: repeated(fmt.Sprintf("%d.", n), 100+n%7*200)},
		{Key: []byte("last"), Value: []byte(strconv.Itoa(n))},
	}
}

// beVictim writes, and says what was acknowledged, until it is killed.
func beVictim(t *testing.T, impl Implementation) {
	p := newPlayer(&impl, Set{}, nil, os.Getenv(victimDir))
	for _, set := range impl.allSets() {
		if set.Name == os.Getenv(victimSet) {
			p.set = set
		}
	}
	if err := p.open(); err != nil {
		t.Fatal(err)
	}
	for n := 1; n <= victimLimit; n++ {
		if err := p.store.Apply(victimOps(n), false); err != nil {
			t.Fatal(err)
		}
		// When the parent is gone, so is the pipe.
		if _, err := fmt.Printf("acked %d\n", n); err != nil {
			return
		}
	}
}

// killNine kills a victim with the default options, and one with others.
func killNine(w *world) error {
	sets := w.impl.allSets()
	for _, set := range []Set{sets[0], sets[min(2, len(sets)-1)]} {
		w.set = set
		if err := killOnce(w); err != nil {
			return fmt.Errorf("option set %q: %w", set.Name, err)
		}
	}
	return nil
}

// killOnce starts this test once more, as a victim, and kills it.
func killOnce(w *world) error {
	dir, err := w.dir()
	if err != nil {
		return err
	}
	dir = filepath.Join(dir, "db")
	root, _, _ := strings.Cut(w.test, "/")
	cmd := exec.Command(os.Args[0], "-test.run=^"+root+"$", "-test.count=1")
	cmd.Env = append(os.Environ(), victimDir+"="+dir, victimSet+"="+w.set.Name)
	out, err := cmd.StdoutPipe()
	if err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return err
	}
	acked, said := 0, bufio.NewScanner(out)
	var other []string
	for acked < victimAcks && said.Scan() {
		if n, ok := strings.CutPrefix(said.Text(), "acked "); ok {
			acked, _ = strconv.Atoi(n)
		} else {
			other = append(other, said.Text())
		}
	}
	if err := cmd.Process.Kill(); err != nil && acked >= victimAcks {
		return err
	}
	// What it said before it died counts.
	for said.Scan() {
		if n, ok := strings.CutPrefix(said.Text(), "acked "); ok {
			if k, err := strconv.Atoi(n); err == nil {
				acked = max(acked, k)
			}
		}
	}
	cmd.Wait()
	if acked < victimAcks {
		return fmt.Errorf("the victim died by itself after %d writes: %s", acked, strings.Join(other, "\n"))
	}
	return survived(w, dir, acked)
}

// survived opens what a killed process has left: some batch was the last, not
// before the acknowledged one, and all before it are there.
func survived(w *world, dir string, acked int) error {
	p := newPlayer(w.impl, w.set, nil, dir)
	defer p.release()
	if err := p.open(); err != nil {
		return err
	}
	v, err := p.store.Get([]byte("last"))
	if err != nil {
		return fmt.Errorf("%d writes were acknowledged, the process was killed, and reading the last: %w", acked, err)
	}
	last, err := strconv.Atoi(string(v))
	if err != nil || last < acked {
		return fmt.Errorf("%d writes were acknowledged, the process was killed, and the last one left is %s", acked, v)
	}
	for n := max(1, last-victimKeys+1); n <= last; n++ {
		p.state = p.state.apply(victimOps(n), p.now())
	}
	if err := p.step(step{verb: "scan"}); err != nil {
		return fmt.Errorf("after a kill at write %d: %w", last, err)
	}
	return nil
}
