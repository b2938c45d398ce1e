// Package powercut is a disk whose power can be cut: a file system in memory that keeps
// what was written apart from what was made durable, for tests of what a program has
// promised to survive.
//
//	program ──write──► page, entry (since the last fsync: any of its versions) ──Cut──► what may be left
//	        ──fsync──► durable
//
// # What a cut leaves
//
// What POSIX lets a disk leave, and file systems do: of each page of 4 KiB the version of
// the last fsync or one of those written since; of a file's length likewise; of the names
// in a folder those of its last fsync, and of the changes since then any. A rename is
// there or not, never half. A file whose name is durable and whose content is not may be
// empty, or have holes.
//
// With [Disk.Ordered], names are as durable as journalling file systems make them: fsync of
// a file keeps all changes of names before it, too, as ext4, XFS and Btrfs do for a new
// file. Without, only fsync of the folder does.
//
// [Disk.Mount] shows it as a file system by FUSE, on Linux and for root.
package powercut

import (
	"math/rand/v2"
	"slices"
	"sync"
	"time"
)

const (
	pageSize = 4096
	// typeMask and dirMode are of Unix: S_IFMT, and S_IFDIR with rwxr-xr-x.
	typeMask = 0o170000
	dirMode  = 0o040755
)

// mostVersions is how many versions of a page are remembered between two fsyncs.
const mostVersions = 8

// Disk is what is in memory. Its methods may be called concurrently.
type Disk struct {
	// Ordered has fsync of a file keep the names as well.
	Ordered bool

	mu      sync.Mutex
	root    *inode
	next    uint64
	changes []*change
	// Lost counts what the cuts so far have dropped.
	lost Lost
	now  func() time.Time
	// ignore says which files' fsync is to be ignored; nil is none.
	ignore func(name string) bool
}

// Lost is how much was dropped by cuts: pages that had been written, and changes of names.
type Lost struct{ Pages, Names int }

// New makes an empty disk.
func New() *Disk {
	d := &Disk{now: time.Now}
	d.root = d.inode(dirMode)
	return d
}

// IgnoreSync has fsync of files do nothing where the function says so: a program whose
// proof still passes was not proven. A file's name is the one that it got last.
func (d *Disk) IgnoreSync(f func(name string) bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.ignore = f
}

// inode is a file, a folder or a symbolic link.
type inode struct {
	ino   uint64
	mode  uint32
	mtime time.Time
	links uint32
	// called is the name that it got last.
	called string

	target  string            // of a link
	entries map[string]*inode // of a folder
	saved   map[string]*inode // as of its last fsync

	size  int64
	pages map[int64]*page
	dirty map[int64]*page // those that have been written since the last fsync
	// sizes are those since the last fsync, the durable one first. Each has the number
	// of cuts of the length before it: what was in a file that was cut to nothing and
	// written anew is not mixed with what is in it now.
	sizes []sized
	cuts  int
}

type sized struct {
	size int64
	cuts int
}

// page has its versions since the last fsync, the durable one first; nil is zeros.
type page struct {
	versions []version
	seen     int
}

type version struct {
	data []byte
	cuts int
}

// change is a change of names: in one folder, or in two for a rename between them.
type change struct {
	kind    changeKind
	durable bool
	dir, to *inode
	name    string
	as      string // the new name of a rename
	node    *inode
}

type changeKind byte

const (
	added changeKind = iota
	removed
	renamed
	exchanged
)

func (d *Disk) inode(mode uint32) *inode {
	d.next++
	n := &inode{ino: d.next + 1, mode: mode, mtime: d.now(), links: 1, sizes: []sized{{}}}
	if mode&typeMask == dirMode&typeMask {
		n.entries, n.saved = map[string]*inode{}, map[string]*inode{}
	} else {
		n.pages, n.dirty = map[int64]*page{}, map[int64]*page{}
	}
	return n
}

// note makes a change of names and remembers it.
func (d *Disk) note(c *change) {
	d.changes = append(d.changes, c)
	c.apply(func(n *inode) map[string]*inode { return n.entries })
}

