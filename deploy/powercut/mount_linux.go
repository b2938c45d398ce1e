package powercut

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"syscall"
	"time"

	"github.com/hanwen/go-fuse/v2/fs"
	"github.com/hanwen/go-fuse/v2/fuse"
)

// capacity is how large the disk says that it is, in bytes.
const capacity = 64 << 30

// ErrNoFUSE says that this machine lets us mount nothing.
var ErrNoFUSE = errors.New("FUSE cannot be used here")

// Mount shows the disk at a folder. The error is [ErrNoFUSE] where that is not possible;
// it needs root and /dev/fuse. unmount waits until nobody has a file open, and returns
// once what the kernel still had in memory has been written.
func (d *Disk) Mount(at string) (unmount func() error, err error) {
	if f, err := os.OpenFile("/dev/fuse", os.O_RDWR, 0); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrNoFUSE, err)
	} else if err := f.Close(); err != nil {
		return nil, err
	}
	long := time.Hour // nobody else changes it
	server, err := fs.Mount(at, &node{d: d, n: d.root}, &fs.Options{
		EntryTimeout: &long, AttrTimeout: &long, NullPermissions: true,
		MountOptions: fuse.MountOptions{DirectMountStrict: true, FsName: "powercut", Name: "powercut", MaxWrite: 1 << 20, DisableXAttrs: true},
	})
	if err != nil {
		return nil, fmt.Errorf("%w: mount at %s: %w", ErrNoFUSE, at, err)
	}
	return func() error {
		for deadline := d.now().Add(time.Minute); ; {
			if err = server.Unmount(); err == nil || d.now().After(deadline) {
				break
			}
			time.Sleep(20 * time.Millisecond)
		}
		if err != nil {
			return fmt.Errorf("unmount the disk: %w", err)
		}
		server.Wait()
		return nil
	}, nil
}

// node is an inode as go-fuse knows it.
type node struct {
	fs.Inode
	d *Disk
	n *inode
}

var (
	_ = fs.NodeLookuper((*node)(nil))
	_ = fs.NodeReaddirer((*node)(nil))
	_ = fs.NodeGetattrer((*node)(nil))
	_ = fs.NodeSetattrer((*node)(nil))
	_ = fs.NodeCreater((*node)(nil))
	_ = fs.NodeMkdirer((*node)(nil))
	_ = fs.NodeUnlinker((*node)(nil))
	_ = fs.NodeRmdirer((*node)(nil))
	_ = fs.NodeRenamer((*node)(nil))
	_ = fs.NodeLinker((*node)(nil))
	_ = fs.NodeSymlinker((*node)(nil))
	_ = fs.NodeReadlinker((*node)(nil))
	_ = fs.NodeOpener((*node)(nil))
	_ = fs.NodeFsyncer((*node)(nil))
	_ = fs.NodeReader((*node)(nil))
	_ = fs.NodeWriter((*node)(nil))
	_ = fs.NodeAllocater((*node)(nil))
	_ = fs.NodeStatfser((*node)(nil))
)

// handle is an open file; synced says that each write is durable (O_SYNC, O_DSYNC).
type handle struct{ synced bool }

func (x *node) child(ctx context.Context, n *inode, out *fuse.EntryOut) *fs.Inode {
	n.attr(&out.Attr)
	return x.NewInode(ctx, &node{d: x.d, n: n}, fs.StableAttr{Mode: n.mode & typeMask, Ino: n.ino})
}

func (n *inode) attr(a *fuse.Attr) {
	a.Ino, a.Mode, a.Size, a.Nlink = n.ino, n.mode, uint64(n.size), n.links
	a.Blocks, a.Blksize = uint64(len(n.pages)*pageSize/512), pageSize
	a.SetTimes(&n.mtime, &n.mtime, &n.mtime)
}

// Lookup implements [fs.NodeLookuper].
func (x *node) Lookup(ctx context.Context, name string, out *fuse.EntryOut) (*fs.Inode, syscall.Errno) {
	x.d.mu.Lock()
	defer x.d.mu.Unlock()
	n := x.n.entries[name]
	if n == nil {
		return nil, syscall.ENOENT
	}
	return x.child(ctx, n, out), 0
}

