package rafttest

import (
	"fmt"
	"slices"
	"strings"

	"github.com/anishathalye/porcupine"

	"github.com/flagship-go/flagship/raft"
)

// simOp is an operation in the clients' history. Calls and returns are
// numbered in the order in which they happened, so that no two are at the same
// time.
type simOp struct {
	simCommand
	call    int64
	ret     int64 // 0: it never returned
	answer  simAnswer
	called  string // virtual times, for people
	settled string
}

func (o *simOp) String() string {
	s := fmt.Sprintf("p%d %v: %s ", o.client, simRequest{o.simCommand}, o.called)
	switch {
	case o.ret == 0:
		return s + "... unknown"
	case o.kind == simGet:
		return s + fmt.Sprintf("... %s returned %d", o.settled, o.answer.value)
	case !o.answer.done:
		return s + fmt.Sprintf("... %s found %d", o.settled, o.answer.value)
	}
	return s + fmt.Sprintf("... %s ok", o.settled)
}

// call and returned write the history.
func (s *simulation) call(r simRequest) *simOp {
	s.clock++
	op := &simOp{simCommand: r.simCommand, call: s.clock, called: s.world.Now().String()}
	s.history = append(s.history, op)
	return op
}

func (s *simulation) returned(op *simOp, a simAnswer) {
	s.clock++
	op.ret, op.answer, op.settled = s.clock, a, s.world.Now().String()
	s.stats.OpsOK++
	if op.kind == simGet {
		s.stats.Reads++
	}
}

// registerModel is one key: a number that is put, got, and compared and set.
var registerModel = porcupine.Model{
	Init: func() any { return uint64(0) },
	Step: func(state, input, output any) (bool, any) {
		value, op := state.(uint64), input.(*simOp)
		switch {
		case op.kind == simPut:
			return true, op.value
		case op.kind == simGet:
			return op.answer.value == value, value
		case op.ret == 0 || op.answer.done: // somebody saw that it was done
			return value == op.expect, op.value
		default:
			return value != op.expect && value == op.answer.value, value
		}
	},
}

// linearizable checks the history (§8): some order of the operations, each
// between its call and its return, must explain every answer. Keys do not
// influence each other, so each is checked by itself, which is what keeps the
// search short (Horn and Kroening, "Faster Linearizability Checking via
// P-Compositionality", 2015).
func (s *simulation) linearizable() error {
	for key := range s.opts.Keys {
		ops := ofKey(s.history, key)
		if !porcupine.CheckOperations(registerModel, decisive(ops)) {
			return &raft.Violation{Rule: "linearizability", Section: "§8", Detail: fmt.Sprintf(
				"no order of the operations on k%d explains their answers:\n\t%s\n", key, story(ops))}
		}
	}
	return nil
}

func ofKey(history []*simOp, key int) []*simOp {
	return slices.DeleteFunc(slices.Clone(history), func(op *simOp) bool { return op.key != key })
}

// decisive picks the operations that the answers depend on. One of unknown
// outcome stays open to the end, and many of them make the search explode; but
// every value is written once, and every answer names the value that it met:
//
//   - whose value nobody met explains no answer, and may be left out;
//   - whose value was met has happened before the first answer that names it.
func decisive(ops []*simOp) []porcupine.Operation {
	met := map[uint64]int64{} // by value: the first return that names it
	meet := func(value uint64, at int64) {
		if first, ok := met[value]; !ok || at < first {
			met[value] = at
		}
	}
	for _, op := range ops {
		switch {
		case op.ret == 0:
		case op.kind == simCAS && op.answer.done:
			meet(op.expect, op.ret)
		case op.kind != simPut:
			meet(op.answer.value, op.ret)
		}
	}
	var history []porcupine.Operation
	for _, op := range ops {
		end := op.ret
		if end == 0 {
			first, ok := met[op.value]
			if op.kind == simGet || !ok {
				continue
			}
			end = first
		}
		// Doubled, so that there is room behind the call of one that was met
		// too early, which the checker then finds.
		history = append(history, porcupine.Operation{
			ClientId: int(op.client - firstClient), Input: op, Call: 2 * op.call, Return: max(2*end, 2*op.call+1),
		})
	}
	return history
}

// story renders the operations around the last of a history.
func story(ops []*simOp) string {
	const most = 30
	var lines []string
	for _, op := range ops[max(0, len(ops)-most):] {
		lines = append(lines, op.String())
	}
	return strings.Join(lines, "\n\t")
}
