package sim_test

import (
	"fmt"
	"time"

	"github.com/flagship-go/flagship/internal/sim"
	"github.com/flagship-go/flagship/internal/vfs"
)

// add asks the server to count one more; number tells retries from new ones.
type add struct{ number int }

func (a add) String() string { return fmt.Sprintf("add %d", a.number) }

// done answers that everything up to number is counted.
type done struct{ number int }

func (d done) String() string { return fmt.Sprintf("done %d", d.number) }

// server counts what it is asked to, once each, and writes the count to disk
// before it says so.
type server struct {
	*sim.Process
	file  vfs.File
	count byte
}

func bootServer(p *sim.Process) sim.Handler {
	s := &server{Process: p}
	var err error
	if s.file, err = p.Disk().Open("count", vfs.ReadWrite); err == nil {
		var stored [1]byte
		if n, _ := s.file.ReadAt(stored[:], 0); n == 1 {
			s.count = stored[0]
		}
		return s
	}
	if s.file, err = p.Disk().Create("count"); err == nil {
		err = p.Disk().SyncDir("/")
	}
	if err != nil {
		return nil // the disk fails: this start has failed
	}
	return s
}

func (s *server) Receive(from sim.ID, payload any) {
	if number := payload.(add).number; number == int(s.count)+1 {
		if _, err := s.file.WriteAt([]byte{s.count + 1}, 0); err != nil {
			s.Exit(err.Error())
			return
		}
		if err := s.file.Sync(); err != nil {
			s.Exit(err.Error())
			return
		}
		s.count++
	}
	s.Send(from, done{int(s.count)})
}

// client asks again until it has its answer, then asks for the next.
type client struct {
	*sim.Process
	number int
	retry  sim.Timer
}

func bootClient(p *sim.Process) sim.Handler {
	c := &client{Process: p, number: 1}
	c.ask()
	return c
}

func (c *client) ask() {
	c.Send(1, add{c.number})
	c.retry = c.After(100*time.Millisecond, c.ask)
}

func (c *client) Receive(_ sim.ID, payload any) {
	if payload.(done).number == c.number {
		c.retry.Stop()
		c.number++
		c.ask()
	}
}

// A counter that must lose nothing, in a world that loses a fifth of its
// messages and cuts the server's power in the middle of a write.
func Example() {
	w := sim.New(sim.Options{
		Seed:  3,
		Chaos: sim.Chaos{Loss: 0.2},
		Sink: func(e sim.Event) {
			if e.Kind == sim.Dropped || e.Kind == sim.Crashed || e.Kind == sim.Started {
				fmt.Println(e)
			}
		},
	})
	w.Spawn(1, bootServer)
	var c *client
	w.Spawn(2, func(p *sim.Process) sim.Handler {
		h := bootClient(p)
		c = h.(*client)
		return h
	})

	faults, err := sim.ParseSchedule(`
		20ms  powercut-during 1 count=3 for 50ms
		300ms partition groups=1|2 for 150ms`)
	if err != nil {
		fmt.Println(err)
		return
	}
	faults.Apply(w, nil)

	ok := w.RunUntil(func() bool { return c.number > 20 }, time.Minute)
	fmt.Println("counted 20:", ok, w.Err())
	// Output:
	// 0.000000 p1 start
	// 0.000000 p2 start
	// 0.000000 p2 dropped p1 #1 (loss) add 1
	// 0.108526 p1 crash (power cut in disk operation 6)
	// 0.158526 p1 start
	// 0.213747 p1 dropped p2 #8 (loss) done 3
	// 0.311339 p2 dropped p1 #9 (partition) add 3
	// 0.411339 p2 dropped p1 #10 (partition) add 3
	// 0.522729 p2 dropped p1 #15 (loss) add 5
	// 0.642908 p1 dropped p2 #23 (loss) done 8
	// 0.758475 p1 dropped p2 #31 (loss) done 11
	// 0.860256 p1 dropped p2 #33 (loss) done 11
	// 0.968388 p1 dropped p2 #37 (loss) done 12
	// 1.063562 p2 dropped p1 #38 (loss) add 12
	// 1.206327 p2 dropped p1 #53 (loss) add 19
	// 1.307564 p1 dropped p2 #55 (loss) done 19
	// 1.416185 p1 dropped p2 #59 (loss) done 20
	// 1.517613 p2 dropped p1 #62 (loss) add 21
	// counted 20: true <nil>
}
