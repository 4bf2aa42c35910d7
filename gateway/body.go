package gateway

import (
	"io"
	"net/http"
	"strings"
)

// copySize is what is read from an upstream at a time. Most answers fit, and are one read and one write.
const copySize = 32 << 10

func (p *dataPath) buffer() *[copySize]byte {
	if b, is := p.buffers.Get().(*[copySize]byte); is {
		return b
	}
	return new([copySize]byte)
}

// streams tells whether an answer is one that somebody waits for piece by piece (P3).
func streams(res *http.Response) bool {
	if res.ContentLength <= 0 {
		// With nothing to come the header is not sent ahead: in HTTP/2 it is to say that it is all there is. A call of
		// gRPC that fails at once has its status there, and clients take it for one only if no frame follows.
		return res.ContentLength < 0
	}
	kind := res.Header["Content-Type"]
	return len(kind) > 0 && (strings.HasPrefix(kind[0], "text/event-stream") || strings.HasPrefix(kind[0], "application/grpc"))
}

// sendBody copies the answer's body, and flushes after each piece of a stream.
func (e *exchange) sendBody(res *http.Response) error {
	stream := streams(res)
	if stream {
		// The first piece may be a long time coming.
		if err := e.rc.Flush(); err != nil {
			return err
		}
	}
	if res.Body == http.NoBody {
		return nil
	}
	buf := e.gw.path.buffer()
	defer e.gw.path.buffers.Put(buf) // P6
	for {
		n, err := res.Body.Read(buf[:])
		if n > 0 {
			e.record.bytes += int64(n)
			if _, err := e.w.Write(buf[:n]); err != nil {
				return err
			}
			if stream && err == nil {
				if err := e.rc.Flush(); err != nil {
					return err
				}
			}
		}
		switch {
		case err == io.EOF:
			return nil
		case err != nil:
			return err
		}
	}
}

// sendTrailer passes on what came after the body: announced fields under their names, others with net/http's prefix (P3).
func (e *exchange) sendTrailer(res *http.Response) {
	if len(res.Trailer) == 0 {
		return
	}
	h := e.w.Header()
	announced := "," + strings.ReplaceAll(strings.Join(h["Trailer"], ","), " ", "") + ","
	if e.in.ProtoMajor == 1 {
		// Without this net/http would send a short answer with its length, and that has no trailers.
		_ = e.rc.Flush()
	}
	for name, values := range res.Trailer {
		switch {
		case forbiddenTrailer(name):
		case strings.Contains(announced, ","+name+","):
			h[name] = values
		default:
			h[http.TrailerPrefix+name] = values
		}
	}
}
