package bfttest

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/flagship-go/flagship/bft"
	"github.com/flagship-go/flagship/bft/types"
)

// stage is where a script is played: a few cores, the validators that the script
// plays itself, and what is between them. Nothing moves by itself. The words of a script, a command a line:
//
//	validators 1 1 1 5             n1, n2, ... with these powers: a new world
//	proposers n1 n3                whose turn it is in rounds 0, 1, 0, 1, ...; else it goes by power
//	cores n2 n3                    who is a core; the others are played by the script
//	start                          the next height begins
//	proposal 1 a valid 0           that of the proposer of round 1; a value whose name begins with bad is not valid.
//	                               At the end: by n3 (not the proposer), to n1 n2 (not all cores)
//	prevote 0 a n1 n3              votes, with "to n2" at the end if not to all cores; the same for precommit
//	timeout prevote 0              is over, at all cores or "to n2"
//	deliver prevote n1->n2         what cores have sent: of one kind or all, on a link or all ("*" is anybody)
//	lose precommit *->n3           as deliver, but it is lost
//	again prevote 0                what was ever sent of that kind and round, or all, is on the wire to all once more
//	run 9                          all is delivered and timeouts pass, until all cores have decided; by round 9 at the latest
//	height 2                       messages are of that height from here on
//	status                         where each core is
//	expect n2 prevote 0 a          the last command made n2 do that; without n2 where there is one core
//	refuse n2 precommit 0 a        it did not
//	expect nothing                 it made nobody do anything
//
// A core's own messages come back to it at once. At all times a core votes once a round
// and kind, and no two decide differently.
type stage struct {
	newCore NewCore
	log     strings.Builder

	set       *types.ValidatorSet
	validator []types.Address
	choose    func(types.Round) types.Address
	actors    []*actor
	height    types.Height
	spoken    types.Height // of what the script says; 0: the height
	wire      []letter
	sent      []letter
	fresh     []string // what the last command made cores do
	decided   map[types.Height]verdict
}

// actor is a core and what is to come for it.
type actor struct {
	name     string
	id       types.Address
	core     Core
	voted    map[ballot]types.ValueID
	timeouts []bft.Timeout
	round    types.Round
	decided  bool
}

type ballot struct {
	height types.Height
	round  types.Round
	kind   types.VoteType
}

type letter struct {
	from, to string
	in       bft.Input
}

type verdict struct {
	who   string
	value types.ValueID
	round types.Round
}

// broken is how a script ends early.
type broken string

func failf(format string, args ...any) { panic(broken(fmt.Sprintf(format, args...))) }

// Play plays a script and returns it with what happened below each command: a transcript. Commands are the
// lines that begin with "> "; empty lines and those that begin with # stay; others are what
// happened before, and are replaced. The error says what went wrong in the last line.
func Play(script string, newCore NewCore) (transcript string, err error) {
	s := newStage(newCore)
	defer func() { transcript = s.log.String() }()
	for line := range strings.Lines(script) {
		line = strings.TrimRight(line, "\r\n")
		switch {
		case strings.HasPrefix(line, "> "):
			fmt.Fprintln(&s.log, line)
			if err := s.try(line[2:]); err != nil {
				return "", err
			}
		case line == "" || line[0] == '#':
			fmt.Fprintln(&s.log, line)
		}
	}
	return "", nil
}

func newStage(newCore NewCore) *stage {
	s := &stage{newCore: newCore}
	s.validators([]string{"1", "1", "1", "1"})
	return s
}

// try does a command.
func (s *stage) try(line string) (err error) {
	defer func() {
		switch end := recover().(type) {
		case nil:
		case broken:
			err = fmt.Errorf("%s", string(end))
		default:
			panic(end)
		}
	}()
	s.command(strings.Fields(line))
	return nil
}

func (s *stage) command(words []string) {
	do, args := words[0], words[1:]
	if do == "expect" || do == "refuse" {
		s.look(do, args)
		return
	}
	s.fresh = s.fresh[:0]
	switch do {
	case "validators":
		s.validators(args)
	case "proposers":
		s.choose = func(r types.Round) types.Address { return s.id(args[int(r)%len(args)]) }
	case "cores":
		s.actors = nil
		for _, name := range args {
			s.actors = append(s.actors, &actor{name: name, id: s.id(name), core: s.newCore(s.id(name)), voted: map[ballot]types.ValueID{}})
		}
	case "start":
		s.start()
	case "height":
		s.spoken = types.Height(number(args[0]))
	case "proposal":
		s.proposal(args)
	case "prevote", "precommit":
		s.votes(do, args)
	case "timeout":
		args, to := s.recipients(args)
		for _, a := range to {
			s.step(a, bft.Input{Timeout: &bft.Timeout{Height: s.says(), Round: types.Round(number(args[1])), Step: stepNamed(args[0])}})
		}
	case "deliver", "lose":
		s.pass(do == "lose", args)
	case "again":
		s.again(args)
	case "run":
		s.run(types.Round(number(args[0])))
	case "status":
		s.status()
	default:
		failf("no such command: %s", do)
	}
}

