package raft

import "errors"

// Errors that callers tell apart with errors.Is.
var (
	// ErrNotLeader: only the leader takes proposals and reads. A
	// *NotLeaderError says who the leader is, as far as this node knows.
	ErrNotLeader = errors.New("raft: not the leader")
	// ErrDropped: the proposal will never be applied; proposing it again is
	// safe.
	ErrDropped = errors.New("raft: proposal dropped")
	// ErrOutcomeUnknown: the proposal may or may not be applied, now or later.
	// Only a command that may run twice should be proposed again.
	ErrOutcomeUnknown = errors.New("raft: outcome unknown")
	// ErrPending: something else must finish first: a change of membership, a
	// transfer of leadership. Retry later.
	ErrPending = errors.New("raft: another change is under way")
	// ErrBusy: too much is proposed and not committed yet; nothing was done.
	// Retry later.
	ErrBusy = errors.New("raft: too much is uncommitted")
	// ErrTooLarge: the command is over the limit; nothing was done.
	ErrTooLarge = errors.New("raft: command too large")
	// ErrStopped: the node is closed, or stopped by a failure that Err names.
	ErrStopped = errors.New("raft: node stopped")
	// ErrStorage: the log could not be made durable. The node stops, because
	// what reached the disk is not known any more.
	ErrStorage = errors.New("raft: storage failed")
	// ErrCorrupt: stored state or a message contradicts the protocol.
	ErrCorrupt = errors.New("raft: corrupt state")
	// ErrInvalid: a configuration or an argument that cannot work.
	ErrInvalid = errors.New("raft: invalid")
	// ErrMisaddressed: a message for another node, or of an unknown sender or
	// kind.
	ErrMisaddressed = errors.New("raft: message not for this node")
	// ErrCompacted: the entries asked for have been replaced by a snapshot.
	ErrCompacted = errors.New("raft: log compacted")
)

// NotLeaderError is the ErrNotLeader of a node that may know better.
type NotLeaderError struct {
	// Leader is whom this node follows; None while there is no leader.
	Leader NodeID
}

func (e *NotLeaderError) Error() string {
	if e.Leader == None {
		return ErrNotLeader.Error() + ": no leader is known, retry later"
	}
	return ErrNotLeader.Error() + ": ask " + e.Leader.String()
}

// Is makes errors.Is(err, ErrNotLeader) hold.
func (e *NotLeaderError) Is(target error) bool { return target == ErrNotLeader }
