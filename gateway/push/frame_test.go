package push

import (
	"bytes"
	"context"
	"encoding/binary"
	"io"
	"net"
	"strings"
	"sync"
	"testing"
	"testing/iotest"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

func TestFramesComeAsTheyWereSent(t *testing.T) {
	var stream []byte
	payloads := []string{"", "a", strings.Repeat("b", 10), strings.Repeat("c", 3*step+7), strings.Repeat("d", 1<<20)}
	for i, p := range payloads {
		stream = append(stream, newFrame(kindSnapshot, uint64(i), p)...)
	}
	for _, r := range []io.Reader{bytes.NewReader(stream), iotest.HalfReader(bytes.NewReader(stream)), iotest.DataErrReader(bytes.NewReader(stream))} {
		frames := frameReader{r: r, max: maxSize}
		for i, p := range payloads {
			f, err := frames.next()
			require.NoError(t, err)
			require.Equal(t, kindSnapshot, f.kind)
			require.Equal(t, uint64(i), f.version)
			require.Equal(t, p, string(f.payload))
		}
		_, err := frames.next()
		require.ErrorIs(t, err, io.EOF)
		require.NotErrorIs(t, err, ErrFrame, "a stream that ends between frames is not broken")
	}
}

// Each bit is under the checksum, and each place to be cut off at is found.
func TestFrameWithAChangedBitIsBroken(t *testing.T) {
	whole := newFrame(kindNack, 300, "routes.eskip:3:14")
	for bit := range 8 * len(whole) {
		b := bytes.Clone(whole)
		b[bit/8] ^= 1 << (bit % 8)
		r := frameReader{r: bytes.NewReader(b), max: maxReport}
		_, err := r.next()
		require.ErrorIs(t, err, ErrFrame, "RULE C5: bit %d may change and nobody sees it", bit)
	}
	for n := 1; n < len(whole); n++ {
		r := frameReader{r: bytes.NewReader(whole[:n]), max: maxReport}
		_, err := r.next()
		require.ErrorIs(t, err, ErrFrame, "RULE C5: a frame of %d bytes is cut off, and nobody sees it", n)
	}
}

// 17 bytes are not believed that 60 MiB will follow.
func TestHugeLengthCostsNothing(t *testing.T) {
	header := newFrame(kindSnapshot, 1, "")
	binary.LittleEndian.PutUint32(header, 60<<20)
	r := frameReader{r: bytes.NewReader(append(header, make([]byte, 100)...)), max: maxSize}
	_, err := r.next()
	require.ErrorIs(t, err, ErrFrame)
	require.ErrorContains(t, err, "push: the stream ends 62914560 bytes before its frame does")
	require.LessOrEqual(t, cap(r.buf), 2*step, "RULE C5: memory was made for a length that nobody has sent")

	binary.LittleEndian.PutUint32(header, 1<<32-1)
	r = frameReader{r: bytes.NewReader(header), max: maxSize}
	_, err = r.next()
	require.EqualError(t, err, "push: a length of 4294967295, and at most 67108864 is taken (MaxSize): broken frame")
}

// Most frames are pings: ten thousand subscribers that wait for a version are not to have memory for one each.
func TestMemoryIsLentForAPayloadOnly(t *testing.T) {
	pool := sync.Pool{New: func() any { return new(make([]byte, 0, 100)) }}
	frames := frameReader{r: bytes.NewReader(append(newFrame(kindPing, 0, ""), newFrame(kindSnapshot, 1, "x")...)), max: maxSize, pool: &pool}
	_, err := frames.next()
	require.NoError(t, err)
	require.Nil(t, frames.buf, "RULE C5: a ping has taken memory, which nobody gives back before the next version")
	f, err := frames.next()
	require.NoError(t, err)
	require.Equal(t, 100, cap(f.payload), "RULE C5: memory was made, where some was lent")
	frames.free()
	require.Nil(t, frames.buf, "RULE C5: what was given back is used")
}

// A publisher meets whoever connects.
func TestWhoSpeaksSomethingElseIsRefused(t *testing.T) {
	hello := newHello(id{}, "edge")
	broken := bytes.Clone(hello)
	broken[20] ^= 1
	for name, c := range map[string]struct {
		send []byte
		want string
	}{
		"http":          {[]byte("GET / HTTP/1.1\r\nHost: config.example\r\n\r\n"), "a length of 542393671"},
		"broken hello":  {broken, "has checksum"},
		"no hello":      {newFrame(kindAck, 1, ""), "the first frame is of kind 4"},
		"short hello":   {newFrame(kindHello, 1, "abc"), "the first frame is of kind 3 with 3 bytes"},
		"long name":     {newHello(id{}, strings.Repeat("x", 257)), "the first frame is of kind 3 with 261 bytes"},
		"huge name":     {newHello(id{}, strings.Repeat("x", 2000)), "a length of 2004, and at most 1024"},
		"hello again":   {append(bytes.Clone(hello), hello...), `subscriber "edge" sends a frame of kind 3`},
		"unknown kind":  {append(bytes.Clone(hello), newFrame(77, 1, "")...), `subscriber "edge" sends a frame of kind 77`},
		"a snapshot":    {append(bytes.Clone(hello), newFrame(kindSnapshot, 1, "x")...), `subscriber "edge" sends a frame of kind 1`},
		"broken report": {append(bytes.Clone(hello), broken...), "has checksum"},
		"huge reason":   {append(bytes.Clone(hello), newFrame(kindNack, 1, strings.Repeat("x", 2000))...), "a length of 2000, and at most 1024"},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, Options{}, func(t *testing.T, w *world) {
				conn := w.raw()
				conn.Write(c.send) // as much as it takes
				synctest.Wait()
				require.Len(t, w.served(), 1, "the connection is still there")
				require.ErrorIs(t, w.served()[0], ErrFrame)
				require.ErrorContains(t, w.served()[0], c.want)
				_, err := conn.Read(make([]byte, 1))
				require.ErrorIs(t, err, io.EOF)
				require.Empty(t, w.Status())
			})
		})
	}
}

