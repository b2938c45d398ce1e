package journal

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"slices"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/haidang-iot/haidang/ingest"
)

// Options say where the journal is and how large it may grow. Either Conn or URL
// is required.
type Options struct {
	// Conn is a connection to the server of the journal; the caller closes it,
	// after the Journal. It must reconnect for ever, and should buffer nothing
	// meanwhile (nats.ReconnectBufSize(-1)).
	Conn *nats.Conn
	// URL is the server to connect to if Conn is nil: nats://, tls:// or a list of
	// them with commas between. User and password may be part of it.
	URL string
	// Credentials is the path of a NATS credentials file for URL; empty means none.
	Credentials string
	// Stream is the stream's name, HAIDANG_JOURNAL if empty. The bucket of
	// positions of another stream has that name with _POSITIONS behind it.
	Stream string
	// MaxBytes is the budget: how much disk the records may take. 0 leaves that of
	// an existing stream as it is and gives a new one DefaultMaxBytes.
	MaxBytes int64
	// Replicas is the number of servers that each hold everything: 1 (also if 0
	// and the stream is new), 3 or 5. 0 leaves an existing stream as it is.
	Replicas int
	// FreeSpace reports the bytes free where the journal is stored, and Folder
	// names that place. While less than Reserve is free, Append refuses, so that
	// the disk never fills up under the server. Nil, as for a journal elsewhere,
	// means no such guard.
	FreeSpace func() (uint64, error)
	Folder    string
	Reserve   uint64
	// SyncNames makes the names of the server's files durable, where it is in this process
	// and does not do so itself; it is called before anything is confirmed. Nil does nothing.
	SyncNames func() error
	// AppendTimeout bounds one Append besides its context, 10 s if 0: a server
	// whose disk has failed does not answer at all.
	AppendTimeout time.Duration
	// PrefetchBytes is how many bytes of records Take may ask for in advance,
	// 16 MiB if 0.
	PrefetchBytes int
	// MaxUnacknowledged is how many records may be taken and not acknowledged,
	// 131,072 if 0, which is more than PrefetchBytes holds of the smallest: a server that
	// has reached it does not go on by itself after a purge.
	MaxUnacknowledged int
	// Logger receives what happens to the connection; nil means silence.
	Logger *slog.Logger
}

const (
	// DefaultMaxBytes is the budget of a new journal, 4 GiB.
	DefaultMaxBytes = 4 << 30

	defaultStream = "HAIDANG_JOURNAL"
	defaultBucket = "HAIDANG_POSITIONS"

	subjectPrefix = "haidang.journal."
	recordHeader  = "Haidang-Record"

	// duplicates is how long the server knows a record again. It need only be
	// longer than a publish can be under way after its append has timed out:
	// beyond that, append looks at what is stored.
	duplicates = 2 * time.Minute

	reconnectWait = 250 * time.Millisecond
	flushTimeout  = 2 * time.Second
)

// Errors besides those of package ingest.
var (
	// ErrSuperseded says that another Take has been opened since.
	ErrSuperseded = errors.New("journal is being taken by a newer loader")
	// ErrTooLarge says that a record is larger than the server takes. Divide it,
	// or cut its payloads.
	ErrTooLarge = errors.New("record is too large for the journal")
	// ErrClosed says that the Taken has been closed.
	ErrClosed = errors.New("journal is closed")
)

// Journal is an open journal. Its methods may be called concurrently, except that
// one gateway appends from one goroutine.
type Journal struct {
	opts   Options
	log    *slog.Logger
	nc     *nats.Conn
	owned  bool // nc was opened here
	js     jetstream.JetStream
	stream jetstream.Stream
	bucket jetstream.Stream // the stream below the bucket of positions

	opening sync.Mutex // one at a time makes them

	mu       sync.Mutex
	epoch    ingest.Epoch // as it was last seen
	gateways map[ingest.Sequence]*gateway
	budget   uint64
	waiting  map[*request]struct{}

	closed bool

	stop     chan struct{} // closed by Close
	watching chan struct{} // closed when the connection is not watched any more

	stateMu sync.Mutex
	state   stateCache
}

var (
	_ ingest.Appender         = (*Journal)(nil)
	_ ingest.Taker            = (*Journal)(nil)
	_ ingest.JournalInspector = (*Journal)(nil)
	_ ingest.JournalReader    = (*Journal)(nil)
)

