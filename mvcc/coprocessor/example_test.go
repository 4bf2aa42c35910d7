package coprocessor_test

import (
	"context"
	"fmt"

	"github.com/flagship-go/flagship/mvcc/coprocessor"
)

// A table of two regions, and a query that is parsed, pushed to both, and merged.
func Example() {
	table, err := coprocessor.NewTable(coprocessor.Schema{
		Name:   "orders",
		Prefix: []byte("orders/"),
		Columns: []coprocessor.Column{
			{Name: "id", Type: coprocessor.Int},
			{Name: "customer", Type: coprocessor.String},
			{Name: "cents", Type: coprocessor.Int},
		},
		Key: []string{"id"},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	var regions [2]coprocessor.Rows
	for i, customer := range []string{"bob", "joe", "bob", "ann", "joe", "bob"} {
		row := []coprocessor.Value{coprocessor.IntValue(int64(i)), coprocessor.StringValue(customer), coprocessor.IntValue(int64(100 * i))}
		key, err := table.AppendKey(nil, row)
		if err != nil {
			fmt.Println(err)
		}
		value, err := table.AppendValue(nil, row)
		if err != nil {
			fmt.Println(err)
		}
		r := &regions[i/3]
		r.Keys, r.Values = append(r.Keys, key), append(r.Values, value)
	}

	query, err := coprocessor.Parse("SELECT customer, count(*) AS n, sum(cents) FROM orders WHERE cents > 0 GROUP BY customer ORDER BY n DESC LIMIT 2")
	if err != nil {
		fmt.Println(err)
		return
	}
	plan, err := query.Plan(table)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Print(plan.Explain())
	ctx := context.Background()
	// Each region does its part, wherever it is; the parts come in any order.
	parts := func(yield func(*coprocessor.Partial, error) bool) {
		for _, rows := range regions {
			part, err := plan.Run(ctx, coprocessor.NewSource(rows), nil)
			if !yield(part, err) || err != nil {
				return
			}
		}
	}
	for row, err := range plan.Merge(ctx, parts, nil) {
		fmt.Println(row, err)
	}
	_, err = coprocessor.Parse("SELECT customer FROM orders JOIN customers")
	fmt.Println(err)
	// Output:
	// root    Projection customer, count(*) AS n, sum(cents)
	// root      TopN 2 BY count(*) DESC
	// root        Aggregation, final: count(*), sum(cents) BY customer
	//         -- one for each region, at the same time --
	// region        Aggregation, partial: count(*), sum(cents) BY customer
	// region          Selection cents > 0
	// region            TableScan orders, columns customer, cents
	// ['bob' 2 700] <nil>
	// ['joe' 2 500] <nil>
	// coprocessor: query, position 29: JOIN is not supported; supported is SELECT items FROM table [WHERE condition] [GROUP BY ...] [HAVING condition] [ORDER BY ... [DESC]] [LIMIT n]
}
