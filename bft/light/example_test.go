package light_test

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/flagship-go/flagship/bft/bfttest"
	"github.com/flagship-go/flagship/bft/light"
)

// A client that trusts height 1, and asks two nodes, comes to trust height 200.
func Example() {
	chain := bfttest.NewLightChain("demo").Validators(100, "n3=1 n4=1 n5=1 n6=1")
	node, other := &peer{name: "node", chain: chain, top: 200}, &peer{name: "other", chain: chain, top: 200}

	client, err := light.NewClient(context.Background(), light.Options{
		ChainID: "demo", Root: light.Root{Height: 1, Hash: chain.Block(1).Header.Hash()},
		Params:  light.Params{Period: 14 * 24 * time.Hour},
		Primary: node, Witnesses: []light.Provider{other},
		Now: func() time.Time { return bfttest.LightStart.Add(201 * time.Minute) },
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	block, err := client.Update(context.Background())
	fmt.Println(block.Height(), string(block.Header.AppHash), err)
	// Output: 200 app200 <nil>
}

// Verification alone is a function: a bridge keeps what it needs of a trusted header, and nothing else.
func ExampleVerify() {
	chain := bfttest.NewLightChain("demo").Validators(100, "n4=1 n5=1 n6=1 n7=1")
	p := light.Params{Period: 14 * 24 * time.Hour}
	now := bfttest.LightStart.Add(201 * time.Minute)

	trusted := chain.Block(1).Trusted()
	err := light.Verify(p, "demo", trusted, chain.Block(200), now)
	fmt.Println(errors.Is(err, light.ErrNotEnoughTrust))

	fmt.Println(light.Verify(p, "demo", trusted, chain.Block(99), now)) // names the set of 100 as next
	fmt.Println(light.Verify(p, "demo", chain.Block(99).Trusted(), chain.Block(200), now))
	// Output:
	// true
	// <nil>
	// <nil>
}