// apply makes a change in the folders' maps that of gives.
func (c *change) apply(of func(*inode) map[string]*inode) {
	from := of(c.dir)
	switch c.kind {
	case added:
		from[c.name] = c.node
	case removed:
		if from[c.name] == c.node {
			delete(from, c.name)
		}
	case renamed:
		if from[c.name] == c.node {
			delete(from, c.name)
		}
		of(c.to)[c.as] = c.node
	case exchanged:
		to := of(c.to)
		if from[c.name] != nil && to[c.as] != nil {
			from[c.name], to[c.as] = to[c.as], from[c.name]
		}
	}
}

// touches says that the change is one of the folder's.
func (c *change) touches(dir *inode) bool { return c.dir == dir || c.to == dir }

// syncDir makes the names in a folder durable.
func (d *Disk) syncDir(dir *inode) {
	if d.Ordered {
		d.keepNames(len(d.changes))
		return
	}
	for _, c := range d.changes {
		c.durable = c.durable || c.touches(dir)
	}
}

// syncFile makes a file's content durable.
func (d *Disk) syncFile(n *inode) {
	if d.ignore != nil && d.ignore(n.called) {
		return
	}
	for number, p := range n.dirty {
		last := p.versions[len(p.versions)-1]
		if last.data == nil {
			delete(n.pages, number)
			continue
		}
		p.versions, p.seen = append(p.versions[:0], version{data: last.data}), 0
	}
	clear(n.dirty)
	n.cuts = 0
	n.sizes = append(n.sizes[:0], sized{size: n.size})
	if d.Ordered {
		d.keepNames(len(d.changes))
	}
}

// keepNames makes the first changes of names durable.
func (d *Disk) keepNames(n int) {
	for _, c := range d.changes[:n] {
		c.apply(func(n *inode) map[string]*inode { return n.saved })
	}
	d.changes = slices.Delete(d.changes, 0, n)
}

// write writes into a file's pages.
func (n *inode) write(data []byte, at int64, now time.Time) {
	n.mtime = now
	for len(data) > 0 {
		number, from := at/pageSize, int(at%pageSize)
		size := min(len(data), pageSize-from)
		p := n.pages[number]
		if p == nil {
			p = &page{versions: []version{{}}}
			n.pages[number] = p
		}
		next := make([]byte, pageSize)
		copy(next, p.versions[len(p.versions)-1].data)
		copy(next[from:], data[:size])
		p.add(version{next, n.cuts})
		n.dirty[number] = p
		data, at = data[size:], at+int64(size)
	}
	n.grow(at)
}

func (n *inode) grow(to int64) {
	if to > n.size {
		n.size = to
		n.sizes = append(n.sizes, sized{to, n.cuts})
		if len(n.sizes) > mostVersions { // the durable one, and some of the newest
			n.sizes = slices.Delete(n.sizes, 1, 2)
		}
	}
}

// add adds a version; of too many a random one in the middle leaves.
func (p *page) add(v version) {
	p.versions = append(p.versions, v)
	if p.seen++; len(p.versions) > mostVersions {
		i := 1 + p.seen%(mostVersions-2)
		p.versions = slices.Delete(p.versions, i, i+1)
	}
}

// truncate sets a file's length.
func (n *inode) truncate(size int64, now time.Time) {
	n.mtime = now
	if size >= n.size {
		n.grow(size)
		return
	}
	n.cuts++
	n.size = size
	n.sizes = append(n.sizes, sized{size, n.cuts})
	for number, p := range n.pages {
		switch from := number * pageSize; {
		case from >= size:
			p.add(version{nil, n.cuts})
			n.dirty[number] = p
		case from+pageSize > size:
			next := make([]byte, pageSize)
			last := p.versions[len(p.versions)-1].data
			copy(next, last[:min(len(last), int(size-from))])
			p.add(version{next, n.cuts})
			n.dirty[number] = p
		}
	}
}

