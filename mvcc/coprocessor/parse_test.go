package coprocessor

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func fruit(t testing.TB) *Table {
	return mustTable(t, Schema{Name: "fruit", Prefix: []byte("fruit/"), Key: []string{"id"}, Columns: []Column{
		{Name: "id", Type: Int}, {Name: "name", Type: String}, {Name: "weight", Type: Float},
		{Name: "count", Type: Int}, {Name: "ripe", Type: Bool},
	}})
}

func plan(t testing.TB, table *Table, text string) *Plan {
	t.Helper()
	q, err := Parse(text)
	require.NoError(t, err, text)
	p, err := q.Plan(table)
	require.NoError(t, err, text)
	return p
}

// What is read, and how it is printed.
func TestParse(t *testing.T) {
	rule(t, "C8 a text is a query, or an error with its position")
	for text, want := range map[string]string{
		"select * from t":         "SELECT * FROM t",
		"SELECT a b FROM t;":      "SELECT a AS b FROM t",
		"explain select 1 from t": "EXPLAIN SELECT 1 FROM t",
		"SELECT count(*), SUM(x) FROM t WHERE a > 100 GROUP BY b ORDER BY count(*) desc, b asc LIMIT 10": "SELECT count(*), sum(x) FROM t WHERE a > 100 GROUP BY b ORDER BY count(*) DESC, b LIMIT 10",
		"SELECT a FROM t WHERE a between 1 and 2 and b":                                                  "SELECT a FROM t WHERE a >= 1 AND a <= 2 AND b",
		"SELECT a FROM t WHERE not a not in (1, -2, NULL)":                                               "SELECT a FROM t WHERE NOT NOT a IN (1, -2, NULL)",
		"SELECT a FROM t WHERE a is not null or b not like 'it''s%'":                                     "SELECT a FROM t WHERE NOT a IS NULL OR NOT b LIKE 'it''s%'",
		"SELECT (a + b) * c - -d / 2 % 3 FROM t":                                                         "SELECT (a + b) * c - -d / 2 % 3 FROM t",
		"SELECT a - (b - c), (a - b) - c FROM t":                                                         "SELECT a - (b - c), a - b - c FROM t",
		"SELECT -9223372036854775808, -(5), - 5, 1e3, .5 FROM t":                                         "SELECT -9223372036854775808, -(5), -5, 1000.0, 0.5 FROM t",
		`SELECT "select", "a b", "q""q" FROM "T"`:                                                        `SELECT "select", "a b", "q""q" FROM T`,
		"SELECT (a = b) = (NOT c), a != b FROM t":                                                        "SELECT (a = b) = (NOT c), a <> b FROM t",
		"SELECT a FROM t HAVING true":                                                                    "SELECT a FROM t HAVING TRUE",
		"SELECT a\n\tFROM t\r\nLIMIT 0":                                                                  "SELECT a FROM t LIMIT 0",
	} {
		q, err := Parse(text)
		require.NoError(t, err, text)
		require.Equal(t, want, q.String(), text)
	}
}

