package versus

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"strings"
)

// A Machine says where results come from.
type Machine struct {
	CPU   string `json:"cpu"`   // the model's name
	Cores int    `json:"cores"` // that Go uses
	OS    string `json:"os"`
	Arch  string `json:"arch"`
	Go    string `json:"go"`
}

func thisMachine() Machine {
	cpu := cpuModel()
	if cpu == "" {
		cpu = "unknown CPU"
	}
	return Machine{CPU: cpu, Cores: runtime.GOMAXPROCS(0), OS: runtime.GOOS, Arch: runtime.GOARCH, Go: runtime.Version()}
}

func (m Machine) String() string {
	cores := "cores"
	if m.Cores == 1 {
		cores = "core"
	}
	return fmt.Sprintf("%s, %d %s, %s/%s, %s", m.CPU, m.Cores, cores, m.OS, m.Arch, m.Go)
}

// versionOf finds out which version of a contender was linked in.
func versionOf(c Contender) string {
	if info, ok := debug.ReadBuildInfo(); ok && c.Version == "" && c.Module != "" {
		return versionIn(info, c.Module)
	}
	return c.Version
}

func versionIn(info *debug.BuildInfo, module string) string {
	if info.Main.Path == module {
		return mainVersion(info)
	}
	for _, d := range info.Deps {
		if d.Path != module {
			continue
		}
		if d.Replace == nil {
			return d.Version
		}
		if d.Replace.Version == "" {
			return "(local copy)"
		}
		return d.Replace.Version
	}
	return ""
}

func mainVersion(info *debug.BuildInfo) string {
	for _, s := range info.Settings {
		if s.Key == "vcs.revision" && len(s.Value) >= 12 {
			return s.Value[:12]
		}
	}
	return info.Main.Version
}

// thisCommand is the command line as one would type it.
func thisCommand() string {
	args := []string{filepath.Base(os.Args[0])}
	for _, a := range os.Args[1:] {
		if a == "" || strings.ContainsAny(a, " \t\"'$*|&;<>()`\\") {
			a = "'" + strings.ReplaceAll(a, "'", `'\''`) + "'"
		}
		args = append(args, a)
	}
	return strings.Join(args, " ")
}
