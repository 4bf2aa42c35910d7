package filters

// Filters that only say something to people who read routes.

func remarks() []Spec {
	return []Spec{
		NewSpec("comment", "text", func(a *Args) Filter {
			a.Text("text")
			return Nothing{}
		}),
		NewSpec("annotate", "key, value", func(a *Args) Filter {
			key, value := "annotate."+a.NonEmpty("key"), a.Text("value")
			return OnRequest(func(c FilterContext) { c.StateBag()[key] = value })
		}),
	}
}
