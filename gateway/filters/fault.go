package filters

import "time"

// Faults on purpose, to see what they do.

func faults(env Env) []Spec {
	return []Spec{
		// As in Skipper, latency is on the way back, and backendLatency on the way there.
		NewSpec("latency", "delay", func(a *Args) Filter {
			d := a.Duration("delay", 0)
			return OnResponse(func(c FilterContext) { delay(env, c, d) })
		}),
		NewSpec("backendLatency", "delay", func(a *Args) Filter {
			d := a.Duration("delay", 0)
			return OnRequest(func(c FilterContext) { delay(env, c, d) })
		}),
		NewSpec("abort", "status, share?", func(a *Args) Filter {
			status, share := a.Int("status", 400, 599), 1.0
			if a.More() {
				share = a.Number("share", 0, 1)
			}
			return OnRequest(func(c FilterContext) {
				if env.Rand() < share {
					c.Event("abort", "injected")
					reject(c, status, nil)
				}
			})
		}),
	}
}

// delay ends early if the client goes away; then there is nobody to tell.
func delay(env Env, c FilterContext, d time.Duration) {
	_ = env.Sleep(c.OriginalRequest(), d)
}