// Readdir implements [fs.NodeReaddirer].
func (x *node) Readdir(context.Context) (fs.DirStream, syscall.Errno) {
	x.d.mu.Lock()
	defer x.d.mu.Unlock()
	var all []fuse.DirEntry
	for name, n := range x.n.entries {
		all = append(all, fuse.DirEntry{Name: name, Mode: n.mode, Ino: n.ino})
	}
	slices.SortFunc(all, func(a, b fuse.DirEntry) int { return int(int64(a.Ino) - int64(b.Ino)) })
	return fs.NewListDirStream(all), 0
}

// Getattr implements [fs.NodeGetattrer].
func (x *node) Getattr(_ context.Context, _ fs.FileHandle, out *fuse.AttrOut) syscall.Errno {
	x.d.mu.Lock()
	defer x.d.mu.Unlock()
	x.n.attr(&out.Attr)
	return 0
}

// Setattr implements [fs.NodeSetattrer].
func (x *node) Setattr(_ context.Context, _ fs.FileHandle, in *fuse.SetAttrIn, out *fuse.AttrOut) syscall.Errno {
	x.d.mu.Lock()
	defer x.d.mu.Unlock()
	if mode, ok := in.GetMode(); ok {
		x.n.mode = x.n.mode&typeMask | mode&^typeMask
	}
	if size, ok := in.GetSize(); ok {
		x.n.truncate(int64(size), x.d.now())
	}
	if t, ok := in.GetMTime(); ok {
		x.n.mtime = t
	}
	x.n.attr(&out.Attr)
	return 0
}

// make makes something in a folder.
func (x *node) make(name string, n *inode) {
	n.called = name
	x.d.note(&change{kind: added, dir: x.n, name: name, node: n})
}

// Create implements [fs.NodeCreater].
func (x *node) Create(ctx context.Context, name string, flags, mode uint32, out *fuse.EntryOut) (*fs.Inode, fs.FileHandle, uint32, syscall.Errno) {
	x.d.mu.Lock()
	defer x.d.mu.Unlock()
	n := x.n.entries[name]
	switch {
	case n == nil:
		n = x.d.inode(syscall.S_IFREG | mode&0o7777)
		x.make(name, n)
	case flags&syscall.O_EXCL != 0:
		return nil, nil, 0, syscall.EEXIST
	}
	return x.child(ctx, n, out), opened(flags), 0, 0
}

func opened(flags uint32) *handle {
	return &handle{synced: flags&(syscall.O_SYNC|syscall.O_DSYNC) != 0}
}

// Mkdir implements [fs.NodeMkdirer].
func (x *node) Mkdir(ctx context.Context, name string, mode uint32, out *fuse.EntryOut) (*fs.Inode, syscall.Errno) {
	x.d.mu.Lock()
	defer x.d.mu.Unlock()
	if x.n.entries[name] != nil {
		return nil, syscall.EEXIST
	}
	n := x.d.inode(syscall.S_IFDIR | mode&0o7777)
	x.make(name, n)
	return x.child(ctx, n, out), 0
}

// Symlink implements [fs.NodeSymlinker].
func (x *node) Symlink(ctx context.Context, target, name string, out *fuse.EntryOut) (*fs.Inode, syscall.Errno) {
	x.d.mu.Lock()
	defer x.d.mu.Unlock()
	if x.n.entries[name] != nil {
		return nil, syscall.EEXIST
	}
	n := x.d.inode(syscall.S_IFLNK | 0o777)
	n.target = target
	x.make(name, n)
	return x.child(ctx, n, out), 0
}

// Readlink implements [fs.NodeReadlinker].
func (x *node) Readlink(context.Context) ([]byte, syscall.Errno) { return []byte(x.n.target), 0 }

// Link implements [fs.NodeLinker].
func (x *node) Link(ctx context.Context, target fs.InodeEmbedder, name string, out *fuse.EntryOut) (*fs.Inode, syscall.Errno) {
	x.d.mu.Lock()
	defer x.d.mu.Unlock()
	t, ok := target.(*node)
	if !ok {
		return nil, syscall.EXDEV
	}
	if x.n.entries[name] != nil {
		return nil, syscall.EEXIST
	}
	t.n.links++
	x.d.note(&change{kind: added, dir: x.n, name: name, node: t.n})
	return x.child(ctx, t.n, out), 0
}

// Unlink implements [fs.NodeUnlinker].
func (x *node) Unlink(_ context.Context, name string) syscall.Errno { return x.remove(name) }

