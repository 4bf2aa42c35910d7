package model_test

import (
	"fmt"
	"sync"
	"testing"

	"github.com/anishathalye/porcupine"
	"github.com/stretchr/testify/require"

	"github.com/flagship-go/flagship/examples/kv/store"
	"github.com/flagship-go/flagship/examples/kv/store/model"
)

func put(key, value string) *store.PutRequest {
	return &store.PutRequest{Key: []byte(key), Value: []byte(value)}
}

func get(key string) model.Input {
	return model.Input{Range: &store.RangeRequest{Key: []byte(key)}}
}

// op is a line of a history; times are those of the call and the return.
func op(client int, call, ret int64, in model.Input, out model.Output) porcupine.Operation {
	return porcupine.Operation{ClientId: client, Input: in, Call: call, Output: out, Return: ret}
}

func wrote(rev int64) model.Output {
	return model.Output{Response: &store.PutResponse{Revision: rev}}
}

func read(now int64, value string, mod int64) model.Output {
	r := &store.RangeResponse{Revision: now}
	if mod > 0 {
		kv := &store.KeyValue{Key: []byte("k"), Value: []byte(value), CreateRevision: mod, ModRevision: mod, Version: 1}
		r.KVs, r.Count = []*store.KeyValue{kv}, 1
	}
	return model.Output{Response: r}
}

func TestHistoriesAreJudged(t *testing.T) {
	command := func(c store.Command) model.Input { return model.Input{Command: c} }
	stale := get("k")
	stale.Serializable = true
	unknown := model.Output{Unknown: true}
	for _, c := range []struct {
		name string
		ok   bool
		ops  []porcupine.Operation
	}{
		{"read after write", true, []porcupine.Operation{op(0, 0, 1, command(put("k", "1")), wrote(2)), op(1, 2, 3, get("k"), read(2, "1", 2))}},
		{"lost write", false, []porcupine.Operation{op(0, 0, 1, command(put("k", "1")), wrote(2)), op(1, 2, 3, get("k"), read(1, "", 0))}},
		{"stale, and said so", true, []porcupine.Operation{op(0, 0, 1, command(put("k", "1")), wrote(2)), op(1, 2, 3, stale, read(1, "", 0))}},
		{"stale, and wrong", false, []porcupine.Operation{op(0, 0, 1, command(put("k", "1")), wrote(2)), op(1, 2, 3, stale, read(1, "1", 2))}},
		{"revision skipped", false, []porcupine.Operation{op(0, 0, 1, command(put("k", "1")), wrote(3))}},
		{"revision twice", false, []porcupine.Operation{op(0, 0, 9, command(put("k", "1")), wrote(2)), op(1, 0, 9, command(put("j", "1")), wrote(2))}},
		{"unknown, done", true, []porcupine.Operation{op(0, 0, 100, command(put("k", "1")), unknown), op(1, 2, 3, get("k"), read(2, "1", 2))}},
		{"unknown, not done", true, []porcupine.Operation{op(0, 0, 100, command(put("k", "1")), unknown), op(1, 2, 3, get("k"), read(1, "", 0))}},
		{"unknown, done twice", false, []porcupine.Operation{op(0, 0, 100, command(put("k", "1")), unknown), op(1, 2, 3, get("k"), read(3, "1", 2))}},
		{"refused", true, []porcupine.Operation{op(0, 0, 1, command(&store.CompactionRequest{Revision: 2}), model.Output{Err: store.ErrFutureRev})}},
		{"refused for nothing", false, []porcupine.Operation{op(0, 0, 1, command(put("k", "1")), model.Output{Err: store.ErrNoSpace})}},
	} {
		rule := fmt.Sprintf("RULE linearizable: %s: the model says %v", c.name, !c.ok)
		require.Equal(t, c.ok, porcupine.CheckOperations(model.Porcupine(), c.ops), rule)
	}
}

// TestAStoreBehindAMutexIsLinearizable puts the real store under concurrent clients.
func TestAStoreBehindAMutexIsLinearizable(t *testing.T) {
	s := store.New(store.Options{})
	var mu sync.Mutex
	var clock, index int64
	tick := func() int64 {
		mu.Lock()
		defer mu.Unlock()
		clock++
		return clock
	}
	apply := func(c store.Command) model.Output {
		mu.Lock()
		defer mu.Unlock()
		index++
		r, err := store.DecodeResult(s.Apply(uint64(index), store.EncodeCommand(c)))
		return model.Output{Response: r, Err: err}
	}
	var history []porcupine.Operation
	var wg sync.WaitGroup
	for client := range 4 {
		wg.Go(func() {
			for i := range 50 {
				key := []byte{byte('a' + (client+i)%3)}
				var in model.Input
				switch i % 4 {
				case 0:
					in.Command = &store.PutRequest{Key: key, Value: fmt.Append(nil, i), PrevKV: true}
				case 1:
					in.Range = &store.RangeRequest{Key: []byte("a"), End: []byte("d")}
				case 2:
					in.Command = &store.TxnRequest{
						Compare: []store.Compare{{Key: key, Target: store.CompareVersion, Result: store.Greater, Number: 2}},
						Success: []store.Op{{DeleteRange: &store.DeleteRangeRequest{Key: key}}},
						Failure: []store.Op{{Put: &store.PutRequest{Key: key}}},
					}
				case 3:
					in.Txn = &store.TxnRequest{Success: []store.Op{{Range: &store.RangeRequest{Key: key}}}}
				}
				o := porcupine.Operation{ClientId: client, Input: in, Call: tick()}
				var out model.Output
				switch {
				case in.Range != nil:
					r, err := s.Range(in.Range)
					out = model.Output{Response: r, Err: err}
				case in.Txn != nil:
					r, err := s.ReadTxn(in.Txn)
					out = model.Output{Response: r, Err: err}
				default:
					out = apply(in.Command)
				}
				o.Output, o.Return = out, tick()
				mu.Lock()
				history = append(history, o)
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	require.True(t, porcupine.CheckOperations(model.Porcupine(), history), "RULE linearizable: a history of the store is refused")
}
