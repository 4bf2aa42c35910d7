package filters

// A Reporter is a filter that has something to show on the admin page and in metrics:
// how a breaker stands, what a limit let through, how a split shares out. Report is
// called from any goroutine, a few times a minute.
type Reporter interface {
	Report() Report
}

// A Report is plain data about one filter. What does not apply is left empty.
type Report struct {
	Kind  string `json:"kind"`            // "breaker", "limit", "retry", "split", "tee", ...
	Name  string `json:"name,omitempty"`  // if there are several of a kind in a route
	State string `json:"state,omitempty"` // of a breaker: "closed", "half-open", "open"
	// Counts since the filter was made. A breaker's are "requests" (all that asked), "rejected",
	// "success" and "failure"; a limit's "allowed" and "rejected"; a retry's "retries" and "exhausted".
	Counts []Count `json:"counts,omitempty"`
	// Shares of a split, as they are now.
	Shares []Share `json:"shares,omitempty"`
}

// A Count is how often something happened.
type Count struct {
	Name string `json:"name"`
	N    uint64 `json:"n"`
}

// A Share is one way of a split: the part of users it is meant to get at this moment, between 0 and 1, and how
// many requests have taken it.
type Share struct {
	Target string  `json:"target"`
	Share  float64 `json:"share"`
	N      uint64  `json:"n"`
}