// Rmdir implements [fs.NodeRmdirer].
func (x *node) Rmdir(_ context.Context, name string) syscall.Errno { return x.remove(name) }

func (x *node) remove(name string) syscall.Errno {
	x.d.mu.Lock()
	defer x.d.mu.Unlock()
	n := x.n.entries[name]
	switch {
	case n == nil:
		return syscall.ENOENT
	case len(n.entries) > 0:
		return syscall.ENOTEMPTY
	}
	n.links--
	x.d.note(&change{kind: removed, dir: x.n, name: name, node: n})
	return 0
}

const (
	renameNoReplace = 1
	renameExchange  = 2
)

// Rename implements [fs.NodeRenamer].
func (x *node) Rename(_ context.Context, name string, to fs.InodeEmbedder, as string, flags uint32) syscall.Errno {
	x.d.mu.Lock()
	defer x.d.mu.Unlock()
	t, ok := to.(*node)
	n := x.n.entries[name]
	if !ok || n == nil {
		return syscall.ENOENT
	}
	there := t.n.entries[as]
	switch {
	case flags&renameExchange != 0 && there == nil:
		return syscall.ENOENT
	case flags&renameExchange != 0:
		x.d.note(&change{kind: exchanged, dir: x.n, to: t.n, name: name, as: as, node: n})
		return 0
	case there != nil && flags&renameNoReplace != 0:
		return syscall.EEXIST
	case there == n:
		return 0
	case there != nil && len(there.entries) > 0:
		return syscall.ENOTEMPTY
	case there != nil:
		there.links--
	}
	n.called = as
	x.d.note(&change{kind: renamed, dir: x.n, to: t.n, name: name, as: as, node: n})
	return 0
}

// Open implements [fs.NodeOpener]. The kernel keeps what it has read: nobody else writes.
func (x *node) Open(_ context.Context, flags uint32) (fs.FileHandle, uint32, syscall.Errno) {
	if flags&syscall.O_TRUNC != 0 {
		x.d.mu.Lock()
		defer x.d.mu.Unlock()
		x.n.truncate(0, x.d.now())
	}
	return opened(flags), fuse.FOPEN_KEEP_CACHE, 0
}

// Read implements [fs.NodeReader].
func (x *node) Read(_ context.Context, _ fs.FileHandle, data []byte, at int64) (fuse.ReadResult, syscall.Errno) {
	x.d.mu.Lock()
	defer x.d.mu.Unlock()
	return fuse.ReadResultData(data[:x.n.read(data, at)]), 0
}

// Write implements [fs.NodeWriter].
func (x *node) Write(_ context.Context, f fs.FileHandle, data []byte, at int64) (uint32, syscall.Errno) {
	x.d.mu.Lock()
	defer x.d.mu.Unlock()
	x.n.write(data, at, x.d.now())
	if h, ok := f.(*handle); ok && h.synced {
		x.d.syncFile(x.n)
	}
	return uint32(len(data)), 0
}

// Allocate implements [fs.NodeAllocater].
func (x *node) Allocate(_ context.Context, _ fs.FileHandle, at, size uint64, mode uint32) syscall.Errno {
	const keepSize = 1
	if mode&^keepSize != 0 {
		return syscall.EOPNOTSUPP
	}
	x.d.mu.Lock()
	defer x.d.mu.Unlock()
	if mode&keepSize == 0 {
		x.n.grow(int64(at + size))
	}
	return 0
}

// Fsync implements [fs.NodeFsyncer], of files and folders.
func (x *node) Fsync(context.Context, fs.FileHandle, uint32) syscall.Errno {
	x.d.mu.Lock()
	defer x.d.mu.Unlock()
	if x.n.entries != nil {
		x.d.syncDir(x.n)
	} else {
		x.d.syncFile(x.n)
	}
	return 0
}

// Statfs implements [fs.NodeStatfser].
func (x *node) Statfs(_ context.Context, out *fuse.StatfsOut) syscall.Errno {
	out.Bsize, out.Frsize, out.NameLen = pageSize, pageSize, 255
	out.Blocks, out.Bfree, out.Bavail = capacity/pageSize, capacity/pageSize, capacity/pageSize
	out.Files, out.Ffree = 1<<20, 1<<20
	return 0
}