func TestWhoSaysNothingIsRefused(t *testing.T) {
	bubble(t, Options{HelloTimeout: 3 * second}, func(t *testing.T, w *world) {
		w.raw()
		w.raw(newHello(id{}, "edge")[:20])
		m := w.join("quiet")
		time.Sleep(3*second - 1)
		synctest.Wait()
		require.Len(t, w.Status(), 3)
		time.Sleep(time.Nanosecond)
		synctest.Wait()
		require.Len(t, w.Status(), 1, "a connection that says nothing is kept for ever")
		time.Sleep(time.Hour)
		m.leave()
	})
}

// And a subscriber meets whatever answers. It applies nothing that is broken, and tries again.
func TestSubscriberAppliesNothingThatIsBroken(t *testing.T) {
	broken := newFrame(kindSnapshot, 1, "config")
	broken[len(broken)-1] ^= 1
	for name, send := range map[string][]byte{
		"changed":      broken,
		"cut off":      newFrame(kindSnapshot, 1, "config")[:20],
		"unknown kind": newFrame(77, 1, ""),
		"too long":     newFrame(kindSnapshot, 1, strings.Repeat("x", 101)),
		"http":         []byte("HTTP/1.1 400 Bad Request\r\n\r\n"),
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, Options{}, func(t *testing.T, w *world) {
				first := true
				ctx, cancel := context.WithCancel(context.Background())
				m := &member{w: w, ctx: ctx, cancel: cancel}
				w.members = append(w.members, m)
				dial := w.dial
				w.wg.Go(func() {
					SubscribeConn(ctx, func(ctx context.Context) (conn net.Conn, err error) {
						if !first {
							return dial(ctx)
						}
						first = false
						ours, theirs := net.Pipe()
						w.wg.Go(func() {
							defer theirs.Close()
							io.ReadFull(theirs, make([]byte, headerSize+4))
							theirs.Write(send)
						})
						return ours, nil
					}, SubscriberOptions{Apply: m.apply, MaxSize: 100})
				})
				w.publish("good")
				time.Sleep(second)
				require.Equal(t, []string{"1:good"}, m.got(), "RULE C5: something broken was applied")
			})
		})
	}
}

func FuzzFrames(f *testing.F) {
	f.Add(newFrame(kindSnapshot, 1, "config"))
	f.Add(append(newHello(id{7, 8}, "edge"), newFrame(kindAck, 7, "")...))
	f.Fuzz(func(t *testing.T, stream []byte) {
		r := frameReader{r: bytes.NewReader(stream), max: maxReport}
		for at := 0; ; {
			got, err := r.next()
			if err != nil {
				return
			}
			// What is taken is what would have been sent.
			again := newFrame(got.kind, got.version, string(got.payload))
			require.Equal(t, stream[at:at+len(again)], again)
			at += len(again)
		}
	})
}
