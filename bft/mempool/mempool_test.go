package mempool

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/flagship-go/flagship/bft"
	"github.com/flagship-go/flagship/bft/abci"
	"github.com/flagship-go/flagship/bft/types"
	"github.com/stretchr/testify/require"
)

// A judge is an application that reads its answer in the transaction: "name gas=3 prio=7 bad". Which names are
// bad from now on can be said too.
type judge struct {
	abci.BaseApplication
	mu      sync.Mutex
	bad     map[string]bool
	asked   []string // "name", or "recheck name"
	during  func(tx string)
	failing error
}

func (j *judge) CheckTx(_ context.Context, r *abci.CheckTxRequest) (*abci.CheckTxResponse, error) {
	words := strings.Fields(string(r.Tx))
	if len(words) == 0 {
		return &abci.CheckTxResponse{Code: 1}, nil
	}
	if j.during != nil {
		j.during(words[0])
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	asked := words[0]
	if r.Recheck {
		asked = "recheck " + asked
	}
	j.asked = append(j.asked, asked)
	answer := &abci.CheckTxResponse{}
	if j.bad[words[0]] {
		answer.Code, answer.Log = 7, "bad now"
	}
	for _, w := range words[1:] {
		name, value, _ := strings.Cut(w, "=")
		n, _ := strconv.ParseInt(value, 10, 64)
		switch name {
		case "gas":
			answer.GasWanted = n
		case "prio":
			answer.Priority = n
		case "from":
			answer.Sender = value
		case "bad":
			answer.Code = 7
		case "panic":
			panic("a bug of the application")
		}
	}
	return answer, j.failing
}

func (j *judge) questions() []string {
	j.mu.Lock()
	defer j.mu.Unlock()
	asked := j.asked
	j.asked = nil
	return asked
}

func newPool(t *testing.T, app *judge, o Options) *Pool {
	p, err := New(app, o)
	require.NoError(t, err)
	return p
}

// add adds transactions that are to be taken.
func add(t *testing.T, p *Pool, txs ...string) {
	t.Helper()
	for _, tx := range txs {
		r, err := p.CheckTx(t.Context(), []byte(tx))
		require.NoError(t, err, tx)
		require.Zero(t, r.Code, tx)
	}
}

// refused is the error of one that is not to be taken.
func refused(t *testing.T, p *Pool, tx string) error {
	_, err := p.CheckTx(t.Context(), []byte(tx))
	return err
}

func reap(p *Pool, maxBytes, maxGas int64) string {
	return string(bytes.Join(p.Reap(maxBytes, maxGas), []byte("|")))
}

// commit is what a block with these transactions does; those that end in "!" have failed.
func commit(t *testing.T, p *Pool, txs ...string) {
	t.Helper()
	p.Lock()
	codes := make([]uint32, len(txs))
	block := make([][]byte, len(txs))
	for i, tx := range txs {
		if name, failed := strings.CutSuffix(tx, "!"); failed {
			tx, codes[i] = name, 1
		}
		block[i] = []byte(tx)
	}
	require.NoError(t, p.Update(t.Context(), 1, block, codes))
}

func TestFirstComeIsFirstReaped(t *testing.T) {
	p := newPool(t, &judge{}, Options{})
	add(t, p, "c", "a prio=9", "b")
	require.Equal(t, "c|a prio=9|b", reap(p, -1, -1), "RULE M3: in order")
	require.Equal(t, "c|a prio=9|b", reap(p, -1, -1), "what is reaped stays until it is committed")
	commit(t, p, "a prio=9")
	require.Equal(t, "c|b", reap(p, -1, -1), "RULE M1: what is committed leaves")
}

func TestReapIsBoundedByBytesAndGas(t *testing.T) {
	p := newPool(t, &judge{}, Options{})
	add(t, p, "a gas=2", "b gas=3", "c gas=4")
	for _, c := range []struct {
		bytes, gas int64
		want       string
	}{
		{-1, -1, "a gas=2|b gas=3|c gas=4"},
		{9 * 3, -1, "a gas=2|b gas=3|c gas=4"},
		{9*3 - 1, -1, "a gas=2|b gas=3"}, // 7 bytes, and 2 of encoding
		{9, -1, "a gas=2"},
		{8, -1, ""},
		{0, -1, ""},
		{-1, 9, "a gas=2|b gas=3|c gas=4"},
		{-1, 8, "a gas=2|b gas=3"},
		{-1, 4, "a gas=2"},
		{-1, 0, ""},
		{9, 8, "a gas=2"},
	} {
		require.Equal(t, c.want, reap(p, c.bytes, c.gas), "RULE M3: %d bytes, %d gas", c.bytes, c.gas)
	}
}

func TestGasCannotOverflow(t *testing.T) {
	p := newPool(t, &judge{}, Options{})
	add(t, p, "a gas=9223372036854775807", "b gas=9223372036854775807")
	require.Equal(t, "a gas=9223372036854775807", reap(p, -1, 9223372036854775807), "RULE M3: sums of gas do not overflow")
	require.ErrorIs(t, refused(t, p, "c gas=-1"), ErrApplication)
}

func TestWhatFitsIntoNoBlockKeepsNobodyWaiting(t *testing.T) {
	p := newPool(t, &judge{}, Options{})
	add(t, p, "big gas=100", "a gas=1", "b gas=1")
	require.Equal(t, "a gas=1|b gas=1", reap(p, -1, 50), "RULE M3: in order")
}

// What no block can ever have would stay for ever, and anybody could fill the pool with it for nothing.
func TestWhatNoBlockTakesIsNotTaken(t *testing.T) {
	p := newPool(t, &judge{}, Options{})
	add(t, p, "a gas=8", "b gas=3")
	p.Limit(20, 8)
	require.ErrorIs(t, refused(t, p, "c gas=9"), ErrTooLarge, "RULE M2: no block has so much gas")
	require.ErrorIs(t, refused(t, p, "d-of-19-characters+"), ErrTooLarge, "RULE M2: no block has so much room")
	add(t, p, "e gas=8", "f-of-18-characters")
	p.Limit(20, 7) // the parameters have changed
	commit(t, p)
	require.Equal(t, "b gas=3|f-of-18-characters", reap(p, -1, -1), "RULE M2: they stay for ever")
	require.Equal(t, 2, p.Metrics().Txs)
}

func TestATransactionIsTakenOnce(t *testing.T) {
	app := &judge{}
	p := newPool(t, app, Options{})
	add(t, p, "a")
	require.ErrorIs(t, refused(t, p, "a"), ErrSeen, "RULE M1: it is in the pool")
	commit(t, p, "a", "elsewhere", "failed!")
	require.ErrorIs(t, refused(t, p, "a"), ErrSeen, "RULE M1: it was committed")
	require.ErrorIs(t, refused(t, p, "elsewhere"), ErrSeen, "RULE M1: it was committed, and never here")
	require.Equal(t, []string{"a"}, app.questions(), "RULE M1: the application is asked once")
	require.NoError(t, refused(t, p, "failed"), "RULE M1: it may go well the next time")
}

func TestARefusedTransactionMayBeTriedAgain(t *testing.T) {
	for _, keep := range []bool{false, true} {
		app := &judge{bad: map[string]bool{"a": true}}
		p := newPool(t, app, Options{KeepInvalid: keep})
		r, err := p.CheckTx(t.Context(), []byte("a"))
		require.NoError(t, err, "what the application says is in the response")
		require.Equal(t, uint32(7), r.Code)
		require.Empty(t, p.Reap(-1, -1), "RULE M4: what the application refuses is not in the pool")
		app.bad = nil
		if keep {
			require.ErrorIs(t, refused(t, p, "a"), ErrSeen)
			commit(t, p, "b!")
			require.ErrorIs(t, refused(t, p, "b"), ErrSeen)
		} else {
			add(t, p, "a")
		}
	}
}

func TestTheCacheForgetsTheOldest(t *testing.T) {
	p := newPool(t, &judge{}, Options{CacheSize: 2})
	commit(t, p, "a", "b")
	require.ErrorIs(t, refused(t, p, "a"), ErrSeen) // and is the younger one now
	commit(t, p, "c")
	require.ErrorIs(t, refused(t, p, "a"), ErrSeen, "RULE M1: who was asked for last is kept")
	require.Len(t, p.cache.keys, 2, "RULE M2: the cache is bounded")
	add(t, p, "b")
}

func TestThePoolIsBounded(t *testing.T) {
	for name, o := range map[string]Options{"transactions": {MaxTxs: 2}, "bytes": {MaxBytes: 5}} {
		t.Run(name, func(t *testing.T) {
			app := &judge{}
			p := newPool(t, app, o)
			add(t, p, "aa", "bb")
			app.questions()
			err := refused(t, p, "cc")
			require.ErrorIs(t, err, ErrFull, "RULE M2: bounded")
			require.ErrorContains(t, err, "2 transactions of 4 bytes")
			require.Empty(t, app.questions(), "RULE M2: a flood does not cost the application anything")
			commit(t, p, "aa")
			add(t, p, "cc") // and is not taken for seen
			require.Equal(t, int64(4), p.Metrics().Bytes)
		})
	}
	p := newPool(t, &judge{}, Options{MaxTxBytes: 3})
	add(t, p, "abc")
	err := refused(t, p, "abcd")
	require.ErrorIs(t, err, ErrTooLarge, "RULE M2: a long one")
	require.ErrorContains(t, err, "4 bytes, and at most 3")
}

func TestBoundsHoldForManyAtOnce(t *testing.T) {
	p := newPool(t, &judge{}, Options{MaxTxs: 10})
	var callers sync.WaitGroup
	for i := range 50 {
		callers.Go(func() {
			for k := range 10 {
				_, err := p.CheckTx(t.Context(), fmt.Appendf(nil, "%d", (i+k)%60))
				if err != nil && !errors.Is(err, ErrFull) && !errors.Is(err, ErrSeen) {
					t.Error(err)
				}
			}
		})
	}
	callers.Wait()
	txs := p.Reap(-1, -1)
	require.Len(t, txs, 10, "RULE M2: full, and not more")
	slices.SortFunc(txs, bytes.Compare)
	require.Len(t, slices.CompactFunc(txs, bytes.Equal), 10, "RULE M1: each once")
}

func TestHigherPrioritiesGoFirstAndPushOutLower(t *testing.T) {
	p := newPool(t, &judge{}, Options{Priorities: true, MaxTxs: 3})
	add(t, p, "a prio=1", "b prio=2", "c prio=1")
	require.Equal(t, "b prio=2|a prio=1|c prio=1", reap(p, -1, -1), "RULE M3: equals as they came")
	require.ErrorIs(t, refused(t, p, "d prio=1"), ErrFull, "RULE M2: equals do not push out")
	add(t, p, "e prio=3")
	require.Equal(t, "e prio=3|b prio=2|a prio=1", reap(p, -1, -1), "RULE M2: the lowest leaves, and of equals the last")
	require.Equal(t, uint64(1), p.Metrics().Evicted)
	commit(t, p, "e prio=3")
	add(t, p, "c prio=1") // it was not committed, and may come back
}

// A wallet that pays more for its second transaction, to have it go faster, must not have it fail for want of the first.
func TestASendersOrderIsKeptWhateverItPays(t *testing.T) {
	p := newPool(t, &judge{}, Options{Priorities: true})
	add(t, p, "a1 from=a prio=2", "b1 from=b prio=5", "a2 from=a prio=9", "c1 prio=7", "b2 from=b prio=1", "b3 from=b prio=4", "c2 prio=8")
	var names []string
	for _, tx := range p.Reap(-1, -1) {
		names = append(names, strings.Fields(string(tx))[0])
	}
	require.Equal(t, []string{"c2", "c1", "b1", "a1", "a2", "b2", "b3"}, names, "RULE M3: the higher first, and each sender's in order")
}

// In a full pool a transaction must neither push out the one of its sender that it follows, nor stay when that one is pushed out.
func TestASendersOrderOutlivesAFullPool(t *testing.T) {
	p := newPool(t, &judge{}, Options{Priorities: true, MaxTxs: 3})
	add(t, p, "a1 from=a prio=2", "b1 from=b prio=5", "c1 prio=7")
	require.ErrorIs(t, refused(t, p, "a2 from=a prio=9"), ErrFull, "RULE M3: it pushes out the one that it follows")
	commit(t, p, "c1 prio=7")
	add(t, p, "a2 from=a prio=9")
	require.Equal(t, "b1 from=b prio=5|a1 from=a prio=2|a2 from=a prio=9", reap(p, -1, -1))
	add(t, p, "d1 prio=3")
	require.Equal(t, "b1 from=b prio=5|d1 prio=3", reap(p, -1, -1), "RULE M3: one is left that follows what is gone")
	add(t, p, "a1 from=a prio=2")
	require.Equal(t, uint64(2), p.Metrics().Evicted)
}

func TestEvictionIsAllOrNothing(t *testing.T) {
	p := newPool(t, &judge{}, Options{Priorities: true, MaxBytes: 30})
	add(t, p, "aaa prio=1", "bbb prio=5", "ccc prio=2")
	require.ErrorIs(t, refused(t, p, "a-longer-transaction prio=3"), ErrFull)
	require.Equal(t, "bbb prio=5|ccc prio=2|aaa prio=1", reap(p, -1, -1), "RULE M2: nobody leaves for who does not fit")
	add(t, p, "a-longer-one prio=3")
	require.Equal(t, "a-longer-one prio=3", reap(p, -1, -1)[11:], "RULE M2: two leave for a longer one")
	require.Equal(t, int64(29), p.Metrics().Bytes)
}

func TestWhatIsWrongAfterABlockIsDropped(t *testing.T) {
	app := &judge{}
	p := newPool(t, app, Options{})
	add(t, p, "a", "b", "c", "d")
	app.questions()
	app.bad = map[string]bool{"c": true}
	commit(t, p, "a")
	require.Equal(t, []string{"recheck b", "recheck c", "recheck d"}, app.questions(), "RULE M4: what remains is checked again, in order")
	require.Equal(t, "b|d", reap(p, -1, -1), "RULE M4: what is wrong now is dropped")
	require.Equal(t, uint64(1), p.Metrics().Dropped)
	app.bad = nil
	add(t, p, "c")

	p = newPool(t, app, Options{SkipRecheck: true})
	add(t, p, "a", "b")
	app.questions()
	commit(t, p, "a")
	require.Empty(t, app.questions())
}

func TestNothingIsCheckedBetweenLockAndUpdate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		app := &judge{}
		hold := make(chan struct{})
		release := sync.OnceFunc(func() { close(hold) })
		defer release()
		app.during = func(tx string) {
			if tx == "slow" {
				<-hold
			}
		}
		p := newPool(t, app, Options{})
		var steps []string
		go func() { add(t, p, "slow") }()
		synctest.Wait()
		go func() {
			p.Lock()
			steps = append(steps, "locked")
		}()
		synctest.Wait()
		require.Empty(t, steps, "RULE M4: Lock waits for checks under way")
		release()
		synctest.Wait()
		require.Equal(t, []string{"locked"}, steps)
		app.questions()
		go func() { add(t, p, "late") }()
		synctest.Wait()
		require.Empty(t, app.questions(), "RULE M4: no check between Lock and Update")
		require.Equal(t, "slow", reap(p, -1, -1), "but reaping goes on")
		require.NoError(t, p.Update(t.Context(), 1, nil, nil))
		synctest.Wait()
		require.Equal(t, []string{"recheck slow", "late"}, app.questions(), "RULE M4: first what is here")
		p.Lock()
		require.Equal(t, "slow|late", reap(p, -1, -1))
		p.Unlock()
		add(t, p, "and on")
	})
}

