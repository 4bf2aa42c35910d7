package main

import (
	"strings"
	"testing"
)

func TestHealSaysHowItEnded(t *testing.T) {
	const half = `{"Objects":1,"Versions":2,"Bytes":3145728,"Healed":4,"Corrupt":1,"Absent":3,"Name":"pets/tom"}` + "\n"
	for _, x := range []struct{ answer, shown, err string }{
		{half + `{"Objects":2,"Done":true}`, "1 objects, 2 versions, 3 MiB: 4 shards healed (1 corrupt, 3 absent), 0 purged, 0 unreadable; at pets/tom\n" +
			"2 objects, 0 versions, 0 MiB: 0 shards healed (0 corrupt, 0 absent), 0 purged, 0 unreadable; done\n", ""},
		{half, "1 objects", "the server ended before the heal was done"},
		{half + `{"Error":"too few drives"}`, "1 objects", "too few drives"},
		{"hello", "", "an answer that is none"},
	} {
		var out strings.Builder
		err := showHeal(strings.NewReader(x.answer), &out)
		rule(t, "F7", strings.HasPrefix(out.String(), x.shown), "%s is shown as %s", x.answer, &out)
		rule(t, "F7", (err == nil) == (x.err == "") && (err == nil || strings.Contains(err.Error(), x.err)), "%s: %v", x.answer, err)
	}
}
