// For engines that look into keys: those that hold several regions, and split them.

package mvcc

// EncodeKey appends what a key is in the families of an engine; in default and write a
// timestamp follows. The order is that of the keys, and no encoding is the beginning of
// another one.
func EncodeKey(dst, key []byte) []byte { return appendKey(dst, key) }

// DecodeKey appends the key that an engine's key is about to dst, and returns what
// follows its encoding. It fails with [ErrCorrupt] on what is none, as the few bytes
// are where a region keeps its safepoint.
func DecodeKey(dst, enc []byte) (key, rest []byte, err error) { return decodeKey(dst, enc) }
