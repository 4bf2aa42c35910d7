package predicates

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/flagship-go/flagship/gateway/route"
)

// Each expression is asked for each day of 2028 (a leap year that begins on a Saturday) at one time, and for each minute of one day.
func TestCron(t *testing.T) {
	for _, c := range []struct {
		expr          string
		in, out       string // a minute that it has, and one that it has not
		days, minutes int    // how many days it has at the time of in, and how many minutes on that day
	}{
		{"* * * * *", "2028-02-29T12:34", "", 366, 1440},
		{"0 0 * * *", "2028-02-29T00:00", "2028-02-29T00:01", 366, 1},
		{"* 5-7, * * *", "2028-01-01T07:59", "2028-01-01T08:00", 366, 180},
		{"* 5-7,8,12-15 * * *", "2028-01-01T08:00", "2028-01-01T09:00", 366, 480},
		{"* * * * 1-5", "2028-01-03T00:00", "2028-01-02T23:59", 260, 1440},
		{"* * * * MON-FRI", "2028-01-07T00:00", "2028-01-08T00:00", 260, 1440},
		{"* * * * 0", "2028-01-02T00:00", "2028-01-03T00:00", 53, 1440},
		{"* * * * 7", "2028-01-02T00:00", "2028-01-01T00:00", 53, 1440},
		{"* * * * 6-7", "2028-01-02T00:00", "2028-01-03T00:00", 106, 1440},
		{"* * * feb *", "2028-02-29T00:00", "2028-03-01T00:00", 29, 1440},
		{"* * 31 * *", "2028-12-31T00:00", "2028-12-30T00:00", 7, 1440},
		{"* * * JAN-MAR,12 *", "2028-12-01T00:00", "2028-04-01T00:00", 122, 1440},
		{"*/10 * * * *", "2028-01-01T00:50", "2028-01-01T00:55", 366, 144},
		{"5/10 * * * *", "2028-01-01T00:55", "2028-01-01T00:50", 366, 144},
		{"0 9-17/4 * * *", "2028-01-01T17:00", "2028-01-01T16:00", 366, 3},
		{"0 0 13 * FRI", "2028-10-13T00:00", "2028-10-20T00:00", 1, 1}, // both days: the only Friday the 13th
	} {
		p := mustCreate(t, `Cron("`+c.expr+`")`).(route.LookupPredicate)
		in := at(c.in + ":59Z")
		if !p.MatchLookup(nil, in) {
			t.Errorf("RULE M8: %s does not have %s", c.expr, c.in)
		}
		if c.out != "" && p.MatchLookup(nil, at(c.out+":00Z")) {
			t.Errorf("RULE M8: %s has %s", c.expr, c.out)
		}
		days, minutes := 0, 0
		day := in.Now.Truncate(24 * time.Hour)
		for i := range 366 {
			now := time.Date(2028, 1, 1+i, in.Now.Hour(), in.Now.Minute(), 0, 0, time.UTC)
			if p.MatchLookup(nil, &route.Lookup{Now: now}) {
				days++
			}
		}
		for i := range 1440 {
			if p.MatchLookup(nil, &route.Lookup{Now: day.Add(time.Duration(i) * time.Minute)}) {
				minutes++
			}
		}
		if days != c.days || minutes != c.minutes {
			t.Errorf("RULE M8: %s has %d days, %d minutes a day; want %d, %d", c.expr, days, minutes, c.days, c.minutes)
		}
	}
}

func TestCronIsTheGatewaysTimeOrThatOfAPlace(t *testing.T) {
	here := mustCreate(t, `Cron("* 7 * * *")`)
	berlin := mustCreate(t, `Cron("* 7 * * *", "Europe/Berlin")`)
	for _, c := range []struct {
		now          string
		here, berlin bool
	}{
		{"2030-07-01T07:00:00Z", true, false},
		{"2030-07-01T05:00:00Z", false, true},
		{"2030-01-01T06:00:00Z", false, true},
		{"2030-01-01T07:00:00+09:00", true, false},
	} {
		if ask(here, nil, at(c.now)) != c.here || ask(berlin, nil, at(c.now)) != c.berlin {
			t.Errorf("RULE M8: %s: want %v here, %v in Berlin", c.now, c.here, c.berlin)
		}
	}
	require.False(t, ask(here, nil, &route.Lookup{}), "the zero time is never")
	_, err := create(`Cron("* * * * *", "Mars")`)
	require.ErrorContains(t, err, `argument 2 is "Mars", expected is a place`)
}
