package coprocessor

import (
	"context"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// encode makes rows of values that are in the order of their keys; without a key, their
// ids count from 0.
func encode(t testing.TB, table *Table, values ...[]Value) Rows {
	t.Helper()
	var rows Rows
	for i, row := range values {
		key, err := table.AppendID(nil, int64(i))
		if len(table.key) > 0 {
			key, err = table.AppendKey(nil, row)
		}
		require.NoError(t, err)
		value, err := table.AppendValue(nil, row)
		require.NoError(t, err)
		rows.Keys, rows.Values = append(rows.Keys, key), append(rows.Values, value)
	}
	return rows
}

func fruitRows(t testing.TB) Rows {
	row := func(id int64, name string, weight float64, count Value, ripe Value) []Value {
		return []Value{IntValue(id), StringValue(name), FloatValue(weight), count, ripe}
	}
	yes, no := BoolValue(true), BoolValue(false)
	return encode(t, fruit(t),
		row(1, "apple", 0.25, IntValue(10), yes),
		row(2, "banana", 0.5, IntValue(4), no),
		row(3, "apple", 0.25, Value{}, yes),
		row(4, "cherry", 0.125, IntValue(90), Value{}),
		row(5, "banana", 0.5, IntValue(6), yes),
		row(6, "date", 0.125, IntValue(-1), no),
	)
}

// answer is the result of a query over rows cut into regions of some size.
func answer(p *Plan, rows Rows, size int) string {
	var sources []Source
	for part := range slices.Chunk(upTo(nil, len(rows.Keys)), size) {
		from, to := part[0], int(part[len(part)-1])+1
		sources = append(sources, NewSource(Rows{Keys: rows.Keys[from:to], Values: rows.Values[from:to]}))
	}
	var b strings.Builder
	for row, err := range p.Select(context.Background(), nil, sources...) {
		if err != nil {
			return err.Error()
		}
		for i, v := range row {
			comma(&b, i)
			b.WriteString(v.String())
		}
		b.WriteString("; ")
	}
	return strings.TrimSuffix(b.String(), "; ")
}

// Each query in one region and in many.
func TestQueries(t *testing.T) {
	for name, queries := range map[string]map[string]string{
		"C2 aggregates": {
			"SELECT count(*), count(count), sum(count), avg(count), min(name), max(ripe) FROM fruit": "6, 5, 109, 21.8, 'apple', TRUE",
			"SELECT count(*), sum(count), min(count), avg(weight) FROM fruit WHERE id > 100":         "0, NULL, NULL, NULL",
			"SELECT name, min(count), max(count) FROM fruit WHERE id <> 1 GROUP BY name":             "'apple', NULL, NULL; 'banana', 4, 6; 'cherry', 90, 90; 'date', -1, -1",
			"SELECT min(id), max(weight), max(name) FROM fruit WHERE id = 4":                         "4, 0.125, 'cherry'",
			"SELECT name, sum(count), avg(weight) FROM fruit GROUP BY name":                          "'apple', 10, 0.25; 'banana', 10, 0.5; 'cherry', 90, 0.125; 'date', -1, 0.125",
			"SELECT sum(weight) * 2 + 1, count % 5 FROM fruit GROUP BY count % 5":                    "1.5, NULL; 1.25, -1; 1.75, 0; 2.0, 1; 2.0, 4",
		},
		"C3 limit": {
			"SELECT id FROM fruit":                                                  "1; 2; 3; 4; 5; 6",
			"SELECT id FROM fruit LIMIT 0":                                          "",
			"SELECT id FROM fruit WHERE id > 1 LIMIT 2":                             "2; 3",
			"SELECT id FROM fruit WHERE ripe AND name > 'b' LIMIT 1":                "5",
			"SELECT name, count(*) FROM fruit GROUP BY name LIMIT 1":                "'apple', 2",
			"SELECT name FROM fruit GROUP BY name HAVING count(*) = 1 LIMIT 1":      "'cherry'",
			"SELECT name FROM fruit GROUP BY name, weight HAVING count(*) > 1":      "'apple'; 'banana'",
			"SELECT count(*) FROM fruit HAVING count(*) > 6":                        "",
			"SELECT count(*) FROM fruit WHERE id > 100 HAVING count(*) = 0":         "0",
			"SELECT 1 FROM fruit WHERE FALSE GROUP BY id":                           "",
			"SELECT name FROM fruit GROUP BY name ORDER BY max(count) DESC LIMIT 2": "'cherry'; 'apple'",
		},
		"C4 order": {
			"SELECT id FROM fruit ORDER BY weight LIMIT 1":                                "4",
			"SELECT id FROM fruit ORDER BY weight DESC, name DESC LIMIT 3":                "2; 5; 1",
			"SELECT id FROM fruit ORDER BY ripe DESC, id DESC LIMIT 4":                    "5; 3; 1; 6",
			"SELECT name AS x, count(*) AS n FROM fruit GROUP BY name ORDER BY n, x DESC": "'date', 1; 'cherry', 1; 'banana', 2; 'apple', 2",
			"SELECT name FROM fruit GROUP BY name ORDER BY count(*) LIMIT 3":              "'cherry'; 'date'; 'apple'",
		},
		"C5 NULL": {
			"SELECT * FROM fruit WHERE id = 4":                                                             "4, 'cherry', 0.125, 90, NULL",
			"SELECT id FROM fruit WHERE ripe":                                                              "1; 3; 5",
			"SELECT id FROM fruit WHERE NOT ripe":                                                          "2; 6",
			"SELECT id FROM fruit WHERE ripe IS NULL":                                                      "4",
			"SELECT id FROM fruit WHERE count = NULL":                                                      "",
			"SELECT id FROM fruit WHERE NULL":                                                              "",
			"SELECT id FROM fruit WHERE count IN (4, NULL)":                                                "2",
			"SELECT id FROM fruit WHERE count NOT IN (4, 10)":                                              "4; 5; 6",
			"SELECT id FROM fruit WHERE count NOT IN (4, NULL)":                                            "",
			"SELECT count(*), count(count) FROM fruit":                                                     "6, 5",
			"SELECT ripe, count(*) FROM fruit GROUP BY ripe":                                               "NULL, 1; FALSE, 2; TRUE, 3",
			"SELECT count, ripe FROM fruit GROUP BY count, ripe":                                           "NULL, TRUE; -1, FALSE; 4, FALSE; 6, TRUE; 10, TRUE; 90, NULL",
			"SELECT id FROM fruit ORDER BY count":                                                          "3; 6; 2; 5; 1; 4",
			"SELECT id FROM fruit ORDER BY count DESC":                                                     "4; 1; 5; 2; 6; 3",
			"SELECT count + 1, count - 1, count * 2, count / 2, -count, count < 1 FROM fruit WHERE id = 3": "NULL, NULL, NULL, NULL, NULL, NULL",
		},
		"C6 arithmetic": {
			"SELECT 7 / -2, 7 % -2, -7 % 2, -(count), NULL + 1 FROM fruit WHERE id = 6":                                      "-3, 1, -1, 1, NULL",
			"SELECT id FROM fruit WHERE weight = 1 / 2":                                                                      "",
			"SELECT id FROM fruit WHERE weight = 1 / 2.0":                                                                    "2; 5",
			"SELECT id FROM fruit WHERE count BETWEEN 4 AND 10":                                                              "1; 2; 5",
			"SELECT id FROM fruit WHERE id <> 2 AND 5 / (id - 2) > 0 OR id = 2":                                              "2; 3; 4; 5; 6",
			"SELECT id FROM fruit WHERE id <> 2 AND 5 / (id - 2) > 0":                                                        "3; 4; 5; 6",
			"SELECT id = 2 OR 5 / (id - 2) > 0 FROM fruit":                                                                   "FALSE; TRUE; TRUE; TRUE; TRUE; TRUE",
			"SELECT id * -4611686018427387904 FROM fruit WHERE id = 2":                                                       "-9223372036854775808",
			"SELECT count / 0, -count * 9223372036854775807, count + 9223372036854775807, count % 0 FROM fruit WHERE id = 3": "NULL, NULL, NULL, NULL",
			"SELECT id FROM fruit WHERE name LIKE '%an%' OR count > 50":                                                      "2; 4; 5",
		},
	} {
		t.Run(name[:2], func(t *testing.T) {
			rule(t, name)
			for text, want := range queries {
				p := plan(t, fruit(t), text)
				for size := 1; size <= 6; size++ {
					require.Equal(t, want, answer(p, fruitRows(t), size), "%s, in regions of %d rows", text, size)
				}
			}
		})
	}
}

// rule names the rule of doc.go that a test proves, when it fails.
func rule(t testing.TB, name string) {
	t.Cleanup(func() {
		if id, what, _ := strings.Cut(name, " "); t.Failed() {
			t.Logf("RULE %s: %s", id, what)
		}
	})
}

// TestThreeValuedLogic goes through the tables in expr.go, as values and as conditions.
func TestThreeValuedLogic(t *testing.T) {
	rule(t, "C5 AND, OR and NOT of NULL")
	table := mustTable(t, Schema{Name: "t", Columns: []Column{{Name: "a", Type: Bool}, {Name: "b", Type: Bool}}})
	all := []Value{BoolValue(true), BoolValue(false), {}}
	var values [][]Value
	for _, a := range all {
		for _, b := range all {
			values = append(values, []Value{a, b})
		}
	}
	rows := encode(t, table, values...)
	for text, want := range map[string]string{
		"a AND b":   "TRUE; FALSE; NULL; FALSE; FALSE; FALSE; NULL; FALSE; NULL",
		"a OR b":    "TRUE; TRUE; TRUE; TRUE; FALSE; NULL; TRUE; NULL; NULL",
		"NOT a":     "FALSE; FALSE; FALSE; TRUE; TRUE; TRUE; NULL; NULL; NULL",
		"a IS NULL": "FALSE; FALSE; FALSE; FALSE; FALSE; FALSE; TRUE; TRUE; TRUE",
		"a = b":     "TRUE; FALSE; NULL; FALSE; TRUE; NULL; NULL; NULL; NULL",
		"a < b":     "FALSE; FALSE; NULL; TRUE; FALSE; NULL; NULL; NULL; NULL",
	} {
		require.Equal(t, want, answer(plan(t, table, "SELECT "+text+" FROM t"), rows, 9), text)
		count := IntValue(int64(strings.Count(want, "TRUE"))).String()
		require.Equal(t, count, answer(plan(t, table, "SELECT count(*) FROM t WHERE "+text), rows, 9), text)
	}
}

// TestTiesAreInTheOrderOfKeys: with many equals, the first by key win, wherever the
// regions are cut and whichever answers first.
func TestTiesAreInTheOrderOfKeys(t *testing.T) {
	rule(t, "C4 ties are in the order of keys")
	table := mustTable(t, Schema{Name: "t", Columns: []Column{{Name: "a", Type: Int}, {Name: "n", Type: Int}}})
	var values [][]Value
	for i := range 3000 {
		values = append(values, []Value{IntValue(int64(-i % 2)), IntValue(int64(i))})
	}
	rows := encode(t, table, values...)
	p := plan(t, table, "SELECT n FROM t ORDER BY a LIMIT 3")
	var parts []*Partial
	for _, cut := range [][2]int{{2000, 3000}, {1, 2000}, {0, 1}} {
		part, err := p.Run(context.Background(), NewSource(Rows{Keys: rows.Keys[cut[0]:cut[1]], Values: rows.Values[cut[0]:cut[1]]}), nil)
		require.NoError(t, err)
		require.LessOrEqual(t, part.Returned, 3)
		parts = append(parts, part)
	}
	got, err := gather(p, parts)
	require.NoError(t, err)
	require.Equal(t, [][]Value{{IntValue(1)}, {IntValue(3)}, {IntValue(5)}}, got)
}

// TestGroupsOfSeveralKeys are told apart wherever one key ends and the next begins.
func TestGroupsOfSeveralKeys(t *testing.T) {
	rule(t, "C1 different keys are different groups")
	table := mustTable(t, Schema{Name: "t", Columns: []Column{{Name: "a", Type: String}, {Name: "b", Type: String}}})
	str := StringValue
	rows := encode(t, table, []Value{str("a\x01b"), str("c")}, []Value{str("a"), str("b\x01c")}, []Value{{}, str("")}, []Value{str(""), {}}, []Value{str("a"), str("b\x01c")})
	p := plan(t, table, "SELECT count(*) FROM t GROUP BY a, b")
	for size := 1; size <= 5; size++ {
		require.Equal(t, "1; 1; 2; 1", answer(p, rows, size))
	}
}

// TestRangeIsNoLargerThanItMustBe: the example in keyrange.go, and some more.
func TestRangeIsNoLargerThanItMustBe(t *testing.T) {
	table := mustTable(t, Schema{Name: "t", Prefix: []byte("p"), Key: []string{"a", "b", "c"}, Columns: []Column{
		{Name: "a", Type: Bool}, {Name: "b", Type: Bool}, {Name: "c", Type: Bool},
	}})
	for where, want := range map[string]string{
		"a = TRUE AND b > FALSE AND c = TRUE":  `"p\x01\x01" "p\x02"`,
		"c = TRUE AND b = FALSE AND TRUE = a":  `"p\x01\x00\x01" "p\x01\x00\x02"`,
		"a >= FALSE AND a < TRUE AND b = TRUE": `"p\x00" "p\x01"`,
		"TRUE > a":                             `"p" "p\x01"`,
		"TRUE <= a":                            `"p\x01" "q"`,
		"a <= TRUE":                            `"p" "p\x02"`,
		"b = TRUE OR a = TRUE":                 `"p" "q"`,
		"a <> TRUE":                            `"p" "q"`,
		"a = NULL":                             `"p" "q"`,
		"a = b":                                `"p" "q"`,
		"a = FALSE AND a = TRUE AND b = TRUE":  `"p\x01" "p\x01"`,
	} {
		start, end := plan(t, table, "SELECT a FROM t WHERE "+where).Range()
		require.Equal(t, want, fmt.Sprintf("%q %q", start, end), where)
	}
}

// TestSumFitsWhateverTheOrder: it is the whole that must fit, not what a region has.
func TestSumFitsWhateverTheOrder(t *testing.T) {
	rule(t, "C2 a sum has 128 bits")
	table := mustTable(t, Schema{Name: "t", Columns: []Column{{Name: "a", Type: Int}}})
	ints := func(of ...int64) Rows {
		var values [][]Value
		for _, n := range of {
			values = append(values, []Value{IntValue(n)})
		}
		return encode(t, table, values...)
	}
	p := plan(t, table, "SELECT sum(a), avg(a) FROM t")
	for size := 1; size <= 4; size++ {
		require.Equal(t, "9223372036854775807, 3.0744573456182584e+18", answer(p, ints(math.MaxInt64, 1, -1), size))
		require.Equal(t, "-9223372036854775808, -2.305843009213694e+18", answer(p, ints(math.MinInt64, math.MinInt64, math.MaxInt64, 1), size))
		require.Contains(t, answer(p, ints(math.MaxInt64, 1), size), "sum(a) at position 8: overflow of int: 2 values add up to about 9.223372036854776e+18")
		require.Contains(t, answer(p, ints(math.MinInt64, -1), size), "overflow of int")
	}
	require.Equal(t, "-9.223372036854775808e+18", plan(t, table, "SELECT avg(a) FROM t").sample(t, ints(math.MinInt64)))
}

// sample is the one value that a query gives.
func (p *Plan) sample(t testing.TB, rows Rows) string {
	var out [][]Value
	for row, err := range p.Select(context.Background(), nil, NewSource(rows)) {
		require.NoError(t, err)
		out = append(out, slices.Clone(row))
	}
	require.Len(t, out, 1)
	return fmt.Sprintf("%.18e", out[0][0].Float)
}

// What has no result, wherever in the query it is, with the row and the position.
func TestArithmeticThatHasNoResult(t *testing.T) {
	rule(t, "C6 what has no result is an error")
	for text, want := range map[string]string{
		"SELECT 1 / (id - 2) FROM fruit":                                     "1 / (id - 2) at position 10: division by zero: 1 / 0",
		"SELECT 1 % (id - 2) FROM fruit":                                     "division by zero: 1 % 0",
		"SELECT weight / 0 FROM fruit":                                       "division by zero: 0.25 / 0.0",
		"SELECT id FROM fruit WHERE 5 / (id - 2) > 0":                        `at position 30: division by zero: 5 / 0, in the row with key "fruit/\x80\x00\x00\x00\x00\x00\x00\x02"`,
		"SELECT id FROM fruit ORDER BY 9223372036854775807 + id":             "at position 51: overflow of int: 9223372036854775807 + 1, in the row",
		"SELECT sum(id - 9223372036854775807 - 5) FROM fruit":                "overflow of int: -9223372036854775806 - 5",
		"SELECT id * 4611686018427387904 FROM fruit":                         "overflow of int: 2 * 4611686018427387904",
		"SELECT id * -4611686018427387905 FROM fruit":                        "overflow of int: 2 * -4611686018427387905",
		"SELECT -(id - 1 - 9223372036854775807 - 1) FROM fruit":              "overflow of int: -(-9223372036854775808)",
		"SELECT (id - 1 - 9223372036854775807 - 1) / -1 FROM fruit":          "overflow of int: -9223372036854775808 / -1",
		"SELECT weight * 1e308 * 1e308 FROM fruit":                           "overflow of float: 2.5e+307 * 1e+308",
		"SELECT sum(id) / (count(*) - 6) FROM fruit":                         "sum(id) / (count(*) - 6) at position 16: division by zero: 21 / 0",
		"SELECT name FROM fruit GROUP BY name HAVING 1 / (count(*) - 2) > 5": "division by zero: 1 / 0",
		"SELECT sum(weight * 1.7e308 * 2) FROM fruit WHERE id < 4":           "sum(weight * 1.7e+308 * 2.0) at position 8: overflow of float: 3 values",
	} {
		p := plan(t, fruit(t), text)
		_, err := gather2(p, fruitRows(t))
		require.ErrorIs(t, err, ErrArithmetic, text)
		require.ErrorContains(t, err, want, text)
	}
}

func gather2(p *Plan, rows Rows) (out [][]Value, err error) {
	for row, err := range p.Select(context.Background(), nil, NewSource(rows)) {
		if err != nil {
			return out, err
		}
		out = append(out, slices.Clone(row))
	}
	return out, nil
}

// A malformed row is an error of the query that reads the column, and of no other.
func TestMalformedRowFailsTheQuery(t *testing.T) {
	rule(t, "C7 a malformed row is an error where it is read")
	rows := fruitRows(t)
	rows.Values[3][0] = 9
	_, err := gather2(plan(t, fruit(t), "SELECT sum(count) FROM fruit"), rows)
	require.ErrorIs(t, err, ErrRow)
	require.ErrorContains(t, err, `table fruit, row with key "fruit/\x80\x00\x00\x00\x00\x00\x00\x04", column count: the value has version 9`)
	require.Equal(t, "6", answer(plan(t, fruit(t), "SELECT count(*) FROM fruit"), rows, 9), "which reads no column")
	require.Equal(t, "0.25; 0.5; 0.25", answer(plan(t, fruit(t), "SELECT weight FROM fruit WHERE id < 4"), rows, 9), "which has passed over it")
	rows.Keys[2] = rows.Keys[2][:9]
	_, err = gather2(plan(t, fruit(t), "SELECT id FROM fruit"), rows)
	require.ErrorIs(t, err, ErrRow)
	require.ErrorContains(t, err, "column id: the key has 9 bytes")
}

func TestLike(t *testing.T) {
	for _, c := range []struct {
		pattern, s string
		want       bool
	}{
		{"", "", true}, {"", "a", false}, {"%", "", true}, {"a%", "abc", true}, {"a%", "ba", false},
		{"%c", "abc", true}, {"%b%", "abc", true}, {"a%c", "ac", true}, {"a%a", "a", false},
		{"_", "ü", true}, {"_", "", false}, {"a_c%", "abcd", true}, {"%_c", "abc", true}, {"%a_%b%", "xaybz", true},
		{"%aab", "aaab", true}, {"%a_b", "aaaab", true}, {`10\%`, "10%", true}, {`10\%`, "100", false}, {`a\_`, "ab", false},
		{`\\`, `\`, true}, {"%ab%ab%", "ab", false}, {"%ab%ab%", "abab", true}, {"%\xff%", "ü\xff", true},
	} {
		p := parsePattern(c.pattern)
		require.Equal(t, c.want, p.match([]byte(c.s)), "%q LIKE %q", c.s, c.pattern)
		require.Equal(t, c.want, slowLike(c.pattern, c.s), "slow: %q LIKE %q", c.s, c.pattern)
	}
}
