package erasuretest
import ("testing";"github.com/flagship-go/flagship/erasure")
type noUp struct { ObjectStore; Lister; Copier }
func noUploads() Implementation {
	impl := Erasure()
	open := impl.Open
	impl.Open = func(d []erasure.Drive, o *erasure.Options) (ObjectStore, error) {
		s, err := open(d, o)
		if err != nil { return nil, err }
		return noUp{s, s.(Lister), s.(Copier)}, nil
	}
	return impl
}
func TestNoUpSim(t *testing.T) { simulateSeeds(t, noUploads()) }
func TestNoUpKit(t *testing.T) { Store(t, noUploads()) }
