package ranges

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/flagship-go/flagship/mvcc"
	"github.com/flagship-go/flagship/mvcc/region"
	"github.com/flagship-go/flagship/raft"
	"github.com/flagship-go/flagship/raft/multi"
)

// The keeper of a node sees to it that ranges whose groups it leads are served by it,
// and split when they have grown.
//
//	leads the group --> takes the lease, by the log --> asks the clock --> region, bound raised
//
// The order is what makes V11 hold over a change of leader (T3). Whoever was served
// under the old lease had been given its timestamp before the new one was in the log;
// so one that the clock gives out afterwards is above. Where clocks differ, by at most
// an offset, it is that much later, and the keeper waits until its own clock is
// there: no timestamp in the store is ahead of all clocks.

// keep runs until the node ends.
func (n *Node) keep() {
	tick := time.NewTicker(keeperTick)
	defer tick.Stop()
	for {
		select {
		case <-n.ctx.Done():
			return
		case <-n.woken:
		case <-tick.C:
			for _, r := range n.all() {
				n.splitIfLarge(r)
			}
		}
		for _, r := range n.all() {
			n.leaseIfLed(r)
		}
	}
}

// leaseIfLed takes a range's lease in the background, if that is for this node to do.
func (n *Node) leaseIfLed(r *replica) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.serving != nil || r.acquiring || !n.leads(r.id) {
		return
	}
	r.acquiring = true
	n.keeping.Go(func() {
		err := n.takeLease(n.ctx, r)
		r.mu.Lock()
		r.acquiring = false
		r.mu.Unlock()
		if err != nil && n.ctx.Err() == nil {
			n.log.Info("lease not taken", "range", r.id, "err", err)
			if pause(n.ctx, n.opts.Tick) == nil {
				n.wake()
			}
		}
	})
}

func (n *Node) takeLease(ctx context.Context, r *replica) error {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	seq, err := n.propose(ctx, r.id, encodeLease(n.id))
	if err != nil {
		return err
	}
	bound, err := floor(ctx, n.clock)
	if err != nil {
		return err
	}
	p := r.place.Load()
	serving := region.New(p.info(), &engine{r, seq}, n.region)
	serving.RaiseReadBound(bound)
	r.mu.Lock()
	defer r.mu.Unlock()
	if now := r.place.Load(); now.Lease.Seq != seq || now.Epoch != p.Epoch || !n.leads(r.id) {
		return errSuperseded
	}
	r.serving, r.lease = serving, seq
	n.log.Info("lease taken", "range", r.id, "lease", seq, "bound", bound.String())
	return nil
}

// floor returns a timestamp above all that were given out before the call, by whatever
// clock; and none was given out yet that is above it, when it returns.
func floor(ctx context.Context, c mvcc.Clock) (mvcc.TS, error) {
	now, err := c.Now(ctx)
	if err != nil || c.MaxOffset() == 0 {
		return now, err
	}
	bound := now.Add(c.MaxOffset())
	for now <= bound {
		if err := pause(ctx, bound.Since(now)+time.Millisecond); err != nil {
			return 0, err
		}
		if now, err = c.Now(ctx); err != nil {
			return 0, err
		}
	}
	return bound, nil
}

func pause(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// splitIfLarge splits a range that is served here and has grown, in the background.
func (n *Node) splitIfLarge(r *replica) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.serving == nil || r.splitting || n.opts.MaxRangeBytes <= 0 || r.size.Load() <= uint64(n.opts.MaxRangeBytes) {
		return
	}
	r.splitting = true
	n.keeping.Go(func() {
		err := n.splitInHalf(n.ctx, r)
		r.mu.Lock()
		r.splitting = false
		r.mu.Unlock()
		if err != nil && n.ctx.Err() == nil {
			n.log.Warn("range not split", "range", r.id, "err", err)
		}
	})
}

// splitInHalf looks how large a range really is, and splits it if that is too much.
func (n *Node) splitInHalf(ctx context.Context, r *replica) error {
	if err := n.enter(); err != nil {
		return err
	}
	p := r.place.Load()
	s := r.view(n.db.Snapshot(), p)
	key, size, err := middle(s, &p.Descriptor, uint64(n.opts.MaxRangeBytes))
	err = errors.Join(err, s.Close())
	n.leave()
	if err != nil {
		return err
	}
	if key == nil {
		r.size.Store(size) // others find out for themselves, if they come to lead
		return nil
	}
	return n.split(ctx, r, key, [2]uint64{size / 2, size - size/2})
}

// split splits a range that is led here.
func (n *Node) split(ctx context.Context, r *replica, key []byte, sizes [2]uint64) error {
	right, err := n.number(ctx)
	if err != nil {
		return fmt.Errorf("a number for the new range: %w", err)
	}
	if err := n.enter(); err != nil {
		return err
	}
	defer n.leave()
	a := splitArgument{Key: key, Right: right, Sizes: sizes}
	return n.host.Split(ctx, multi.GroupID(r.id), multi.GroupID(right), a.encode())
}

// move hands the lead of a range that is led here to another node, and with it the
// lease.
func (n *Node) move(ctx context.Context, id uint64, to raft.NodeID) error {
	if err := n.enter(); err != nil {
		return err
	}
	defer n.leave()
	return n.host.TransferLeadership(ctx, multi.GroupID(id), to)
}
