package s3api

import (
	"math"
	"strconv"
	"strings"
)

// parseRange reads a Range header for an object of size bytes:
//
//	bytes=2-5     bytes 2 to 5, both included
//	bytes=2-      all from byte 2 on
//	bytes=-5      the last 5
//
// What reaches beyond the end is clipped; a range of which no byte is there is
// InvalidRange. Anything else, several ranges too, is passed over, and partial
// is false: S3 sends the whole object.
func parseRange(header string, size int64) (off, n int64, partial bool, err error) {
	spec, ok := strings.CutPrefix(header, "bytes=")
	first, last, dash := strings.Cut(spec, "-")
	first, last = strings.TrimSpace(first), strings.TrimSpace(last)
	if !ok || !dash || !digits(first+last) {
		return 0, size, false, nil
	}
	if first == "" { // the last bytes
		n = min(number(last), size)
		if n == 0 {
			return 0, 0, false, InvalidRange
		}
		return size - n, n, true, nil
	}
	from, to := number(first), int64(math.MaxInt64)
	if last != "" {
		to = number(last)
	}
	switch {
	case from > to:
		return 0, size, false, nil
	case from >= size:
		return 0, 0, false, InvalidRange
	}
	return from, min(to, size-1) - from + 1, true, nil
}

// digits says whether there are some and nothing else.
func digits(s string) bool { return s != "" && strings.Trim(s, "0123456789") == "" }

// number is a number of digits; one too large for 63 bits is the largest.
func number(s string) int64 {
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil {
		return math.MaxInt64
	}
	return n
}

// contentRange is the header of a partial answer.
func contentRange(off, n, size int64) string {
	return "bytes " + strconv.FormatInt(off, 10) + "-" + strconv.FormatInt(off+n-1, 10) + "/" + strconv.FormatInt(size, 10)
}
