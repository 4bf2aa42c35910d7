package mempool

import (
	"context"
	"flag"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/flagship-go/flagship/bft/abci"
	"github.com/stretchr/testify/require"
)

// A ledger is an application that takes each sender's transactions, "sender number ...", by their numbers, as if they had a sequence.
type ledger struct {
	abci.BaseApplication
	next map[string]int
}

func (l *ledger) CheckTx(_ context.Context, r *abci.CheckTxRequest) (*abci.CheckTxResponse, error) {
	words := strings.Fields(string(r.Tx))
	n, err := strconv.Atoi(words[1])
	if err != nil || n != l.next[words[0]] {
		return &abci.CheckTxResponse{Code: 1}, nil
	}
	l.next[words[0]]++
	return &abci.CheckTxResponse{}, nil
}

// A mesh is pools with links that are played: a message is on its way for a turn, or for as many as the seed says.
type mesh struct {
	t       *testing.T
	rng     *rand.Rand // nil: all links are equally fast
	pools   []*Pool
	ledgers []*ledger
	wire    map[[2]int][][]byte // what is under way from the first to the second
	bytes   int                 // that were sent
}

func newMesh(t *testing.T, n int, rng *rand.Rand) *mesh {
	m := &mesh{t: t, rng: rng, wire: map[[2]int][][]byte{}}
	for range n {
		app := &ledger{next: map[string]int{}}
		pool, err := New(app, Options{})
		require.NoError(t, err)
		m.pools, m.ledgers = append(m.pools, pool), append(m.ledgers, app)
	}
	return m
}

func (m *mesh) connect(i, j int) {
	for _, l := range [][2]int{{i, j}, {j, i}} {
		m.pools[l[0]].addPeer(fmt.Sprint(l[1]), func() {})
		m.wire[l] = nil
	}
}

func (m *mesh) cut(i, j int) {
	for _, l := range [][2]int{{i, j}, {j, i}} {
		m.pools[l[0]].removePeer(fmt.Sprint(l[1]))
		delete(m.wire, l)
	}
}

// full links all with all.
func (m *mesh) full() *mesh {
	for i := range m.pools {
		for j := range i {
			m.connect(i, j)
		}
	}
	return m
}

// turn has each link take a message, and bring one. It tells whether there was any.
func (m *mesh) turn() (busy bool) {
	links := slices.SortedFunc(maps.Keys(m.wire), func(a, b [2]int) int { return slices.Compare(a[:], b[:]) })
	if m.rng != nil {
		m.rng.Shuffle(len(links), func(i, j int) { links[i], links[j] = links[j], links[i] })
	}
	for _, l := range links {
		if msg := m.pools[l[0]].next(fmt.Sprint(l[1])); msg != nil {
			m.wire[l] = append(m.wire[l], msg)
			m.bytes += len(msg)
		}
	}
	for _, l := range links {
		if len(m.wire[l]) == 0 {
			continue
		}
		busy = true
		if m.rng != nil && m.rng.IntN(3) > 0 {
			continue // it takes longer
		}
		msg := m.wire[l][0]
		m.wire[l] = m.wire[l][1:]
		require.NoError(m.t, m.pools[l[1]].receive(m.t.Context(), fmt.Sprint(l[0]), msg))
	}
	return busy
}

// run plays until nothing is left to be said.
func (m *mesh) run() {
	for range 100_000 {
		if !m.turn() {
			return
		}
	}
	m.t.Fatal("RULE P2: there is always something to be said")
}

// send has a node's client hand in a transaction of 250 bytes, which is a sender's next.
func (m *mesh) send(i int, sender string) {
	m.t.Helper()
	tx := fmt.Sprint(sender, " ", m.ledgers[i].next[sender], " ")
	add(m.t, m.pools[i], tx+strings.Repeat("x", 250-len(tx)))
}

// complete checks that all have the same transactions.
func (m *mesh) complete(want int, what string, args ...any) {
	m.t.Helper()
	for i, p := range m.pools {
		require.Equal(m.t, want, p.list.Len(), "RULE P2: node %d has all: %s", i, fmt.Sprintf(what, args...))
	}
}

// perTx is what a transaction costs all links together, handed in at all the nodes by turns, some at once.
func (m *mesh) perTx(txs, atOnce int) int {
	m.bytes = 0
	before := m.pools[0].list.Len()
	for at := 0; at < txs; at += atOnce {
		for i := range atOnce {
			node := (at/atOnce + i) % len(m.pools)
			m.send(node, fmt.Sprint("client", node))
		}
		m.run()
	}
	m.complete(before+txs, "%d at once", atOnce)
	return m.bytes / txs
}

// Of a transaction of 250 bytes, 253 with its head, among eight: if everybody sent it on to everybody, 7 + 7*6 would be on the way.
const sentToAll = (7 + 7*6) * 253

