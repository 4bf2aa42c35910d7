package httpapi

import (
	"bufio"
	"encoding/json"
	"io"
	"math"
	"net/http"
	"time"

	"github.com/flagship-go/flagship/examples/txnkv/service"
	"github.com/flagship-go/flagship/mvcc/coprocessor"
)

type queryRequest struct {
	Txn   string `json:"txn"`
	Query string `json:"query"`
	Ship  bool   `json:"ship"`
}

// query streams the rows of a SELECT. The status waits for the columns: an error before
// them has its own.
func (a *Server) query(w http.ResponseWriter, r *http.Request) {
	q := new(queryRequest)
	if err := decode(w, r, q); err != nil {
		writeError(w, err)
		return
	}
	out := &rowWriter{w: w, control: http.NewResponseController(w), stall: a.o.StallTimeout}
	err := a.s.Select(r.Context(), q.Txn, service.Query{Text: q.Query, Ship: q.Ship}, out.columns, out.row)
	switch {
	case err != nil && !out.begun:
		writeError(w, err)
	case !out.begun:
		out.begin() // a query without columns is none
		fallthrough
	default:
		out.end(err)
	}
}

// rowWriter writes {"columns": [...], "rows": [[...], ...]} a row at a time. The first
// part waits until there is a row, or none: till then an error has a status of its own.
type rowWriter struct {
	w       http.ResponseWriter
	control *http.ResponseController
	stall   time.Duration
	names   []string
	begun   bool
	rows    int
	buf     *bufio.Writer
	scratch []any
}

func (o *rowWriter) columns(names []string) error {
	o.names = names
	return nil
}

func (o *rowWriter) begin() error {
	o.begun = true
	o.w.Header().Set("Content-Type", "application/json")
	o.w.WriteHeader(http.StatusOK)
	o.buf = bufio.NewWriterSize(stalling{o}, 64<<10)
	names, err := json.Marshal(append([]string{}, o.names...))
	if err != nil {
		return err
	}
	io.WriteString(o.buf, `{"columns":`)
	o.buf.Write(names)
	_, err = io.WriteString(o.buf, `,"rows":[`)
	return err
}

func (o *rowWriter) row(values []coprocessor.Value) error {
	if !o.begun {
		if err := o.begin(); err != nil {
			return err
		}
	}
	if o.rows > 0 {
		o.buf.WriteByte(',')
	}
	o.rows++
	o.scratch = o.scratch[:0]
	for _, v := range values {
		x := v.Any()
		if f, ok := x.(float64); ok && (math.IsNaN(f) || math.IsInf(f, 0)) {
			x = v.String() // JSON has none of these
		}
		o.scratch = append(o.scratch, x)
	}
	b, err := json.Marshal(o.scratch)
	if err != nil {
		return err
	}
	_, err = o.buf.Write(b)
	return err
}

func (o *rowWriter) end(err error) {
	o.buf.WriteByte(']')
	if err != nil {
		if b, e := json.Marshal(bodyOf(err)); e == nil {
			io.WriteString(o.buf, `,"error":`)
			o.buf.Write(b)
		}
	}
	io.WriteString(o.buf, "}\n")
	o.buf.Flush() // the client is gone, if this fails
}

// stalling gives each write its time.
type stalling struct{ o *rowWriter }

func (s stalling) Write(b []byte) (int, error) {
	s.o.control.SetWriteDeadline(time.Now().Add(s.o.stall)) // not all writers can
	return s.o.w.Write(b)
}