func (s *stage) validators(powers []string) {
	var vs []types.Validator
	s.validator, s.actors, s.height, s.spoken, s.choose = nil, nil, 0, 0, nil
	s.wire, s.sent, s.decided = nil, nil, map[types.Height]verdict{}
	for i, p := range powers {
		v := types.Validator{Power: int64(number(p))}
		copy(v.Address[:], fmt.Sprintf("n%d", i+1))
		vs = append(vs, v)
		s.validator = append(s.validator, v.Address)
	}
	set, err := types.NewValidatorSet(vs)
	if err != nil {
		failf("%v", err)
	}
	s.set = set
}

func (s *stage) start() {
	if s.height > 0 {
		s.set = s.set.Rotate(1)
	}
	s.height++
	s.wire, s.sent, s.spoken = nil, nil, 0
	for _, a := range s.actors {
		a.timeouts, a.decided, a.round = nil, false, 0
		s.step(a, bft.Input{Start: &bft.Start{Height: s.height, Validators: s.set, Proposer: s.choose}})
	}
}

// says is the height of what the script says.
func (s *stage) says() types.Height {
	if s.spoken != 0 {
		return s.spoken
	}
	return s.height
}

func (s *stage) proposer(r types.Round) types.Address {
	if s.choose != nil {
		return s.choose(r)
	}
	return s.set.Rotate(int(r)).Proposer().Address
}

// proposal is "1 a valid 0 by n3 to n1".
func (s *stage) proposal(args []string) {
	args, to := s.recipients(args)
	p := types.Proposal{Height: s.says(), Round: types.Round(number(args[0])), Value: value(args[1]), ValidRound: types.NoRound}
	for i := 2; i+1 < len(args); i += 2 {
		switch args[i] {
		case "valid":
			p.ValidRound = types.Round(number(args[i+1]))
		case "by":
			p.Proposer = s.id(args[i+1])
		}
	}
	if p.Proposer == (types.Address{}) {
		p.Proposer = s.proposer(p.Round)
	}
	in := bft.Input{Proposal: &bft.Proposed{Proposal: p, Valid: valid(p.Value)}}
	s.say(name(p.Proposer), to, in)
}

func (s *stage) votes(kind string, args []string) {
	args, to := s.recipients(args)
	for _, who := range args[2:] {
		v := types.Vote{Type: kindNamed(kind), Height: s.says(), Round: types.Round(number(args[0])), Value: value(args[1]), Validator: s.id(who), ValidRound: types.NoRound}
		s.say(who, to, bft.Input{Vote: &v})
	}
}

// say lets a validator that the script plays tell cores something, at once.
func (s *stage) say(from string, to []*actor, in bft.Input) {
	s.sent = append(s.sent, letter{from: from, in: in})
	for _, a := range to {
		s.step(a, in)
	}
}

// recipients splits "... to n1 n2" off; without it, all cores are meant.
func (s *stage) recipients(args []string) ([]string, []*actor) {
	at := slices.Index(args, "to")
	if at < 0 {
		return args, s.actors
	}
	var to []*actor
	for _, name := range args[at+1:] {
		to = append(to, s.actor(name))
	}
	return args[:at], to
}

func (s *stage) actor(name string) *actor {
	for _, a := range s.actors {
		if a.name == name {
			return a
		}
	}
	failf("%s is no core", name)
	return nil
}

func (s *stage) id(name string) types.Address {
	n := number(strings.TrimPrefix(name, "n"))
	if n < 1 || n > len(s.validator) {
		failf("there is no validator %s", name)
	}
	return s.validator[n-1]
}

func name(id types.Address) string { return strings.TrimRight(string(id[:]), "\x00") }

func number(word string) int {
	n, err := strconv.Atoi(word)
	if err != nil {
		failf("%s is no number", word)
	}
	return n
}

func value(word string) (v types.ValueID) {
	if word != "nil" {
		copy(v.Hash[:], word)
	}
	return v
}

func valueName(v types.ValueID) string {
	if v.IsNil() {
		return "nil"
	}
	return strings.TrimRight(string(v.Hash[:]), "\x00")
}

func valid(v types.ValueID) bool { return !strings.HasPrefix(valueName(v), "bad") }

func kindNamed(word string) types.VoteType {
	if word == "prevote" {
		return types.Prevote
	}
	return types.Precommit
}

func stepNamed(word string) types.Step {
	for s := types.StepPropose; s <= types.StepPrecommit; s++ {
		if s.String() == word {
			return s
		}
	}
	failf("%s is no step", word)
	return 0
}
