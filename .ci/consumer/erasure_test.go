package consumer

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"github.com/flagship-go/flagship/erasure"
)

func TestAStrangerStoresObjects(t *testing.T) {
	dir := t.TempDir()
	var drives []erasure.Drive
	for i := range 4 {
		d, err := erasure.OpenDir(filepath.Join(dir, fmt.Sprint(i)))
		if err != nil {
			t.Fatal(err)
		}
		drives = append(drives, d)
	}
	s, err := erasure.Open(drives, &erasure.Options{Codec: erasure.FromScratch})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	info, err := s.Put(t.Context(), "a/b", strings.NewReader("hello"), -1, nil)
	if err != nil || info.Size != 5 || info.Data != 2 {
		t.Fatal(info, err)
	}
}
