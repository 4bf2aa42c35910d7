package predicates

import "github.com/flagship-go/flagship/gateway/route"

// All are the specs of all predicates of this package, new ones each time. The one that needs something from
// the gateway is [Shutdown].
func All() []route.PredicateSpec {
	all := []route.PredicateSpec{
		weighted{spec{"TrafficSegment", `TrafficSegment(0, 0.5) or TrafficSegment(0, 0.5, "cookie:uid", "checkout")`, newTrafficSegment}, segmentWeight},
		&Shutdown{},
	}
	for _, s := range []spec{
		{"Host", `Host("^www[.]example[.]org$")`, newHost},
		{"HostAny", `HostAny("www.example.org", "localhost:9090")`, newHostAny},
		{"ForwardedHost", `ForwardedHost("^www[.]example[.]org$")`, newForwardedHost},
		{"ForwardedProtocol", `ForwardedProtocol("https")`, newForwardedProtocol},
		{"Method", `Method("GET")`, newMethod},
		{"Methods", `Methods("GET", "HEAD")`, newMethods},
		{"Header", `Header("Accept", "application/json")`, newHeader},
		{"HeaderRegexp", `HeaderRegexp("Accept", "application/(json|xml)")`, newHeaderRegexp},
		{"HeaderSHA256", `HeaderSHA256("X-Secret", "2bb80d537b1da3e38bd30361aa855686bde0eacd7162fef6a25fe97bf527a25b")`, newHeaderSHA256},
		{"Cookie", `Cookie("group", "^test$")`, newCookie},
		{"QueryParam", `QueryParam("q") or QueryParam("q", "^x")`, newQueryParam},
		{"ContentLengthBetween", `ContentLengthBetween(0, 1000)`, newContentLength},
		{"Source", `Source("10.0.0.0/8", "::1")`, newSource},
		{"SourceFromLast", `SourceFromLast("10.0.0.0/8", "::1")`, newSource},
		{"ClientIP", `ClientIP("10.0.0.0/8", "::1")`, newClientIP},
		{"Between", `Between("2030-01-01T00:00:00Z", "2030-02-01T00:00:00Z")`, newBetween},
		{"Before", `Before("2030-01-01T00:00:00Z")`, newBefore},
		{"After", `After("2030-01-01T00:00:00Z")`, newAfter},
		{"Cron", `Cron("* 7-18 * * MON-FRI")`, newCron},
		{"Traffic", `Traffic(0.1) or Traffic(0.1, "group", "b")`, newTraffic},
		{"JWTPayloadAllKV", `JWTPayloadAllKV("iss", "https://accounts.example")`, newJWTPayload(true, false)},
		{"JWTPayloadAnyKV", `JWTPayloadAnyKV("iss", "https://accounts.example")`, newJWTPayload(false, false)},
		{"JWTPayloadAllKVRegexp", `JWTPayloadAllKVRegexp("iss", "^https://")`, newJWTPayload(true, true)},
		{"JWTPayloadAnyKVRegexp", `JWTPayloadAnyKVRegexp("iss", "^https://")`, newJWTPayload(false, true)},
		{"True", `True()`, newConstant(true)},
		{"False", `False()`, newConstant(false)},
	} {
		all = append(all, s)
	}
	return all
}
