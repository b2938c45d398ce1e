package broker

import (
	"context"
	"fmt"
	"os"
	"time"

	"github.com/nats-io/nats-server/v2/server"
)

const (
	// mqttAccount and doorUser are those of what an older version has left.
	mqttAccount    = "MQTT"
	journalAccount = "JOURNAL"
	journalUser    = "journal"
	doorUser       = "door"

	// inProcessConnection is nats-server's name for the kind of connection.
	inProcessConnection = "IN_PROCESS"

	// maxStore is what the server may store of all accounts: more than any disk
	// holds, and than all limits and budgets below it together, or the server
	// would refuse to start with them. nats-server's own default is three quarters
	// of what is free at the start, which would refuse a journal budget for a disk
	// that is extended later, and change at every start.
	maxStore = 1 << 62
)

// startServer starts a server on the broker's folder and waits until it serves.
func (b *Broker) startServer(ctx context.Context) (*server.Server, error) {
	opts, err := b.serverOptions()
	if err != nil {
		return nil, err
	}
	srv, err := server.NewServer(opts)
	if err != nil {
		return nil, fmt.Errorf("configure broker: %w", err)
	}
	logger := &serverLogger{log: b.log}
	srv.SetLoggerV2(logger, false, false, false)
	started := make(chan struct{})
	go func() {
		defer close(started)
		srv.Start()
	}()
	if err := awaitReady(ctx, srv, started); err != nil {
		// Reading back cannot be interrupted; a server that is not started
		// cannot be shut down. Both wait for the start to end by itself.
		go func() {
			<-started
			srv.Shutdown()
		}()
		if fatal := logger.fatalError(); fatal != nil {
			err = fatal
		}
		return nil, fmt.Errorf("start broker in %s: %w", b.opts.Dir, err)
	}
	return srv, nil
}

func awaitReady(ctx context.Context, srv *server.Server, started <-chan struct{}) error {
	limit := time.NewTimer(startTimeout)
	defer limit.Stop()
	select {
	case <-started:
	case <-ctx.Done():
		return ctx.Err()
	case <-limit.C:
		return fmt.Errorf("not ready after %s", startTimeout)
	}
	if !srv.ReadyForConnections(time.Second) {
		return fmt.Errorf("server is not ready for connections")
	}
	if !srv.JetStreamEnabled() {
		return fmt.Errorf("server could not enable its storage")
	}
	return nil
}

// serverOptions are made anew for every server, because a server changes those
// it was given.
func (b *Broker) serverOptions() (*server.Options, error) {
	opts := &server.Options{}
	accounts := journalAccount + " { jetstream: enabled }"
	if _, err := os.Stat(b.oldFolder()); err == nil {
		accounts += ", " + mqttAccount + " { jetstream: enabled }"
	}
	err := opts.ProcessConfigString("accounts { " + accounts + " }")
	if err != nil {
		return nil, fmt.Errorf("configure broker accounts: %w", err)
	}
	opts.ServerName = "haidang"
	opts.DontListen = true
	opts.NoSigs = true
	opts.JetStream = true
	opts.StoreDir = b.opts.Dir
	opts.JetStreamMaxStore = maxStore
	opts.JetStreamMaxMemory = 64 << 20
	opts.SyncAlways = b.opts.SyncAlways
	opts.MaxPayload = b.opts.MaxPayload
	opts.MaxPending = max(server.MAX_PENDING_SIZE, 4*int64(b.opts.MaxPayload))
	opts.Users = users(opts.Accounts, b.password)
	return opts, nil
}

// users are, from within the process, the journal and who takes over what an older
// version has left.
func users(accounts []*server.Account, password string) (all []*server.User) {
	of := map[string]string{journalAccount: journalUser, mqttAccount: doorUser}
	for _, a := range accounts {
		if name := of[a.Name]; name != "" {
			all = append(all, &server.User{Username: name, Password: password, Account: a, AllowedConnectionTypes: map[string]struct{}{inProcessConnection: {}}})
		}
	}
	return all
}

// shutdown stops a server and waits for it, but not longer than ctx allows.
func shutdown(ctx context.Context, srv *server.Server) error {
	if srv == nil {
		return nil
	}
	stopped := make(chan struct{})
	go func() {
		defer close(stopped)
		srv.Shutdown()
		srv.WaitForShutdown()
	}()
	select {
	case <-stopped:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("shut down server: %w", ctx.Err())
	}
}
