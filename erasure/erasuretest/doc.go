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
// Reading order: codec.go (what is graded), rule.go, exam.go (the words in
// which stories are told), rules_encode.go, rules_loss.go, rules_shape.go,
// rules_locate.go, field.go.
package erasuretest
