// Package profiles is the part of an admin address that all programs share.
package profiles

import (
	"net/http"
	"net/http/pprof"
)

// Handle serves the profiles of this process below /debug/pprof/. Importing
// net/http/pprof by itself would show them on http.DefaultServeMux only.
func Handle(mux *http.ServeMux) {
	mux.HandleFunc("/debug/pprof/", pprof.Index)
	mux.HandleFunc("/debug/pprof/profile", pprof.Profile)
	mux.HandleFunc("/debug/pprof/trace", pprof.Trace)
	mux.HandleFunc("/debug/pprof/symbol", pprof.Symbol)
	mux.HandleFunc("/debug/pprof/cmdline", pprof.Cmdline)
}