// read reads from a file as it is for the living.
func (n *inode) read(data []byte, at int64) int {
	if at >= n.size {
		return 0
	}
	data = data[:min(int64(len(data)), n.size-at)]
	for done := 0; done < len(data); {
		number, from := (at+int64(done))/pageSize, int((at+int64(done))%pageSize)
		size := min(len(data)-done, pageSize-from)
		var has []byte
		if p := n.pages[number]; p != nil {
			has = p.versions[len(p.versions)-1].data
		}
		if has == nil {
			clear(data[done : done+size])
		} else {
			copy(data[done:done+size], has[from:])
		}
		done += size
	}
	return len(data)
}

// Cut cuts the power: what is on the disk afterwards is what was durable, and of the rest
// what chance lets through. keep is the share of it that has reached the disk: 0 is
// nothing of it, 1 is all, and anything between lets each page and each change of names
// have its own luck. The disk must not be mounted.
func (d *Disk) Cut(chance *rand.Rand, keep float64) Lost {
	d.mu.Lock()
	defer d.mu.Unlock()
	var lost Lost
	if d.Ordered { // they reach the disk in their order
		reached := 0
		switch {
		case keep >= 1:
			reached = len(d.changes)
		case keep > 0:
			reached = chance.IntN(len(d.changes) + 1)
		}
		lost.Names = len(d.changes) - reached
		d.keepNames(reached)
		d.changes = nil
	}
	for _, c := range d.changes {
		if !c.durable && chance.Float64() >= keep {
			lost.Names++
			continue
		}
		c.apply(func(n *inode) map[string]*inode { return n.saved })
	}
	d.changes = nil
	seen := map[*inode]bool{}
	d.root.settle(chance, keep, seen, &lost)
	d.lost.Pages, d.lost.Names = d.lost.Pages+lost.Pages, d.lost.Names+lost.Names
	return lost
}

// settle makes what is left what is there, from a folder on downwards.
func (n *inode) settle(chance *rand.Rand, keep float64, seen map[*inode]bool, lost *Lost) {
	if seen[n] {
		return
	}
	seen[n] = true
	n.links = 1
	if n.entries == nil {
		n.settleFile(chance, keep, lost)
		return
	}
	n.entries = map[string]*inode{}
	for name, child := range n.saved {
		n.entries[name] = child
		child.settle(chance, keep, seen, lost)
	}
}

func (n *inode) settleFile(chance *rand.Rand, keep float64, lost *Lost) {
	size := n.sizes[0]
	if left := len(n.sizes) - 1; left > 0 && chance.Float64() < keep {
		size = n.sizes[1+chance.IntN(left)]
		if keep >= 1 {
			size = n.sizes[left]
		}
	}
	for number, p := range n.pages {
		chosen := p.choose(size.cuts, chance, keep)
		if chosen != len(p.versions)-1 {
			lost.Pages++
		}
		if p.versions[chosen].data == nil || number*pageSize >= size.size {
			delete(n.pages, number)
			continue
		}
		p.versions, p.seen = []version{{data: p.versions[chosen].data}}, 0
	}
	clear(n.dirty)
	// Beyond its length a file has zeros.
	if p := n.pages[size.size/pageSize]; p != nil {
		next := make([]byte, pageSize)
		copy(next, p.versions[0].data[:size.size%pageSize])
		p.versions[0].data = next
	}
	n.size, n.cuts, n.sizes = size.size, 0, []sized{{size: size.size}}
}

// choose chooses a version of a page whose file was cut so many times: not one from before
// its being cut off, nor one from after a cut that has not happened.
func (p *page) choose(cuts int, chance *rand.Rand, keep float64) int {
	first, last := 0, 0
	for i, v := range p.versions {
		if i > 0 && v.cuts > cuts {
			break
		}
		if last = i; v.data == nil && i > 0 && v.cuts > 0 {
			first = i
		}
	}
	if keep >= 1 {
		return last
	}
	if first == last || chance.Float64() >= keep {
		return first
	}
	return first + 1 + chance.IntN(last-first)
}
