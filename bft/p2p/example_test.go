package p2p_test

import (
	"context"
	"crypto/ed25519"
	"fmt"

	"github.com/flagship-go/flagship/bft/p2p"
)

// Printer is a handler that prints what it hears.
type printer chan string

func (printer) AddPeer(*p2p.Peer)                 {}
func (printer) RemovePeer(*p2p.Peer, error)       {}
func (c printer) Receive(_ *p2p.Peer, msg []byte) { c <- string(msg) }

// Two nodes on one machine, and a message from one to the other.
func Example() {
	heard := make(printer, 1)
	node := func(seed byte) *p2p.Switch {
		s, err := p2p.New(p2p.Options{
			Key:     ed25519.NewKeyFromSeed(append(make([]byte, 31), seed)), // OpenKey, in earnest
			Network: "example", Listen: "127.0.0.1:0",
		})
		if err != nil {
			panic(err)
		}
		if err := s.Channel(p2p.ChannelOptions{ID: 1}, heard); err != nil {
			panic(err)
		}
		if err := s.Start(); err != nil {
			panic(err)
		}
		return s
	}
	a, b := node(1), node(2)
	defer a.Close()
	defer b.Close()

	peer, err := a.Dial(context.Background(), b.Address())
	if err != nil {
		panic(err)
	}
	peer.Send(1, []byte("good morning"))
	fmt.Println(<-heard)
	fmt.Println(peer.ID() == b.ID())
	// Output:
	// good morning
	// true
}
