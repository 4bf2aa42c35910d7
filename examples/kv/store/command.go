package store

import "fmt"

// The encoding of commands and results.
//
//	command   version | type | fields
//	result    version | 0 | type | fields      done
//	          version | n                      refused: refusals[n-1]
//
// Types and refusals are numbered by their places in the lists below, which
// only ever grow at the end: logs and session tables outlive a build.
const encodingVersion = 1

// newCommand and newResponse make an empty value of a type.
func newCommand(kind byte) Command {
	commands := [...]func() Command{
		func() Command { return new(PutRequest) },
		func() Command { return new(DeleteRangeRequest) },
		func() Command { return new(TxnRequest) },
		func() Command { return new(CompactionRequest) },
		func() Command { return new(LeaseGrantRequest) },
		func() Command { return new(LeaseRevokeRequest) },
		func() Command { return new(LeaseCheckpointRequest) },
		func() Command { return new(AlarmRequest) },
		func() Command { return new(DefragmentRequest) },
		func() Command { return new(MemberSetRequest) },
		func() Command { return new(MemberRemoveRequest) },
	}
	if int(kind) >= len(commands) {
		return nil
	}
	return commands[kind]()
}

func newResponse(kind byte) Response {
	responses := [...]func() Response{
		func() Response { return new(PutResponse) },
		func() Response { return new(DeleteRangeResponse) },
		func() Response { return new(TxnResponse) },
		func() Response { return new(CompactionResponse) },
		func() Response { return new(LeaseGrantResponse) },
		func() Response { return new(LeaseRevokeResponse) },
		func() Response { return new(LeaseCheckpointResponse) },
		func() Response { return new(AlarmResponse) },
		func() Response { return new(DefragmentResponse) },
		func() Response { return new(MemberSetResponse) },
		func() Response { return new(MemberRemoveResponse) },
	}
	if int(kind) >= len(responses) {
		return nil
	}
	return responses[kind]()
}

// refusals is a function, so that nobody changes the list.
func refusals() [16]error {
	return [...]error{
		ErrInvalidCommand, ErrEmptyKey, ErrKeyNotFound, ErrValueProvided, ErrLeaseProvided,
		ErrTooManyOps, ErrDuplicateKey, ErrInvalidSort, ErrCompacted, ErrFutureRev,
		ErrNoSpace, ErrCorrupt, ErrLeaseNotFound, ErrLeaseExist, ErrLeaseTTLTooLarge,
		ErrKeyTooLong,
	}
}

// EncodeCommand makes a log entry of c.
func EncodeCommand(cmd Command) []byte {
	c := codec{writing: true, b: make([]byte, 0, 64)}
	c.header(commandKind(cmd))
	c.command(cmd)
	return c.b
}

// DecodeCommand reads what EncodeCommand wrote; the command keeps parts of b.
// ErrVersion, ErrInvalidCommand.
func DecodeCommand(b []byte) (Command, error) {
	c := codec{b: b}
	kind, err := c.readHeader()
	if err != nil {
		return nil, err
	}
	cmd := newCommand(kind)
	if cmd == nil {
		return nil, fmt.Errorf("%w: command of type %d", ErrInvalidCommand, kind)
	}
	c.command(cmd)
	if !c.done() {
		return nil, fmt.Errorf("%w: command of type %d, %d bytes", ErrInvalidCommand, kind, len(b))
	}
	return cmd, nil
}

// encodeResult makes of a response or a refusal what Apply returns.
func encodeResult(r Response, err error) []byte {
	c := codec{writing: true, b: make([]byte, 0, 32)}
	if err != nil {
		for i, refusal := range refusals() {
			if err == refusal {
				c.header(byte(i + 1))
				return c.b
			}
		}
		panic(fmt.Sprintf("store: %v is not in the list of refusals", err))
	}
	c.header(0)
	kind := responseKind(r)
	c.byte(&kind)
	c.response(r)
	return c.b
}

// DecodeResult reads what Apply returned. A refusal comes as one of the
// package's errors. ErrVersion or ErrInvalidCommand if the bytes are no result.
func DecodeResult(b []byte) (Response, error) {
	c := codec{b: b}
	n, err := c.readHeader()
	if err != nil {
		return nil, err
	}
	if list := refusals(); n > 0 {
		if int(n) > len(list) || len(c.b) > 0 {
			return nil, fmt.Errorf("%w: result of an unknown refusal %d", ErrInvalidCommand, n)
		}
		return nil, list[n-1]
	}
	var kind byte
	c.byte(&kind)
	r := newResponse(kind)
	if c.bad || r == nil {
		return nil, fmt.Errorf("%w: result of type %d", ErrInvalidCommand, kind)
	}
	c.response(r)
	if !c.done() {
		return nil, fmt.Errorf("%w: result of type %d, %d bytes", ErrInvalidCommand, kind, len(b))
	}
	return r, nil
}

func (c *codec) header(kind byte) { c.b = append(c.b, encodingVersion, kind) }

func (c *codec) readHeader() (kind byte, err error) {
	var version byte
	c.byte(&version)
	if version > encodingVersion {
		return 0, fmt.Errorf("%w: %d, this build reads up to %d", ErrVersion, version, encodingVersion)
	}
	c.byte(&kind)
	if c.bad || version == 0 {
		return 0, fmt.Errorf("%w: no version and type", ErrInvalidCommand)
	}
	return kind, nil
}

// commandKind is the place of the type in newCommand's list, and responseKind
// in newResponse's.
func commandKind(cmd Command) byte {
	switch cmd.(type) {
	case *PutRequest:
		return 0
	case *DeleteRangeRequest:
		return 1
	case *TxnRequest:
		return 2
	case *CompactionRequest:
		return 3
	case *LeaseGrantRequest:
		return 4
	case *LeaseRevokeRequest:
		return 5
	case *LeaseCheckpointRequest:
		return 6
	case *AlarmRequest:
		return 7
	case *DefragmentRequest:
		return 8
	case *MemberSetRequest:
		return 9
	case *MemberRemoveRequest:
		return 10
	}
	panic(fmt.Sprintf("store: no command: %T", cmd))
}

func responseKind(r Response) byte {
	switch r.(type) {
	case *PutResponse:
		return 0
	case *DeleteRangeResponse:
		return 1
	case *TxnResponse:
		return 2
	case *CompactionResponse:
		return 3
	case *LeaseGrantResponse:
		return 4
	case *LeaseRevokeResponse:
		return 5
	case *LeaseCheckpointResponse:
		return 6
	case *AlarmResponse:
		return 7
	case *DefragmentResponse:
		return 8
	case *MemberSetResponse:
		return 9
	case *MemberRemoveResponse:
		return 10
	}
	panic(fmt.Sprintf("store: no response: %T", r))
}