// Text outside of the subset: where, and what is supported.
func TestTextOutsideOfTheSubset(t *testing.T) {
	rule(t, "C8 a text is a query, or an error with its position")
	deep := strings.Repeat("(", 200) + "1" + strings.Repeat(")", 200)
	for text, want := range map[string]string{
		"":                                                    "position 1: the end of the text is unexpected, wanted is SELECT; supported is",
		"INSERT INTO t":                                       "position 1: INSERT is not supported; supported is",
		"SELECT DISTINCT a FROM t":                            "position 8: DISTINCT is not supported",
		"SELECT count(DISTINCT a) FROM t":                     "position 14: DISTINCT is not supported",
		"SELECT a FROM t, u":                                  "position 16: a query is over one table",
		"SELECT a FROM t JOIN u":                              "position 17: JOIN is not supported",
		"SELECT a FROM t LIMIT 1 OFFSET 2":                    "position 25: OFFSET is not supported",
		"SELECT a FROM t LIMIT -1":                            `position 23: "-" is unexpected, wanted is a number of rows`,
		"SELECT a FROM t LIMIT 99999999999999999999":          `position 23: "99999999999999999999" is unexpected, wanted is a number of rows`,
		"SELECT a FROM t ORDER a":                             `position 23: "a" is unexpected, wanted is BY`,
		"SELECT a FROM t GROUP BY a WHERE b":                  `position 28: "WHERE" is unexpected, wanted is the end`,
		"SELECT a b c FROM t":                                 `position 12: "c" is unexpected, wanted is FROM`,
		"SELECT FROM t":                                       `position 8: "FROM" is unexpected`,
		"SELECT a FROM t WHERE b = ":                          "position 27: the end of the text is unexpected",
		"SELECT a FROM t WHERE b IN (c)":                      `position 29: "c" is unexpected, wanted is a literal`,
		"SELECT a FROM t WHERE b IN (SELECT 1)":               `position 29: "SELECT" is unexpected`,
		"SELECT a FROM t WHERE b LIKE c":                      `position 30: "c" is unexpected, wanted is a pattern`,
		"SELECT a FROM t WHERE b NOT 1":                       `position 29: "1" is unexpected, wanted is IN, LIKE or BETWEEN`,
		"SELECT a FROM t WHERE b = (SELECT 1)":                "position 28: a query within a query",
		"SELECT a FROM t WHERE b = 'x":                        "position 27: the quote ' is not closed",
		`SELECT a FROM ""`:                                    `position 15: "" is no name`,
		"SELECT a FROM t WHERE a = 12x":                       `position 27: a number is followed by a letter: "12x"`,
		"SELECT a FROM t WHERE a # 1":                         `position 25: "#" means nothing here`,
		"SELECT ü FROM t":                                     `position 8: "ü" means nothing here`,
		"SELECT 9223372036854775808 FROM t":                   "position 8: 9223372036854775808 is not an int",
		"SELECT 1e999 FROM t":                                 "position 8: 1e999 is not a float",
		"SELECT median(a) FROM t":                             "position 8: there is no function median; there are count",
		"SELECT sum(*) FROM t":                                `position 12: "*" is unexpected`,
		"SELECT a = b = c FROM t":                             `position 14: "=" is unexpected`,
		"SELECT " + deep + " FROM t":                          "nested more than 100 deep",
		"SELECT " + strings.Repeat("- ", 200) + "a FROM t":    "nested more than 100 deep",
		"SELECT " + strings.Repeat("NOT ", 200) + "a FROM t":  "nested more than 100 deep",
		"SELECT a" + strings.Repeat(" + a", 3000) + " FROM t": "more than 2000 operations",
		"SELECT a FROM t WHERE " + strings.Repeat("(", 20) + "a" + strings.Repeat(" BETWEEN b AND c)", 20): "more than 2000 operations",
	} {
		_, err := Parse(text)
		require.ErrorIs(t, err, ErrQuery, text)
		require.ErrorContains(t, err, want, text)
	}
}

