package etcdraft

import "fmt"

// Silent is etcd's logger, without a word but for what ends it.
type Silent struct{}

func (Silent) Debug(...any)            {}
func (Silent) Debugf(string, ...any)   {}
func (Silent) Error(...any)            {}
func (Silent) Errorf(string, ...any)   {}
func (Silent) Info(...any)             {}
func (Silent) Infof(string, ...any)    {}
func (Silent) Warning(...any)          {}
func (Silent) Warningf(string, ...any) {}
func (Silent) Fatal(v ...any)          { panic(fmt.Sprint(v...)) }
func (Silent) Fatalf(f string, v ...any) {
	panic(fmt.Sprintf(f, v...))
}
func (Silent) Panic(v ...any) { panic(fmt.Sprint(v...)) }
func (Silent) Panicf(f string, v ...any) {
	panic(fmt.Sprintf(f, v...))
}
