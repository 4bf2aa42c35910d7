package tcp

import (
	"errors"
	"fmt"

	"github.com/flagship-go/flagship/raft"
)

// Why two nodes do not talk to each other. They appear in [PeerStatus] and in
// the log of both sides, wrapped with who refused whom.
var (
	// ErrWrongCluster: the other side belongs to another cluster.
	ErrWrongCluster = errors.New("raft/tcp: another cluster")
	// ErrWrongNode: the address belongs to a node with another ID, or a message
	// is not from or for the nodes at the ends of its connection.
	ErrWrongNode = errors.New("raft/tcp: another node")
	// ErrUnknownPeer: the other side does not know this node as a peer. Give it
	// this one's address with SetPeer.
	ErrUnknownPeer = errors.New("raft/tcp: not a peer")
	// ErrDuplicateID: another process uses this node's ID, and was started
	// later. Two nodes of one ID can vote twice: stop one of them at once.
	ErrDuplicateID = errors.New("raft/tcp: node ID in use by another process")
	// ErrVersion: the two builds share no version of the protocol.
	ErrVersion = errors.New("raft/tcp: no common version")
	// ErrIdentity: Options.VerifyPeer refused the other side's certificate.
	ErrIdentity = errors.New("raft/tcp: certificate refused")
	// ErrProtocol: the bytes that came are not this protocol: a damaged frame,
	// or something else altogether that speaks to this port.
	ErrProtocol = errors.New("raft/tcp: not the protocol")
	// ErrTooLarge: a frame or a snapshot over the limit.
	ErrTooLarge = errors.New("raft/tcp: too large")
	// ErrTimeout: the other side took longer than Options.Timeout.
	ErrTimeout = errors.New("raft/tcp: no answer in time")
	// ErrRemoved: the peer was removed, or replaced by a later connection.
	ErrRemoved = errors.New("raft/tcp: connection no longer wanted")
	// ErrClosed: the transport is closed.
	ErrClosed = errors.New("raft/tcp: transport closed")
)

// refusals are the errors that travel in the answer to a hello, by their code
// on the wire: a code never changes its meaning. 0 is consent.
var refusals = [...]error{
	1: ErrWrongCluster, 2: ErrWrongNode, 3: ErrUnknownPeer, 4: ErrDuplicateID,
	5: ErrVersion, 6: ErrIdentity, 7: ErrProtocol, 8: ErrTooLarge,
}

func refusalCode(err error) byte {
	for code, target := range refusals {
		if target != nil && errors.Is(err, target) {
			return byte(code)
		}
	}
	return 7
}

// refusal is the error of a node that was refused by another.
func refusal(by raft.NodeID, code byte, reason string) error {
	err := ErrProtocol
	if int(code) < len(refusals) && refusals[code] != nil {
		err = refusals[code]
	}
	return fmt.Errorf("%w: refused by %s: %q", err, by, reason)
}

// kindOf returns the reason that err wraps, so that a failure that lasts is
// logged once and not at every attempt.
func kindOf(err error) error {
	for _, target := range refusals {
		if target != nil && errors.Is(err, target) {
			return target
		}
	}
	return nil
}
