package config

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

// Lock makes the data folder and keeps other processes out of it.
func Lock(dir string) (unlock func() error, err error) {
	if err := os.MkdirAll(dir, 0o750); err != nil {
		return nil, fmt.Errorf("make the folder --data %s: %w: give the path of a folder this user may write to", dir, err)
	}
	f, err := os.OpenFile(filepath.Join(dir, "lock"), os.O_RDWR|os.O_CREATE, 0o640)
	if err != nil {
		return nil, fmt.Errorf("write to the folder --data %s: %w: give the path of a folder this user may write to", dir, err)
	}
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		pid := make([]byte, 20)
		n, _ := f.Read(pid) // for the message only
		f.Close()
		return nil, fmt.Errorf("--data %s is in use by process %s: stop it, or choose another folder with --data", dir, strings.TrimSpace(string(pid[:n])))
	}
	if err := errors.Join(f.Truncate(0), writeAt0(f, fmt.Sprintln(os.Getpid()))); err != nil {
		return nil, fmt.Errorf("write to --data %s: %w", dir, errors.Join(err, f.Close()))
	}
	return f.Close, nil
}

func writeAt0(f *os.File, text string) error {
	_, err := f.WriteAt([]byte(text), 0)
	return err
}