// Queries that are well-formed and make no sense.
func TestQueriesThatDoNotFitTheTable(t *testing.T) {
	rule(t, "C8 a text is a query, or an error with its position")
	table := fruit(t)
	for text, want := range map[string]string{
		"SELECT a FROM t":                                      "the query is over table t, the table is fruit",
		"SELECT colour FROM fruit":                             "position 8: table fruit has no column colour; it has id, name, weight, count, ripe",
		"SELECT id FROM fruit WHERE name + 1 > 2":              "position 33: + does not take string and int: name is string, 1 is int",
		"SELECT name + name FROM fruit":                        "position 13: + wants numbers, and name is string",
		"SELECT weight % 2 FROM fruit":                         "position 15: % wants ints, and weight is float",
		"SELECT id FROM fruit WHERE id = 'x'":                  "position 31: = does not take int and string",
		"SELECT id FROM fruit WHERE id":                        "position 28: WHERE wants a condition, and id is int",
		"SELECT id FROM fruit WHERE ripe AND id":               "position 37: AND wants conditions, and id is int",
		"SELECT id FROM fruit WHERE NOT name":                  "position 32: NOT wants conditions",
		"SELECT -name FROM fruit":                              "position 8: - wants a number, and name is string",
		"SELECT id FROM fruit WHERE id LIKE 'x'":               "position 28: LIKE wants a string, and id is int",
		`SELECT id FROM fruit WHERE name LIKE 'x\'`:            `position 38: the pattern 'x\' ends with a \`,
		"SELECT id FROM fruit WHERE id IN (1, 'x')":            "position 31: IN does not take int and string",
		"SELECT id FROM fruit WHERE count(*) > 1":              "position 28: count(*) is not possible in WHERE",
		"SELECT id FROM fruit GROUP BY sum(id)":                "position 31: sum(id) is not possible in GROUP BY",
		"SELECT sum(count(*)) FROM fruit":                      "position 12: count(*) is in sum: aggregates do not nest",
		"SELECT sum(name) FROM fruit":                          "position 12: sum(name) wants numbers, and name is string",
		"SELECT max(NULL) FROM fruit":                          "position 12: max(NULL): of NULL alone nobody knows the type",
		"SELECT id, count(*) FROM fruit":                       "position 8: column id in SELECT has many values in a group: put it into GROUP BY",
		"SELECT name FROM fruit GROUP BY name ORDER BY weight": "position 47: column weight in ORDER BY has many",
		"SELECT name FROM fruit GROUP BY name HAVING ripe":     "position 45: column ripe in HAVING has many",
		"SELECT name FROM fruit GROUP BY name HAVING name":     "position 45: HAVING wants a condition",
		"SELECT * FROM fruit GROUP BY name":                    "position 8: SELECT * is of rows",
		"SELECT id FROM fruit ORDER BY 1":                      "position 31: ORDER BY 1 is the same for every row",
		"SELECT 1 FROM fruit GROUP BY NULL":                    "position 30: GROUP BY NULL is the same",
	} {
		q, err := Parse(text)
		require.NoError(t, err, text)
		_, err = q.Plan(table)
		require.ErrorIs(t, err, ErrQuery, text)
		require.ErrorContains(t, err, want, text)
	}
}

// Queries that a program has put together wrongly.
func TestQueriesThatWereNotParsed(t *testing.T) {
	table := fruit(t)
	for want, q := range map[string]*Query{
		"wants something to select": {From: "fruit"},
		"LIMIT -1":                  {From: "fruit", Items: []Item{{}}, Limit: Limit(-1)},
		"+ has 1 operands":          {From: "fruit", Items: []Item{{Expr: Do(OpAdd, Col("id"))}}},
		"count has 2 operands":      {From: "fruit", Items: []Item{{Expr: Do(OpCount, Col("id"), Col("id"))}}},
		"there is no operation 99":  {From: "fruit", Items: []Item{{Expr: Do(99)}}},
		"is not a value":            {From: "fruit", Items: []Item{{Expr: Lit(Value{Type: 77})}}},
		"a list has literals only":  {From: "fruit", Where: Do(OpIn, Col("id"), Col("id")), Items: []Item{{}}},
		"LIKE wants a pattern":      {From: "fruit", Where: Do(OpLike, Col("name"), Col("name")), Items: []Item{{}}},
	} {
		_, err := q.Plan(table)
		require.ErrorIs(t, err, ErrQuery, want)
		require.ErrorContains(t, err, want)
	}
}

func TestExplain(t *testing.T) {
	table := fruit(t)
	require.Equal(t, `root    Projection name, sum(count) AS n, avg(weight)
root      TopN 2 BY sum(count) DESC
root        Selection count(*) > 1
root          Aggregation, final: sum(count), avg(weight), count(*) BY name
        -- one for each region, at the same time --
region          Aggregation, partial: sum(count), avg(weight), count(*) BY name
region            Selection ripe AND weight > 0.5
region              TableScan fruit, columns name, weight, count, ripe
`, "\n"[1:]+plan(t, table, "SELECT name, sum(count) AS n, avg(weight) FROM fruit WHERE ripe AND weight > 0.5 GROUP BY name HAVING count(*) > 1 ORDER BY n DESC LIMIT 2").Explain())
	p := plan(t, table, "SELECT id * 2 FROM fruit ORDER BY name, id")
	require.Equal(t, `root    Projection id * 2
root      TopN, all BY name, id
        -- one for each region, at the same time --
region      TopN, all BY name, id
region        TableScan fruit, columns id, name
`, p.Explain())
	require.True(t, p.NeedsValues())
	p = plan(t, table, "SELECT id FROM fruit WHERE id > 5 LIMIT 3")
	require.Contains(t, p.Explain(), "region      Limit 3\nregion        Selection id > 5\nregion          TableScan fruit, keys by id > 5, columns id\n")
	require.False(t, p.NeedsValues(), "the key has it")
	require.Contains(t, plan(t, table, "SELECT count(*) FROM fruit").Explain(), "TableScan fruit, columns none")
}

func FuzzParse(f *testing.F) {
	f.Add("SELECT count(*), sum(x) AS \"n n\" FROM t WHERE a > -100 AND NOT b LIKE 'x%' OR c BETWEEN 1 AND 2.5e3 GROUP BY b HAVING min(c) IN (1, NULL) ORDER BY n DESC, b LIMIT 10;")
	f.Add("EXPLAIN SELECT * FROM t WHERE a IS NOT NULL AND - - b % 2 <> +1")
	f.Fuzz(func(t *testing.T, text string) {
		q, err := Parse(text)
		if err != nil {
			require.ErrorIs(t, err, ErrQuery)
			return
		}
		printed := q.String()
		again, err := Parse(printed)
		require.NoError(t, err, printed)
		require.Equal(t, printed, again.String())
		if p, err := q.Plan(fruit(t)); err == nil {
			require.NotEmpty(t, p.Explain())
		} else {
			require.ErrorIs(t, err, ErrQuery)
		}
	})
}
