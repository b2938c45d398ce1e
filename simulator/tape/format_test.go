package tape

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"
)

func at(seconds int) time.Time {
	return time.Date(2026, 11, 21, 2, 0, seconds, 123_456_000, time.UTC)
}

// some are messages of every kind of payload.
func some() []Message {
	return []Message{
		{At: at(0), Topic: "kh/nha-trang/noise/n-1", QoS: 1, Payload: []byte(`{"laeq":61.2,"note":"<Đầm> & \u2028"}`)},
		{At: at(1), Topic: "kh/nha-trang/status/n-1", QoS: 1, Retain: true, Payload: []byte("online")},
		{At: at(2), Topic: "kh/x", QoS: 0, Payload: []byte{0xff, 0, 1}},
		{At: at(2), Topic: "kh/Đầm/+", QoS: 2, Payload: []byte{}},
		{At: at(3), Topic: "kh/lines", QoS: 1, Payload: []byte("a\nb\r\n\x00")},
	}
}

// made is a tape with a block for each of the groups.
func made(t *testing.T, groups ...[]Message) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "city.tape")
	w, err := Create(name, Header{Made: at(0), Source: "tcp://127.0.0.1:1883", Topics: []string{"kh/#"}})
	if err != nil {
		t.Fatal(err)
	}
	for _, g := range groups {
		for _, m := range g {
			if err := w.Write(m); err != nil {
				t.Fatal(err)
			}
		}
		if err := w.Flush(); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return name
}

// all reads a tape to its end.
func all(t *testing.T, r *Reader) ([]Message, error) {
	t.Helper()
	var out []Message
	for {
		m, err := r.Next()
		if err != nil {
			return out, err
		}
		out = append(out, m)
	}
}

func open(t *testing.T, name string) *Reader {
	t.Helper()
	r, err := Open(name)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.Close() })
	return r
}

func TestWriteAndRead(t *testing.T) {
	r := open(t, made(t, some()[:2], some()[2:]))
	got, err := all(t, r)
	if err != io.EOF || !reflect.DeepEqual(got, some()) {
		t.Fatalf("read %+v and %v", got, err)
	}
	if h := r.Header(); h.Version != Version || h.Source != "tcp://127.0.0.1:1883" || !h.Made.Equal(at(0)) {
		t.Errorf("header %+v", h)
	}
	span, err := r.Span()
	if err != nil || span.Messages != 5 || span.Blocks != 2 || !span.First.Equal(at(0)) || !span.Last.Equal(at(3)) || span.Cut {
		t.Errorf("span %+v, %v", span, err)
	}
	// From the beginning of a block, from its midst, and from beyond the end.
	for seconds, want := range map[int]int{0: 5, 1: 4, 2: 3, 3: 1, 4: 0} {
		r.From(at(seconds))
		if got, err := all(t, r); err != io.EOF || len(got) != want {
			t.Errorf("from second %d: %d messages, want %d (%v)", seconds, len(got), want, err)
		}
	}
}

// A block's messages beyond a MiB are in the next.
func TestBlocksEndByThemselves(t *testing.T) {
	var many []Message
	for i := range 40 {
		many = append(many, Message{At: at(i), Topic: "kh/big", Payload: bytes.Repeat([]byte{byte('a' + i%26)}, 100_000)})
	}
	r := open(t, made(t, many))
	if s, err := r.Span(); err != nil || s.Blocks < 3 || s.Messages != 40 {
		t.Errorf("span %+v, %v", s, err)
	}
	if got, err := all(t, r); err != io.EOF || !reflect.DeepEqual(got, many) {
		t.Errorf("read %d messages, %v", len(got), err)
	}
}

// Wherever a tape is cut, all whole lines before are read, and the end is told.
func TestCutAnywhere(t *testing.T) {
	name := made(t, some()[:3], some()[3:])
	whole, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	messages := 0
	for n := range whole {
		r, err := newReader(bytes.NewReader(whole[:n]), int64(n))
		if err != nil {
			if !errors.Is(err, ErrNotTape) || messages > 0 {
				t.Fatalf("cut at %d of %d: %v", n, len(whole), err)
			}
			continue
		}
		got, err := all(t, r)
		if err != io.EOF && !errors.Is(err, ErrCut) {
			t.Fatalf("cut at %d: %v", n, err)
		}
		if len(got) < messages || !reflect.DeepEqual(got, append([]Message(nil), some()[:len(got)]...)) && len(got) > 0 {
			t.Fatalf("cut at %d: read %d messages, and %d of a shorter piece", n, len(got), messages)
		}
		messages = len(got)
		r.Close()
	}
	if messages < 3 {
		t.Errorf("only %d messages were ever read", messages)
	}
}

