package app_test

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/flagship-go/flagship/bft/abci"
	"github.com/flagship-go/flagship/bft/app"
	"github.com/flagship-go/flagship/bft/app/store"
)

// notes is a module in which each account has a line of text.
type notes struct{}

// MsgWrite sets its signer's line.
type MsgWrite struct {
	Who  app.Address
	Text string
}

var errLong = app.NewError("notes", 1, "a note has 1 to 80 bytes")

func (MsgWrite) Type() string          { return "notes/write" }
func (m MsgWrite) Signer() app.Address { return m.Who }

func (m MsgWrite) ValidateBasic() error {
	if len(m.Text) == 0 || len(m.Text) > 80 {
		return errLong
	}
	return nil
}

func (m MsgWrite) Append(dst []byte) []byte {
	return app.AppendString(append(dst, m.Who[:]...), m.Text)
}

func (notes) Name() string { return "notes" }

func (notes) Routes() []app.Route {
	decode := func(r *app.Reader) MsgWrite { return MsgWrite{r.Address(), r.Text()} }
	return []app.Route{app.Handle("notes/write", decode, func(ctx *app.Context, m MsgWrite) ([]byte, error) {
		if err := ctx.Store("notes").Set(m.Who[:], []byte(m.Text)); err != nil { // out of gas, perhaps
			return nil, err
		}
		ctx.Emit("note", "who", m.Who.String())
		return nil, nil
	})}
}

func (notes) InitGenesis(ctx *app.Context, data json.RawMessage) error {
	lines := map[app.Address]string{}
	if data != nil {
		if err := json.Unmarshal(data, &lines); err != nil {
			return fmt.Errorf("%w: %w", app.ErrGenesis, err)
		}
	}
	for who, text := range lines { // in any order: the state's hash depends on its content alone
		if err := ctx.Store("notes").Set(who[:], []byte(text)); err != nil {
			return err
		}
	}
	return nil
}

func (notes) ExportGenesis(ctx *app.Context) (json.RawMessage, error) {
	lines := map[app.Address]string{}
	err := ctx.Store("notes").Range(nil, nil, func(who, text []byte) error {
		lines[app.Address(who)] = string(text)
		return nil
	})
	if err != nil {
		return nil, err
	}
	return json.Marshal(lines)
}

// How a module is written, and how a client proves what is in its state.
func ExampleModule() {
	ctx := context.Background()
	a, _ := app.New(app.Options{Modules: []app.Module{notes{}}})
	defer a.Close()
	joe := app.Address{'j', 'o', 'e'}
	res, err := a.InitChain(ctx, &abci.InitChainRequest{ChainID: "town", AppStateBytes: []byte(`{"notes": {"` + joe.String() + `": "hello"}}`)})
	if err != nil {
		fmt.Println(err)
		return
	}
	if _, err := a.FinalizeBlock(ctx, &abci.FinalizeBlockRequest{Height: 1}); err != nil {
		fmt.Println(err)
		return
	}
	_, _ = a.Commit(ctx, &abci.CommitRequest{})

	key := append([]byte("notes/"), joe[:]...)
	q, _ := a.Query(ctx, &abci.QueryRequest{Path: "/store", Data: key, Prove: true})
	proof, _ := store.DecodeProof(q.Proof[0])
	fmt.Println(string(q.Value), proof.VerifyMember(store.Hash(res.AppHash), key, q.Value))
	fmt.Println(proof.VerifyMember(store.Hash(res.AppHash), key, []byte("goodbye")) != nil)
	// Output:
	// hello <nil>
	// true
}
