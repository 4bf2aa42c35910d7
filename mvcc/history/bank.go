package history

import (
	"fmt"
	"slices"
)

// Bank says what a bank's snapshots must show: the accounts are registers whose values
// are balances, and money is moved among them, so their sum stays. (Balances are not
// unique, so Check can do nothing with such a history.)
type Bank struct {
	Accounts []int
	Total    int
	// Overdraft allows an account to be below zero.
	Overdraft bool
}

// Check reports each committed transaction that read all accounts, before it wrote any,
// and found another total than there is, or an account below zero. A missing account
// has 0. It returns also how many transactions it has judged.
func (b *Bank) Check(h *History) (found []Anomaly, judged int) {
	number := map[int]int{}
	for i, k := range b.Accounts {
		number[k] = i
	}
	c := &checker{h: h}
	balances, read := make([]int, len(b.Accounts)), make([]int, len(b.Accounts))
	for t := range h.Txns {
		if h.Txns[t].Status != OK {
			continue
		}
		seen := 0
		for i := range h.Txns[t].Ops {
			op := &h.Txns[t].Ops[i]
			if op.Kind != Read {
				break
			}
			if a, ok := number[op.Key]; ok && read[a] != t+1 {
				balances[a], read[a] = op.Value, t+1
				seen++
			}
		}
		if seen < len(b.Accounts) {
			continue
		}
		judged++
		if why := b.wrong(h, balances); why != "" {
			a := Anomaly{Name: WrongTotal, Steps: []Step{{Txn: t, Why: why}}}
			a.Text = c.draw(&a)
			found = append(found, a)
		}
	}
	return found, judged
}

// wrong says what is wrong with a snapshot, if anything.
func (b *Bank) wrong(h *History, balances []int) string {
	sum := 0
	for _, v := range balances {
		sum += v
	}
	if sum != b.Total {
		return fmt.Sprintf("the sum is %d, and should be %d: %+d", sum, b.Total, sum-b.Total)
	}
	if i := slices.IndexFunc(balances, func(v int) bool { return v < 0 }); i >= 0 && !b.Overdraft {
		return fmt.Sprintf("account %s has %d", h.keyName(b.Accounts[i]), balances[i])
	}
	return ""
}