func TestWhatIsNoTape(t *testing.T) {
	good, err := os.ReadFile(made(t, some()))
	if err != nil {
		t.Fatal(err)
	}
	newer := bytes.Clone(good)
	newer[15] = Version + 1
	damaged := bytes.Clone(good)
	damaged[20]++
	for name, c := range map[string]struct {
		content []byte
		want    string
	}{
		"empty":         {nil, ErrNotTape.Error()},
		"text":          {[]byte(strings.Repeat("time,topic,payload\n", 9)), ErrNotTape.Error()},
		"newer":         {newer, ErrNewer.Error()},
		"damaged label": {damaged, "damaged"},
		"short":         {good[:10], ErrNotTape.Error()},
	} {
		if _, err := newReader(bytes.NewReader(c.content), int64(len(c.content))); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: error %v, want one with %q", name, err, c.want)
		}
	}
	// Damage in the midst is told with its place. (A bit of a frame's header that
	// means nothing may change: then all is read as it was.)
	for i := binaryLen(good) + labelSize; i < len(good); i++ {
		bad := bytes.Clone(good)
		bad[i] ^= 0x55
		r, err := newReader(bytes.NewReader(bad), int64(len(bad)))
		if err != nil {
			t.Fatal(err)
		}
		var place *FormatError
		if got, err := all(t, r); !errors.As(err, &place) && !reflect.DeepEqual(got, some()) {
			t.Fatalf("byte %d damaged: %d messages and %v", i, len(got), err)
		}
	}
}

// binaryLen is where the second block's label begins.
func binaryLen(tape []byte) int {
	return labelSize + int(binary.LittleEndian.Uint64(tape[16:]))
}

// Ordinary tools read a tape.
func TestZstdcatReadsIt(t *testing.T) {
	zstdcat, err := exec.LookPath("zstdcat")
	if err != nil {
		t.Skip("zstdcat is not installed: apt-get install zstd")
	}
	out, err := exec.Command(zstdcat, made(t, some())).Output()
	if err != nil || bytes.Count(out, []byte("\n")) != 1+len(some()) || !bytes.Contains(out, []byte(`"topic":"kh/Đầm/+"`)) {
		t.Errorf("zstdcat says %q, %v", out, err)
	}
}

func TestJoinedTapes(t *testing.T) {
	one, err := os.ReadFile(made(t, some()))
	if err != nil {
		t.Fatal(err)
	}
	two := append(bytes.Clone(one), one...)
	r, err := newReader(bytes.NewReader(two), int64(len(two)))
	if err != nil {
		t.Fatal(err)
	}
	if got, err := all(t, r); err != io.EOF || len(got) != 2*len(some()) {
		t.Errorf("%d messages, %v", len(got), err)
	}
}

func TestExistingFileIsLeftAlone(t *testing.T) {
	name := made(t, some())
	if _, err := Create(name, Header{}); err == nil || !strings.Contains(err.Error(), "choose another name") {
		t.Errorf("error %v", err)
	}
	if got, err := all(t, open(t, name)); err != io.EOF || len(got) != len(some()) {
		t.Errorf("the tape has %d messages now, %v", len(got), err)
	}
}

func FuzzRead(f *testing.F) {
	w := &memory{}
	tape, err := NewWriter(w, Header{Made: at(0), Source: "x"})
	if err != nil {
		f.Fatal(err)
	}
	for _, m := range some() {
		if err := tape.Write(m); err != nil {
			f.Fatal(err)
		}
	}
	tape.Close()
	f.Add(w.Bytes())
	f.Add(w.Bytes()[:w.Len()-7])
	f.Fuzz(func(t *testing.T, b []byte) {
		r, err := newReader(bytes.NewReader(b), int64(len(b)))
		if err != nil {
			return
		}
		defer r.Close()
		for range 10_000 {
			if _, err := r.Next(); err != nil {
				return
			}
		}
	})
}

// memory is a file in memory.
type memory struct {
	bytes.Buffer
	room int // after which the disk is full; 0 is never
}

func (m *memory) Write(b []byte) (int, error) {
	if m.room > 0 && m.Len()+len(b) > m.room {
		n, _ := m.Buffer.Write(b[:m.room-m.Len()])
		return n, errors.New("no space left on device")
	}
	return m.Buffer.Write(b)
}
func (m *memory) Sync() error            { return nil }
func (m *memory) Truncate(n int64) error { m.Buffer.Truncate(int(n)); return nil }
func (m *memory) Close() error           { return nil }

// On a full disk the tape ends with its last whole block.
func TestFullDisk(t *testing.T) {
	f := &memory{room: 4096}
	w, err := NewWriter(f, Header{Made: at(0), Source: "x"})
	if err != nil {
		t.Fatal(err)
	}
	flushed := 0
	for i := 0; ; i++ {
		if err = w.Write(Message{At: at(i), Topic: "kh/x", Payload: []byte("1")}); err == nil {
			err = w.Flush()
		}
		if err != nil {
			break
		}
		flushed++
	}
	if !strings.Contains(err.Error(), "no space left") {
		t.Errorf("error %v", err)
	}
	if again := w.Write(Message{At: at(0), Topic: "kh/x"}); again == nil {
		t.Error("after the failure more is taken")
	}
	r, err := newReader(bytes.NewReader(f.Bytes()), int64(f.Len()))
	if err != nil {
		t.Fatal(err)
	}
	if got, err := all(t, r); err != io.EOF || len(got) != flushed || flushed == 0 {
		t.Errorf("%d messages of %d flushed, %v", len(got), flushed, err)
	}
}
