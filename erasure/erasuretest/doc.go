// Package erasuretest grades implementations of erasure coding. [Codec] is a
// conformance kit in the manner of testing/fstest: it takes a constructor of
// Reed-Solomon codes and makes a subtest of each rule that they must keep.
//
//	func TestMyCodec(t *testing.T) {
//		erasuretest.Codec(t, mycodec.New) // func(data, parity int) (*mycodec.Code, error)
//	}
//
// The methods that are asked for ([Coder]) are those of
// github.com/klauspost/reedsolomon, so that library is graded as it is. A
// broken rule fails its own subtest and says in one line what was seen:
//
//	RULE any-loss: 4+2: shard 1 is wrong after the loss of [1 4], first at byte 0: 00, not 5a
//
// Parity is compared byte for byte with that library, which most others
// imitate; products also with a multiplication of the kit's own, bit by bit.
// [Field] grades a field alone, by its axioms, exhaustively.
//
// Stories are deterministic. Codec samples the patterns of loss where there are
// many; [CodecExhaustive] tries every one of up to parity shards for all of
// data+parity <= 16, about a million.
//
// How the kit is proven: it fails codecs that are broken on purpose
// (codec_test.go), and each file of rs/testdata/bugs plants a mistake in package
// rs that must be reported as the rule it breaks:
//
//	go run ./internal/killmatrix ./erasure/rs
//
// [Store] grades object stores in the same way, on drives in memory: an
// [Implementation] says how one is opened, and [ObjectStore] what it must offer.
// Failures name the rule of package erasure that is broken, E1 to E15.
// [Explore] runs a store in a world that fails, decided by one seed; the ledger
// (ledger.go) is what must be true of every answer:
//
//	go test ./erasure/erasuretest -run TestSimulation -timeout 0 -args -seeds 100000
//
// Reading order: codec.go (what is graded), rule.go, exam.go (the words in
// which stories are told), rules_encode.go, rules_loss.go, rules_shape.go,
// rules_locate.go, field.go. Of stores: store.go, rack.go and bay.go (drives
// that fail), trial.go (words), rules_object.go and the other rules, ledger.go,
// player.go, simulate.go, steps.go, rules_late.go, rules_power.go; reference_test.go
// is a store without coding.
package erasuretest
