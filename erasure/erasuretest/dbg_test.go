package erasuretest
import ("testing";"os";"fmt")
func TestDbg(t *testing.T) {
	text, _ := os.ReadFile("/tmp/h/ecsim.story")
	steps, _ := ParseSteps(string(text))
	p, _ := newPlayer(&[]Implementation{referenceImpl("")}[0], geometry{1,1})
	for _, s := range steps {
		doing[s.What](p, s)
		fmt.Println(s, p.dark(), p.l.off, p.l.fresh)
		if p.dark() { p.powerBack(s.N) }
		s := p.r.store.(*reference)
		for i, x := range s.sites { fmt.Println(i, x.drive, x.rebuilding) }
		fmt.Println(p.r.disk.Dump())
	}
}
