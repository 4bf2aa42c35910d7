package httpapi

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// elements are the values of an array, or the names and values of an object in
// turn, found as decoding finds them.
func elements(in []byte) (all []json.RawMessage) {
	for in = skipSpace(in[1:]); in[0] != ']' && in[0] != '}'; in = skipSpace(in) {
		n := valueLen(in)
		all = append(all, in[:n])
		in = in[n:]
	}
	return all
}

// FuzzElements: what is found in any valid array or object is what encoding/json
// finds in it.
func FuzzElements(f *testing.F) {
	for _, text := range []string{`{}`, `[]`, ` {"a" : 1 , "b":[ {} , "]" ] } `, `{"a\"b":"\\","":-1.5e3}`, `[null,true,"\u005d",[[]],{"x":[1,2]}, 7 ]`, `{"a":1,"a":2}`} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		var in json.RawMessage
		if json.Unmarshal(text, &in) != nil || in[0] != '{' && in[0] != '[' {
			return
		}
		got := elements(in)
		if in[0] == '[' {
			var want []json.RawMessage
			require.NoError(t, json.Unmarshal(in, &want))
			require.Len(t, got, len(want))
			for i := range want {
				require.Equal(t, string(want[i]), string(got[i]))
			}
			return
		}
		var want map[string]json.RawMessage
		require.NoError(t, json.Unmarshal(in, &want))
		last := map[string]json.RawMessage{}
		for i := 0; i < len(got); i += 2 {
			var name string
			require.NoError(t, json.Unmarshal(got[i], &name))
			last[name] = got[i+1]
		}
		require.Equal(t, len(want), len(last))
		for name := range want {
			require.Equal(t, string(want[name]), string(last[name]))
		}
	})
}

// A deep message costs no more than a flat one of its length: were the rest read
// again for each level, this would run into the time limit.
func TestDeepTransactionIsReadInTimeOfItsLength(t *testing.T) {
	deep := strings.Repeat(`{"success":[{"request_txn":`, 3000) + `{"compare":[{"key":"` + strings.Repeat("AAAA", 500_000) + `"}]}` + strings.Repeat(`}]}`, 3000)
	var raw json.RawMessage
	require.NoError(t, json.Unmarshal([]byte(deep), &raw))
	var q txnRequest
	require.NoError(t, decode(raw, &q))
	levels := 0
	for at := &q; len(at.Success) > 0; at = at.Success[0].RequestTxn {
		levels++
	}
	require.Equal(t, 3000, levels)
}

// BenchmarkDecode reads the requests of the command's own benchmark.
func BenchmarkDecode(b *testing.B) {
	const key, value = `MDEyMzQ1Njc4OWFiY2RlZg==`, `AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA==`
	put := `{"key":"` + key + `","value":"` + value + `"}`
	get := `{"key":"` + key + `"}`
	txn := `{"compare":[{"key":"` + key + `","target":"VERSION","result":"GREATER"}],"success":[{"request_put":` + put + `}],"failure":[{"request_range":` + get + `}]}`
	b.Run("put", func(b *testing.B) { benchDecode[putRequest](b, put) })
	b.Run("range", func(b *testing.B) { benchDecode[rangeRequest](b, get) })
	b.Run("txn", func(b *testing.B) { benchDecode[txnRequest](b, txn) })
}

func benchDecode[Q any](b *testing.B, text string) {
	in := []byte(text)
	b.ReportAllocs()
	for b.Loop() {
		var q Q
		if err := decode(in, &q); err != nil {
			b.Fatal(err)
		}
	}
}
