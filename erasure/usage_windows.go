package erasure

import "golang.org/x/sys/windows"

func diskUsage(path string) (Usage, error) {
	name, err := windows.UTF16PtrFromString(path)
	if err != nil {
		return Usage{}, err
	}
	var free, total, all uint64
	if err := windows.GetDiskFreeSpaceEx(name, &free, &total, &all); err != nil {
		return Usage{}, err
	}
	return Usage{Total: int64(total), Free: int64(free)}, nil
}