// Open connects to the journal, makes its stream and bucket or adapts them to the
// options. A stream of that name that is not a journal is an error; nothing of it
// is changed.
func Open(ctx context.Context, opts Options) (*Journal, error) {
	j := &Journal{
		opts: withDefaults(opts), gateways: make(map[ingest.Sequence]*gateway), waiting: make(map[*request]struct{}),
		stop: make(chan struct{}), watching: make(chan struct{}),
	}
	j.log = j.opts.Logger
	if err := j.connect(); err != nil {
		return nil, err
	}
	status := j.nc.StatusChanged(nats.DISCONNECTED, nats.RECONNECTING, nats.CLOSED)
	go j.watch(status)
	if err := j.open(ctx); err != nil {
		j.Close()
		return nil, err
	}
	return j, nil
}

func withDefaults(o Options) Options {
	o.Stream = cmp.Or(o.Stream, defaultStream)
	o.AppendTimeout = cmp.Or(o.AppendTimeout, 10*time.Second)
	o.PrefetchBytes = cmp.Or(o.PrefetchBytes, 16<<20)
	o.MaxUnacknowledged = cmp.Or(o.MaxUnacknowledged, 1<<17)
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.SyncNames == nil {
		o.SyncNames = func() error { return nil }
	}
	return o
}

func (j *Journal) connect() error {
	if j.nc = j.opts.Conn; j.nc != nil {
		return nil
	}
	options := []nats.Option{
		nats.Name("haidang journal"),
		nats.MaxReconnects(-1),
		nats.ReconnectWait(reconnectWait),
		// A publish that waited here for the connection would arrive after its
		// append has given up on it.
		nats.ReconnectBufSize(-1),
		nats.PingInterval(10 * time.Second),
	}
	if j.opts.Credentials != "" {
		options = append(options, nats.UserCredentials(j.opts.Credentials))
	}
	nc, err := nats.Connect(j.opts.URL, options...)
	if err != nil {
		return fmt.Errorf("connect to journal at %s: is the NATS server of --journal running and reachable? %w",
			redacted(j.opts.URL), err)
	}
	j.nc, j.owned = nc, true
	return nil
}

// redacted is the address without its password.
func redacted(address string) string {
	u, err := url.Parse(address)
	if err != nil {
		return "the address of --journal"
	}
	return u.Redacted()
}

func (j *Journal) open(ctx context.Context) error {
	var err error
	if j.js, err = jetstream.New(j.nc); err != nil {
		return fmt.Errorf("open journal: %w", err)
	}
	if err = j.openStreams(ctx); err != nil {
		return fmt.Errorf("open journal: %w", err)
	}
	return nil
}

// Close flushes the acknowledgements and closes the connection if Open made it.
// Close what Take has returned before. A second Close does nothing.
func (j *Journal) Close() {
	j.mu.Lock()
	closed := j.closed
	j.closed = true
	j.mu.Unlock()
	if closed {
		return
	}
	close(j.stop)
	<-j.watching
	if !j.owned {
		return
	}
	// Acknowledgements that do not arrive only mean records that come again.
	_ = j.nc.FlushTimeout(flushTimeout)
	j.nc.Close()
}

// MaxRecord is how many bytes a record may take, by the size of the largest
// message of the server. A record takes at most 128 bytes, and for each message 48
// besides its topic and its payload.
func (j *Journal) MaxRecord() int { return int(j.nc.MaxPayload()) - maxHeader }

func (j *Journal) streamConfig() jetstream.StreamConfig {
	return jetstream.StreamConfig{
		Name:        j.opts.Stream,
		Description: "Hải Đăng: messages received and not yet stored",
		Subjects:    []string{epochSubject(newEpoch())},
		Retention:   jetstream.WorkQueuePolicy,
		Discard:     jetstream.DiscardNew,
		Storage:     jetstream.FileStorage,
		MaxBytes:    cmp.Or(j.opts.MaxBytes, DefaultMaxBytes),
		Replicas:    max(j.opts.Replicas, 1),
		Duplicates:  duplicates,
		// Any replica may answer a direct get, also one that lags behind: a
		// position read from it would be used twice.
		AllowDirect: false,
	}
}

