package broker

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/minio/highwayhash"
	"github.com/nats-io/nats-server/v2/server"
)

// StreamDamage is what is wrong with the files of a stream.
type StreamDamage struct {
	// Account and Stream name it.
	Account, Stream string
	// Lost is how many messages of the stream cannot be read and were not removed
	// before; Pieces are their bytes, each cut to 64 KiB, and Bytes how many they have.
	Lost   int
	Pieces [][]byte
	Bytes  int64
	// Description is a file that says how the stream or one of its consumers is set up,
	// where its checksum is not right; the server will not open what it describes.
	Description string
	// Aside is where the damaged file is kept, if it was mended.
	Aside string
}

// Inspection is what the files of a broker's folder hold.
type Inspection struct {
	Damage []StreamDamage
	// Last is the highest number that is in the files of a stream, by account and name.
	// It is the number of the stream's last message, or the end of a file is missing.
	Last map[string]uint64
}

const (
	mostPiece = 64 << 10
	blocksDir = "msgs"
	stateFile = "index.db"
)

// Inspect reads the files of all streams of a broker's folder and checks every record.
// With mend, and then no broker may be running there, damaged blocks are written anew
// without the damaged records, which else would cost all that came behind them; what is
// damaged is kept in the folder aside.
//
// What a running server is writing at the moment is passed over.
func Inspect(dir, aside string, mend bool) (found Inspection, err error) {
	streams, err := filepath.Glob(filepath.Join(dir, "jetstream", "*", "streams", "*"))
	if err != nil {
		return found, fmt.Errorf("list streams: %w", err)
	}
	found.Last = map[string]uint64{}
	for _, path := range streams {
		s := inspected{path: path, aside: aside, mend: mend}
		s.damage.Stream, s.damage.Account = filepath.Base(path), filepath.Base(filepath.Dir(filepath.Dir(path)))
		all, err := s.inspect()
		if err != nil {
			return found, fmt.Errorf("inspect stream %s: %w", s.damage.Stream, err)
		}
		found.Damage = append(found.Damage, all...)
		found.Last[s.damage.Account+"/"+s.damage.Stream] = s.last
	}
	return found, nil
}

// inspected is a stream that is being looked at.
type inspected struct {
	path, aside string
	mend        bool
	damage      StreamDamage // with its names only
	last        uint64
}

func (s *inspected) inspect() (found []StreamDamage, err error) {
	consumers, err := filepath.Glob(filepath.Join(s.path, "obs", "*"))
	if err != nil {
		return nil, err
	}
	for _, described := range append([]string{s.path}, consumers...) {
		name := s.damage.Stream
		if described != s.path {
			name += "/" + filepath.Base(described)
		}
		if ok, err := describedRight(described, name); err != nil {
			return nil, err
		} else if !ok {
			d := s.damage
			d.Description = filepath.Join(described, "meta.inf")
			found = append(found, d)
		}
	}
	blocks, err := filepath.Glob(filepath.Join(s.path, blocksDir, "*.blk"))
	if err != nil {
		return nil, err
	}
	read := map[string]*block{}
	removed := map[uint64]bool{}
	for _, path := range blocks {
		b, err := readBlock(s.damage.Stream, path)
		if errors.Is(err, fs.ErrNotExist) { // a running server has removed it
			continue
		}
		if err != nil {
			return nil, err
		}
		for _, n := range b.removed {
			removed[n] = true
		}
		s.last = max(s.last, b.top)
		b.pieces = slices.DeleteFunc(b.pieces, func(p piece) bool { return p.torn })
		if len(b.pieces) > 0 {
			read[path] = b
		}
	}
	for _, path := range blocks {
		if b := read[path]; b != nil {
			d, err := s.block(path, b, removed)
			if err != nil {
				return nil, err
			}
			found = append(found, d)
		}
	}
	return found, nil
}

// block tells of a damaged block, and mends it.
func (s *inspected) block(path string, b *block, removed map[uint64]bool) (StreamDamage, error) {
	d := s.damage
	for _, p := range b.pieces {
		lost := slices.DeleteFunc(b.lost(p), func(n uint64) bool { return removed[n] })
		d.Lost += len(lost)
		d.Bytes += int64(p.to - p.from)
		if len(lost) > 0 {
			d.Pieces = append(d.Pieces, b.data[p.from:min(p.to, p.from+mostPiece)])
		}
	}
	if !s.mend {
		return d, nil
	}
	if err := os.MkdirAll(s.aside, 0o700); err != nil {
		return d, err
	}
	d.Aside = filepath.Join(s.aside, s.damage.Stream+"-"+filepath.Base(path)+time.Now().UTC().Format("-20060102T150405Z"))
	if err := writeDurably(d.Aside, b.data); err != nil {
		return d, err
	}
	if err := writeDurably(path+".new", b.mended()); err != nil {
		return d, err
	}
	// The server's own summary is of the block as it was; it makes it anew.
	if err := os.Remove(filepath.Join(s.path, blocksDir, stateFile)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return d, err
	}
	return d, os.Rename(path+".new", path)
}

func writeDurably(path string, data []byte) error {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	return errors.Join(err, f.Sync(), f.Close())
}

// describedRight reports whether the description in a folder has its checksum, whose
// key is the name's SHA-256. One that is not there is none.
func describedRight(dir, name string) (bool, error) {
	text, err := os.ReadFile(filepath.Join(dir, "meta.inf"))
	if errors.Is(err, fs.ErrNotExist) {
		return true, nil
	}
	if err != nil {
		return false, err
	}
	sum, err := os.ReadFile(filepath.Join(dir, "meta.sum"))
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	key := sha256.Sum256([]byte(name))
	h, err := highwayhash.New64(key[:])
	if err != nil {
		return false, err
	}
	h.Write(text)
	return hex.EncodeToString(h.Sum(nil)) == string(sum), nil
}

// StreamState is how far a stream has come.
type StreamState struct {
	// Last is the number of its last message, Messages how many are in it.
	Last, Messages uint64
}

// Streams are the states of all streams that are on the disk, by account and name:
// MQTT/$MQTT_msgs.
func (b *Broker) Streams() (map[string]StreamState, error) {
	b.mu.Lock()
	srv := b.srv
	b.mu.Unlock()
	if srv == nil {
		return nil, ErrRestarting
	}
	all, err := srv.Jsz(&server.JSzOptions{Accounts: true, Streams: true})
	if err != nil {
		return nil, fmt.Errorf("list streams: %w", err)
	}
	out := map[string]StreamState{}
	for _, a := range all.AccountDetails {
		for _, s := range a.Streams {
			if _, err := os.Stat(filepath.Join(b.opts.Dir, "jetstream", a.Name, "streams", s.Name, blocksDir)); err != nil {
				continue // in memory only
			}
			out[a.Name+"/"+s.Name] = StreamState{Last: s.State.LastSeq, Messages: s.State.Msgs}
		}
	}
	return out, nil
}
