package main

import (
	"fmt"
	"io"
	"math"
	"slices"

	"github.com/flagship-go/flagship/erasure/rs"
	"github.com/flagship-go/flagship/internal/versus"
)

// The contenders' names.
const (
	ours        = "flagship"
	klauspost   = "klauspost"
	reconstruct = "reconstruct"
	stream      = "stream"
)

// table is one comparison.
type table struct {
	versus.Table
	goals []goal
}

// goal asks that a contender uses so many times less processor time than
// another, in the geometric mean over the sizes, for each of its geometries.
type goal struct {
	who, than  string
	atLeast    float64
	geometries []string // as "data=4/parity=2"
	sizes      []int
}

var sizes = []int{4 << 10, 64 << 10, 1 << 20}

func cellsOf(geometries []string) (cells []versus.Cell) {
	for _, g := range geometries {
		for _, size := range sizes {
			cells = append(cells, cell(g, size))
		}
	}
	return cells
}

func cell(geometry string, size int) versus.Cell {
	return versus.Cell(fmt.Sprintf("%s/size=%d", geometry, size))
}

func tables() []table {
	few := []string{"data=4/parity=2", "data=6/parity=2"}
	some := []string{"data=8/parity=4", "data=10/parity=4"}
	many := []string{"data=12/parity=4", "data=16/parity=4"}
	all := slices.Concat(few, some, many)
	// Plain Go is set beside plain Go, SIMD beside SIMD.
	encode := []goal{{ours, klauspost, 1.0, few, sizes}, {ours, klauspost, 1.5, slices.Concat(some[:1], many), sizes}}
	verify := []goal{{ours, klauspost, 1.5, all, sizes}}
	switch simd := rs.Kernels()[0].String() != "packed"; {
	case simd && buildFlags == "":
		encode = []goal{{ours, klauspost, 0.8, slices.Concat(few, some), sizes}, {ours, klauspost, 1.5, many, sizes}}
		verify = []goal{{ours, klauspost, 3, all, sizes[2:]}}
	case simd || buildFlags == "":
		encode, verify = nil, nil
	}
	kernel := fmt.Sprintf("kernel %s, %s", rs.Kernels()[0], peerBuild)
	return []table{
		{made("encode", "Encode: "+kernel, all, versusPeer(encodeOurs, encodePeer)), encode},
		{made("verify", "Verify: "+kernel, all, versusPeer(verifyOurs, verifyPeer)), verify},
		{made("reconstruct", "Reconstruct as many as there are parity shards: "+kernel, all, versusPeer(reconstructOurs, reconstructPeer)), nil},
		{made("own", "Our Encode (flagship), our Reconstruct and our streams, and klauspost's: "+kernel, all, []versus.Contender{
			contender(ours, rsModule, encodeOurs),
			contender(reconstruct, rsModule, reconstructOurs),
			contender(stream, rsModule, streamOurs),
			contender(stream+"-copied", rsModule, copyOurs),
			contender(klauspost, peerModule, encodePeer),
			contender(klauspost+"-"+stream, peerModule, streamPeer),
		}), []goal{
			{reconstruct, ours, 0.95, all, sizes[1:]},
			{stream, ours, 0.9, all, sizes[1:]},
		}},
	}
}

func made(name, title string, geometries []string, contenders []versus.Contender) versus.Table {
	return versus.Table{Name: name, Title: title, Ours: ours, Contenders: contenders, Cells: cellsOf(geometries)}
}

// judge prints what became of the goal, as far as its cells were measured.
func (g *goal) judge(out io.Writer, r *versus.Report) {
	for _, geometry := range g.geometries {
		sum, n := 0.0, 0
		for _, size := range g.sizes {
			c := cell(geometry, size)
			mine, ok1 := r.Value(c, g.who, versus.CPUPerOp)
			other, ok2 := r.Value(c, g.than, versus.CPUPerOp)
			if ok1 && ok2 && mine > 0 && other > 0 {
				sum += math.Log(other / mine)
				n++
			}
		}
		if n == 0 {
			continue
		}
		ratio := math.Exp(sum / float64(n))
		verdict := "met"
		if ratio < g.atLeast {
			verdict = "missed"
		}
		fmt.Fprintf(out, "* **%s**: %s >= %gx %s per processor time at %s (%.2fx over %d sizes)\n", verdict, g.who, g.atLeast, g.than, geometry, ratio, n)
	}
}
