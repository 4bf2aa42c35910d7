package filters

import (
	"bytes"
	"sync"
	"sync/atomic"
	"time"
)

// reloaded is what stands in a file, looked at again every ten seconds, as long as it
// is used: passwords and keys change without a change of routes. A file that has become unreadable or wrong
// changes nothing but the log (C1).
type reloaded[T any] struct {
	env   Env
	name  string
	parse func(data []byte) (T, error)

	value atomic.Pointer[T]
	due   atomic.Int64 // Env.Elapsed from which on it is looked at again
	mu    sync.Mutex   // who looks; guards data
	data  []byte
}

const reloadEvery = 10 * time.Second

// load reads the file for the first time.
func load[T any](env Env, name string, parse func([]byte) (T, error)) (*reloaded[T], error) {
	f := &reloaded[T]{env: env, name: name, parse: parse}
	data, err := env.ReadFile(name)
	if err != nil {
		return nil, err
	}
	value, err := parse(data)
	if err != nil {
		return nil, err
	}
	f.data = data
	f.value.Store(&value)
	f.due.Store(int64(env.Elapsed() + reloadEvery))
	return f, nil
}

// get is the newest good value.
func (f *reloaded[T]) get() T {
	if now := int64(f.env.Elapsed()); now >= f.due.Load() && f.mu.TryLock() {
		f.look()
		f.due.Store(now + int64(reloadEvery))
		f.mu.Unlock()
	}
	return *f.value.Load()
}

func (f *reloaded[T]) look() {
	data, err := f.env.ReadFile(f.name)
	if err == nil && bytes.Equal(data, f.data) {
		return
	}
	var value T
	if err == nil {
		value, err = f.parse(data)
	}
	if err != nil {
		f.env.Log.Error("a file that a filter reads is wrong; what was read before stays", "file", f.name, "error", err)
		return
	}
	f.data = data
	f.value.Store(&value)
}