func TestAvailableTellsOfWhatWasNotThere(t *testing.T) {
	p := newPool(t, &judge{}, Options{})
	is := func() bool {
		select {
		case <-p.Available():
			return true
		default:
			return false
		}
	}
	require.False(t, is())
	add(t, p, "a", "b")
	require.True(t, is())
	require.False(t, is(), "once for both")
	add(t, p, "c")
	commit(t, p, "a", "b", "c")
	require.False(t, is(), "RULE M4: what is gone is not available")
	add(t, p, "d", "e")
	require.True(t, is())
	commit(t, p, "d")
	require.True(t, is(), "what remains is to be reaped again")
}

func TestAnApplicationThatFailsIsNamed(t *testing.T) {
	app := &judge{}
	p := newPool(t, app, Options{})
	err := refused(t, p, "x panic")
	require.ErrorIs(t, err, ErrApplication)
	require.ErrorContains(t, err, "a bug of the application")
	add(t, p, "a")
	app.failing = errors.New("disk full")
	require.ErrorIs(t, refused(t, p, "b"), ErrApplication)
	p.Lock()
	require.ErrorContains(t, p.Update(t.Context(), 1, nil, nil), "disk full", "the node is to halt")
	app.failing = nil
	add(t, p, "b") // and is not locked for ever
	p.Lock()
	require.Error(t, p.Update(t.Context(), 1, [][]byte{{1}}, nil))
}

