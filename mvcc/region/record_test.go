package region

import (
	"bytes"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestEncodedKeysKeepTheirOrderWhateverFollows(t *testing.T) {
	keys := []string{"", "\x00", "\x00\x00", "\x00\xff", "a", "a\x00", "a\x00\x00\x00\x00\x00\x00\x00", "a\x00\x00\x00\x00\x00\x00\x00\x00",
		"aa", "abcdefg", "abcdefgh", "abcdefgh\x00", "abcdefghi", "b", "\xff", "\xff\xff\xff\xff\xff\xff\xff\xff", "\xff\xff\xff\xff\xff\xff\xff\xff\xff"}
	for i, a := range keys {
		enc := EncodeKey(nil, []byte(a))
		got, rest, err := DecodeKey(nil, appendTS(enc, 7))
		require.NoError(t, err, "RULE V1: %q cannot be read again", a)
		require.Equal(t, a, string(got), "RULE V1: it is read as another key")
		require.Len(t, rest, tsSize, "RULE V1: it is not so")
		for _, b := range keys[i+1:] {
			for _, ts := range []TS{0, 1, maxTS} {
				lower, higher := appendTS(EncodeKey(nil, []byte(a)), ts), appendTS(EncodeKey(nil, []byte(b)), maxTS-ts)
				require.Negative(t, bytes.Compare(lower, higher), "RULE V1: %q at %v does not come before %q", a, ts, b)
			}
		}
	}
	require.Negative(t, bytes.Compare(appendTS(EncodeKey(nil, []byte("a")), 8), appendTS(EncodeKey(nil, []byte("a")), 7)), "RULE V1: newest first")
}

func TestKeysThatNobodyEncodedAreCorrupt(t *testing.T) {
	for _, enc := range []string{"", "abc", "abcdefgh", "abcdefgh\x01", "abcdefgh\xf6", "abcdefgh\xff", "a\x00\x00\x00\x00\x00\x01\x00\xf8"} {
		_, _, err := DecodeKey(nil, []byte(enc))
		require.ErrorIs(t, err, ErrCorrupt, "%q", enc)
	}
	_, _, err := splitTS([]byte("abcdefgh"))
	require.ErrorIs(t, err, ErrCorrupt)
}

func TestRecordsAreReadAsTheyWereWritten(t *testing.T) {
	for _, w := range []writeRecord{
		{kind: recPut, flags: flagShort, startTS: 5, value: []byte("v")},
		{kind: recPut, flags: flagShort | flagOverlapped, startTS: maxTS - 1, value: []byte{}},
		{kind: recPut, startTS: 5, value: []byte{}},
		{kind: recDelete, startTS: 1, value: []byte{}},
		{kind: recLock, flags: flagOverlapped, startTS: 1, value: []byte{}},
		{kind: recRollback, startTS: 9, value: []byte{}},
	} {
		got, ok := parseWrite(w.append(nil))
		require.True(t, ok)
		require.Equal(t, w, got)
	}
	for _, l := range []lockRecord{
		{kind: recPut, flags: flagShort, startTS: 5, minCommitTS: 6, ttl: 3000, size: 2, primary: []byte("p"), value: []byte("v"), secondaries: []byte{}},
		{kind: recPut, startTS: 5, primary: []byte("p"), secondaries: []byte{}},
		{kind: recPessimistic, startTS: 5, forUpdateTS: 8, primary: []byte("p"), secondaries: []byte{}},
		{kind: recDelete, flags: flagAsync, startTS: 5, primary: []byte("p"), secondaries: appendSecondaries(nil, srvKeys("a", "b"))},
	} {
		got, ok := parseLock(l.append(nil))
		require.True(t, ok)
		require.Equal(t, l, got)
	}
	l := lockRecord{kind: recPut, flags: flagAsync | flagShort, startTS: 5, minCommitTS: 7, ttl: 3000, size: 3, primary: []byte("p"), secondaries: appendSecondaries(nil, srvKeys("a", "b"))}
	info, err := l.info([]byte("p"))
	require.NoError(t, err)
	require.Equal(t, srvKeys("a", "b"), info.Secondaries)
	l.secondaries = l.secondaries[:3]
	_, err = l.info([]byte("p"))
	require.ErrorIs(t, err, ErrCorrupt)
}

// TestCorruptRecordsAreNamed puts what nobody wrote under each family.
func TestCorruptRecordsAreNamed(t *testing.T) {
	s := newSrv(t)
	s.put(1, 2, "a=1")
	bad := func(cf CF, key, value []byte) {
		require.NoError(t, s.e.Write(t.Context(), &Batch{Ops: []Op{{OpPut, cf, key, value}}}))
	}
	bad(LockCF, EncodeKey(nil, []byte("b")), []byte("nonsense"))
	bad(WriteCF, appendTS(EncodeKey(nil, []byte("c")), 5), []byte("X"))
	bad(WriteCF, appendTS(EncodeKey(nil, []byte("d")), 5), (&writeRecord{kind: recPut, startTS: 4}).append(nil)) // its value is missing
	for _, key := range []string{"b", "c", "d"} {
		_, err := s.do(&GetRequest{ReadOptions{ReadTS: 9}, srvKeys(key)})
		require.ErrorIs(t, err, ErrCorrupt)
		require.ErrorContains(t, err, `"`+key+`"`)
		for _, reverse := range []bool{false, true} {
			_, err = s.do(&ScanRequest{ReadOptions: ReadOptions{ReadTS: 9}, Start: []byte(key), End: []byte(key + "x"), Reverse: reverse})
			require.ErrorIs(t, err, ErrCorrupt, "reverse %v", reverse)
		}
	}
	require.Equal(t, "1", s.get(9, "a"))
}

func FuzzKeys(f *testing.F) {
	f.Add([]byte("a"), []byte("a\x00"))
	f.Fuzz(func(t *testing.T, a, b []byte) {
		ea, eb := EncodeKey(nil, a), EncodeKey(nil, b)
		if bytes.Compare(ea, eb) != bytes.Compare(a, b) {
			t.Errorf("order of %q and %q", a, b)
		}
		if got, rest, err := DecodeKey(nil, ea); err != nil || !bytes.Equal(got, a) || len(rest) != 0 {
			t.Errorf("%q is read as %q, %v", a, got, err)
		}
		if key, rest, err := DecodeKey(nil, a); err == nil {
			if again := append(EncodeKey(nil, key), rest...); !bytes.Equal(again, a) {
				t.Errorf("%x is read as %x", a, again)
			}
		}
	})
}

func FuzzRecords(f *testing.F) {
	f.Add((&writeRecord{kind: recPut, flags: flagShort, startTS: 5, value: []byte("v")}).append(nil))
	f.Add((&lockRecord{kind: recPut, flags: flagAsync, primary: []byte("p"), secondaries: appendSecondaries(nil, srvKeys("a"))}).append(nil))
	f.Fuzz(func(t *testing.T, b []byte) {
		if w, ok := parseWrite(b); ok && !bytes.Equal(w.append(nil), b) {
			t.Errorf("%x is read as %+v", b, w)
		}
		l, ok := parseLock(b)
		if !ok {
			return
		}
		again, ok := parseLock(l.append(nil)) // numbers may be written in more than one way
		if !ok || again.startTS != l.startTS || !bytes.Equal(again.primary, l.primary) || !bytes.Equal(again.value, l.value) {
			t.Errorf("%x is read as %+v, then as %+v", b, l, again)
		}
		_, _ = l.info([]byte("k"))
	})
}
