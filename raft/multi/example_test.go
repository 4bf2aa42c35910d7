package multi_test

import (
	"bytes"
	"context"
	"encoding/gob"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"time"

	"github.com/flagship-go/flagship/raft"
	"github.com/flagship-go/flagship/raft/multi"
)

// cities is the state machine of a group: "city=people", split by the alphabet.
type cities struct {
	mu     sync.Mutex
	people map[string]string
}

func (c *cities) Apply(_ uint64, command []byte) []byte {
	c.mu.Lock()
	defer c.mu.Unlock()
	city, people, _ := strings.Cut(string(command), "=")
	c.people[city] = people
	return nil
}

func (c *cities) Snapshot() (io.WriterTo, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	var b bytes.Buffer
	err := gob.NewEncoder(&b).Encode(c.people)
	return &b, err
}

func (c *cities) Restore(r io.Reader) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.people = map[string]string{}
	return gob.NewDecoder(r).Decode(&c.people)
}

func (c *cities) CanSplit(at []byte) error {
	if len(at) == 0 {
		return errors.New("split at which city?")
	}
	return nil
}

func (c *cities) Split(_ uint64, _ multi.GroupID, at []byte) raft.StateMachine {
	c.mu.Lock()
	defer c.mu.Unlock()
	right := &cities{people: map[string]string{}}
	for city, people := range c.people {
		if city >= string(at) {
			right.people[city] = people
			delete(c.people, city)
		}
	}
	return right
}

// onLeader calls f with one host after the other until the group's leader has done
// it. All that is asked for here may be done twice.
func onLeader(hosts []*multi.Host, f func(h *multi.Host) error) {
	for {
		for _, h := range hosts {
			if err := f(h); err == nil || errors.Is(err, multi.ErrExists) {
				return
			}
		}
		time.Sleep(5 * time.Millisecond)
	}
}

// Three hosts in one process hold a group, which is split in two; both parts then
// sleep until somebody wants something of them.
func Example() {
	ctx := context.Background()
	network := multi.NewNetwork()
	ids := []raft.NodeID{1, 2, 3}
	var hosts []*multi.Host
	for _, id := range ids {
		h, err := multi.Start(multi.Options{
			ID: id, Transport: network.Join(id), TickInterval: 20 * time.Millisecond,
			StateMachine: func(multi.GroupID) (raft.StateMachine, error) {
				return &cities{people: map[string]string{}}, nil
			},
		})
		if err != nil {
			fmt.Println(err)
			return
		}
		defer h.Close()
		hosts = append(hosts, h)
		if err := h.Create(ctx, 1, ids); err != nil {
			fmt.Println(err)
			return
		}
	}

	put := func(g multi.GroupID, command string) {
		onLeader(hosts, func(h *multi.Host) error {
			_, err := h.Propose(ctx, g, []byte(command))
			return err
		})
	}
	for _, command := range []string{"Aachen=250000", "Bonn=330000", "Mainz=220000", "Trier=110000"} {
		put(1, command)
	}
	onLeader(hosts, func(h *multi.Host) error { return h.Split(ctx, 1, 2, []byte("M")) })
	put(2, "Worms=80000")
	_, err := hosts[0].Propose(ctx, 3, []byte("Xanten=21000"))
	fmt.Println(err)

	for awake := true; awake; time.Sleep(5 * time.Millisecond) {
		awake = false
		for _, h := range hosts {
			groups, err := h.Groups(ctx)
			for _, st := range groups {
				awake = awake || err != nil || !st.Asleep
			}
		}
	}
	groups, _ := hosts[0].Groups(ctx)
	for _, st := range groups {
		fmt.Println(st.Group, "sleeps, its members are", st.Membership.Voters)
	}
	// Output:
	// raft/multi: no such group on this host: g3 on n1
	// g1 sleeps, its members are [n1 n2 n3]
	// g2 sleeps, its members are [n1 n2 n3]
}
