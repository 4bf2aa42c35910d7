package httpapi

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"
)

// FuzzElements: what is walked of any valid array or object is what
// encoding/json finds in it.
func FuzzElements(f *testing.F) {
	for _, text := range []string{`{}`, `[]`, ` {"a" : 1 , "b":[ {} , "]" ] } `, `{"a\"b":"\\","":-1.5e3}`, `[null,true,"\u005d",[[]],{"x":[1,2]}, 7 ]`, `{"a":1,"a":2}`} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		var in json.RawMessage
		if json.Unmarshal(text, &in) != nil || in[0] != '{' && in[0] != '[' {
			return
		}
		var got []json.RawMessage
		for part := range elements(in) {
			got = append(got, part)
		}
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