func TestAnApplicationThatHangsIsNotWaitedFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		app := &judge{}
		p := newPool(t, app, Options{})
		add(t, p, "a")
		hold := make(chan struct{})
		answer := sync.OnceFunc(func() { close(hold) })
		defer answer()
		time.AfterFunc(time.Hour, answer) // so that who waits hears it
		app.during = func(string) { <-hold }
		p.Lock()
		began := time.Now()
		require.ErrorIs(t, p.Update(t.Context(), 1, nil, nil), ErrApplication, "RULE M4: the node is to halt")
		require.Equal(t, time.Minute, time.Since(began))
	})
}

// A client's or a peer's transaction in which the application hangs must not have the node stand still without a word.
func TestAnApplicationThatHangsInACheckHaltsTheNode(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		app := &judge{}
		p := newPool(t, app, Options{})
		hold := make(chan struct{})
		answer := sync.OnceFunc(func() { close(hold) })
		defer answer()
		time.AfterFunc(time.Hour, answer) // so that who waits hears it
		app.during = func(string) { <-hold }
		go p.CheckTx(t.Context(), []byte("a"))
		synctest.Wait()
		began := time.Now()
		p.Lock()
		require.Equal(t, time.Minute, time.Since(began), "RULE M4: the application hangs, and the node with it")
		require.ErrorIs(t, p.Update(t.Context(), 1, nil, nil), ErrApplication, "RULE M4: the node is to halt")
	})
}

func TestOptionsThatCannotWorkAreRefused(t *testing.T) {
	for _, o := range []Options{{MaxTxs: -1}, {MaxBytes: -1}, {MaxTxBytes: -1}, {CacheSize: -1}, {MaxTxBytes: types.MaxBlockBytes + 1}} {
		_, err := New(&judge{}, o)
		require.ErrorIs(t, err, bft.ErrOptions, "%+v", o)
	}
	_, err := New(nil, Options{})
	require.ErrorIs(t, err, bft.ErrOptions)
}
