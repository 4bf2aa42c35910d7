package mvcctest
import ("testing";"os";"strconv")
func TestZZ(t *testing.T){ if os.Getenv("ZZ")=="" {t.Skip()}; n,_:=strconv.Atoi(os.Getenv("ZZ")); o:=simulationOf(uint64(n)); o.Story=os.Stdout; _,err:=Simulate(o); t.Log(err)}