func (j *Journal) openStream(ctx context.Context) (jetstream.Stream, error) {
	want := j.streamConfig()
	stream, err := j.js.Stream(ctx, want.Name)
	if errors.Is(err, jetstream.ErrStreamNotFound) {
		made, makeErr := j.js.CreateStream(ctx, want)
		switch {
		case makeErr == nil:
			j.adopt(made.CachedInfo().Config)
			return made, nil
		case !errors.Is(makeErr, jetstream.ErrStreamNameAlreadyInUse):
			return nil, fmt.Errorf("create stream %s of %d MiB: %w", want.Name, want.MaxBytes>>20, explain(makeErr))
		}
		stream, err = j.js.Stream(ctx, want.Name) // another process was quicker, with an epoch of its own
	}
	if err != nil {
		return nil, fmt.Errorf("look up stream %s: %w", want.Name, explain(err))
	}
	have := stream.CachedInfo().Config
	if why := j.incompatible(have, want); why != "" {
		return nil, fmt.Errorf("stream %s exists and is not this journal: its %s;"+
			" remove it, or give --journal a server of its own", want.Name, why)
	}
	changed := have
	if j.opts.MaxBytes != 0 {
		changed.MaxBytes = want.MaxBytes
	}
	if j.opts.Replicas != 0 {
		changed.Replicas = want.Replicas
	}
	changed.Duplicates, changed.AllowDirect = want.Duplicates, want.AllowDirect
	if epochOf(have) == "" { // of before there were epochs; its records go on to come
		changed.Subjects = append(slices.Clone(have.Subjects), want.Subjects...)
	}
	j.adopt(changed)
	if changed.MaxBytes == have.MaxBytes && changed.Replicas == have.Replicas && len(changed.Subjects) == len(have.Subjects) &&
		changed.Duplicates == have.Duplicates && changed.AllowDirect == have.AllowDirect {
		return stream, nil
	}
	if stream, err = j.js.UpdateStream(ctx, changed); err != nil {
		return nil, fmt.Errorf("change stream %s to a budget of %d MiB and %d replicas: %w",
			want.Name, changed.MaxBytes>>20, changed.Replicas, explain(err))
	}
	return stream, nil
}

// incompatible tells what of an existing stream a journal cannot live with, all
// of which the server could not change anyway, or only by losing records.
func (j *Journal) incompatible(have, want jetstream.StreamConfig) string {
	switch {
	case have.Retention != want.Retention:
		return fmt.Sprintf("retention is %s, not %s", have.Retention, want.Retention)
	case have.Storage != want.Storage:
		return fmt.Sprintf("storage is %s, not %s", have.Storage, want.Storage)
	case have.Discard != want.Discard:
		return fmt.Sprintf("discard policy is %s, not %s", have.Discard, want.Discard)
	case slices.ContainsFunc(have.Subjects, func(s string) bool { return s != j.formerSubject("*") && subjectEpoch(s) == "" }):
		return fmt.Sprintf("subjects are %q, not %q", have.Subjects, want.Subjects)
	case have.MaxAge != 0 || have.MaxMsgs > 0 || have.MaxMsgsPerSubject > 0:
		return "records expire by age or number"
	case have.MaxBytes <= 0:
		return "size is unlimited"
	}
	return ""
}

// openBucket makes the bucket of positions. It is a NATS key-value bucket that
// the usual tools can read, but for direct gets, which are off for the reason
// given in streamConfig.
func (j *Journal) openBucket(ctx context.Context, replicas int) (jetstream.Stream, error) {
	config := jetstream.StreamConfig{
		Name:              "KV_" + j.bucketName(),
		Description:       "Hải Đăng: how many messages of each gateway have been accounted for",
		Subjects:          []string{"$KV." + j.bucketName() + ".>"},
		Storage:           jetstream.FileStorage,
		MaxMsgsPerSubject: 1,
		Discard:           jetstream.DiscardNew,
		AllowRollup:       true,
		DenyDelete:        true,
		Replicas:          replicas,
	}
	bucket, err := j.js.CreateOrUpdateStream(ctx, config)
	if err != nil {
		return nil, fmt.Errorf("create bucket %s: %w", j.bucketName(), explain(err))
	}
	return bucket, nil
}

// explain adds the remedy to what the server answers.
func explain(err error) error {
	var api *jetstream.APIError
	switch {
	case errors.Is(err, jetstream.ErrJetStreamNotEnabled), errors.Is(err, jetstream.ErrJetStreamNotEnabledForAccount),
		errors.Is(err, nats.ErrNoResponders):
		return fmt.Errorf("the NATS server of --journal has no JetStream for this user; enable it there: %w", err)
	case errors.As(err, &api) && slices.Contains(fullCodes(), api.ErrorCode):
		return fmt.Errorf("the server has not that much storage to give;"+
			" lower --journal-budget or raise max_store there: %w", err)
	}
	return err
}

func (j *Journal) bucketName() string {
	if j.opts.Stream == defaultStream {
		return defaultBucket
	}
	return j.opts.Stream + "_POSITIONS"
}

func (j *Journal) takerSubject() string { return "$KV." + j.bucketName() + ".taker" }

// checkName refuses names that are not one token of a subject.
func checkName(gateway string) error {
	ok := func(c rune) bool {
		return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '-' || c == '_'
	}
	if gateway == "" || len(gateway) > maxName {
		return fmt.Errorf("gateway name %q must have 1 to %d characters", gateway, maxName)
	}
	for _, c := range gateway {
		if !ok(c) {
			return fmt.Errorf("gateway name %q must consist of letters, digits, - and _", gateway)
		}
	}
	return nil
}
