package app_test

import (
	"encoding/json"
	"errors"
	"fmt"

	"github.com/flagship-go/flagship/bft/app"
)

// probe is a module whose messages do what modules should not.
type probe struct{}

type probeMsg struct {
	who app.Address
	do  string
}

func (m probeMsg) Type() string         { return "probe/do" }
func (m probeMsg) Signer() app.Address  { return m.who }
func (m probeMsg) ValidateBasic() error { return nil }
func (m probeMsg) Append(dst []byte) []byte {
	return app.AppendString(append(dst, m.who[:]...), m.do)
}

func (probe) Name() string { return "probe" }

func (probe) Routes() []app.Route {
	decode := func(r *app.Reader) probeMsg { return probeMsg{r.Address(), r.Text()} }
	return []app.Route{app.Handle("probe/do", decode, probe{}.handle)}
}

func (probe) handle(ctx *app.Context, m probeMsg) ([]byte, error) {
	kv := ctx.Store("probe")
	if err := kv.Set([]byte("seen"), []byte(m.do)); err != nil {
		return nil, err
	}
	ctx.Emit("probe", "do", m.do)
	switch m.do {
	case "panic":
		panic("a mistake of the module's")
	case "error":
		return nil, errors.New("something else")
	case "data":
		return []byte(m.do), nil
	case "swallow": // overlooks that gas has run out
		for i := range 1000 {
			_ = kv.Set(fmt.Appendf(nil, "%d", i), make([]byte, 100))
		}
	case "try": // catches it
		_ = ctx.Try(func(ctx *app.Context) error { return ctx.UseGas(1<<40, "too much") })
	case "write":
		return nil, kv.Set([]byte("w"), make([]byte, 1000))
	case "read":
		_, err := kv.Get([]byte("w"))
		return nil, err
	case "delete":
		return nil, kv.Delete([]byte("w"))
	case "range":
		return nil, kv.Range(nil, nil, func(_, _ []byte) error { return nil })
	case "partial":
		err := ctx.Try(func(ctx *app.Context) error {
			ctx.Emit("dropped")
			if err := ctx.Store("probe").Set([]byte("dropped"), nil); err != nil {
				return err
			}
			return errors.New("no")
		})
		if err == nil {
			return nil, errors.New("Try hides an error")
		}
	}
	return nil, nil
}

func (probe) InitGenesis(*app.Context, json.RawMessage) error { return nil }
func (probe) ExportGenesis(*app.Context) (json.RawMessage, error) {
	return json.RawMessage("null"), nil
}
func (probe) Query(_ *app.Context, path string, _ []byte) ([]byte, error) { return []byte(path), nil }