func TestInAMeshATransactionIsSentOnceToEach(t *testing.T) {
	m := newMesh(t, 8, nil).full()
	m.perTx(16, 1) // until they know each other
	require.Equal(t, 7*253+7*6*keySize, m.perTx(80, 1), "RULE P2: sent once to each, and otherwise announced")
	for seed := range uint64(3) {
		for _, atOnce := range []int{1, 8} {
			m := newMesh(t, 8, rand.New(rand.NewPCG(seed, 1))).full()
			got := m.perTx(160, atOnce)
			t.Logf("seed %d, %d at once: %d bytes a transaction, of %d", seed, atOnce, got, sentToAll)
			require.Less(t, got, sentToAll*6/10, "RULE P2: also if links differ from turn to turn")
		}
	}
}

func TestOnALineAndOnARingTransactionsArePassedOnAtOnce(t *testing.T) {
	line := newMesh(t, 7, nil)
	for i := range 6 {
		line.connect(i, i+1)
	}
	require.Equal(t, 6*253, line.perTx(140, 1), "RULE P2: sent once over each link")
	ring := newMesh(t, 7, nil)
	for i := range 7 {
		ring.connect(i, (i+1)%7)
	}
	ring.perTx(28, 1)
	require.Less(t, ring.perTx(140, 1), 8*253+4*keySize, "RULE P2: and both ways where they meet")
}

var graphs = flag.Uint64("graphs", 40, "how many `seeds` TestWhateverTheGraphAllGetAllInOrder tries")

// A tree and more links, of which some end while much is under way; clients that hand in each transaction at some node that has the one before.
func TestWhateverTheGraphAllGetAllInOrder(t *testing.T) {
	for seed := range *graphs {
		rng := rand.New(rand.NewPCG(seed, 2))
		n := 3 + rng.IntN(6)
		m := newMesh(t, n, rng)
		for i := 1; i < n; i++ {
			m.connect(i, rng.IntN(i))
		}
		var more [][2]int
		for range rng.IntN(3 * n) {
			i, j := rng.IntN(n), rng.IntN(n)
			if _, linked := m.wire[[2]int{i, j}]; i != j && !linked {
				m.connect(i, j)
				more = append(more, [2]int{i, j})
			}
		}
		sent := map[string]int{}
		for range 200 {
			switch node, sender := rng.IntN(n), fmt.Sprint("client", rng.IntN(3)); {
			case rng.IntN(20) == 0 && len(more) > 0:
				m.cut(more[0][0], more[0][1])
				more = more[1:]
			case rng.IntN(2) == 0:
				m.turn()
			case m.ledgers[node].next[sender] == sent[sender]:
				m.send(node, sender)
				sent[sender]++
			}
		}
		m.run()
		m.complete(sent["client0"]+sent["client1"]+sent["client2"], "seed %d", seed)
	}
}

func TestAKeyIsAskedOfAllWhoAnnounceItAndSentWithWhatComesBehind(t *testing.T) {
	m := newMesh(t, 1, nil)
	pool := m.pools[0]
	for _, id := range []string{"a", "b"} {
		pool.addPeer(id, func() {})
	}
	key := keyOf([]byte("what is not here"))
	have, want := appendKey(nil, haveTag, key), appendKey(nil, wantTag, key)
	for _, id := range []string{"a", "b"} {
		require.NoError(t, pool.receive(t.Context(), id, have))
		require.Equal(t, want, pool.next(id), "RULE P2: the one asked before may lie")
		require.Nil(t, pool.next(id))
	}
	require.NoError(t, pool.receive(t.Context(), "a", want))
	require.Nil(t, pool.next("a"), "nobody has it")
	for range 100_000 {
		require.NoError(t, pool.receive(t.Context(), "a", have))
	}
	require.LessOrEqual(t, len(pool.neighbours["a"].due), maxDue, "RULE P1: what is to be said is bounded")
}

func TestWhoSendsWhatIsStillBeingCheckedIsNotToldThatItIsHere(t *testing.T) {
	app := &judge{}
	pool := newPool(t, app, Options{})
	for _, id := range []string{"a", "b"} {
		pool.addPeer(id, func() {})
	}
	tx := []byte{txTag, 1, 't'}
	app.during = func(string) {
		app.during = nil
		require.NoError(t, pool.receive(t.Context(), "b", tx))
	}
	require.NoError(t, pool.receive(t.Context(), "a", tx))
	require.Nil(t, pool.next("b"), "RULE M3: it may be refused, and b is to send it again with the one before")
	require.NoError(t, pool.receive(t.Context(), "b", tx))
	require.Equal(t, appendKey(nil, haveTag, keyOf([]byte("t"))), pool.next("b"), "RULE P2: b might have announced it")
}
