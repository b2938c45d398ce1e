package broker

import (
	"context"
	"fmt"
	"net"
	"strconv"
	"time"

	"github.com/nats-io/nats-server/v2/server"
)

const (
	mqttAccount    = "MQTT"
	journalAccount = "JOURNAL"
	mqttUser       = "mqtt"
	journalUser    = "journal"

	// nats-server's names for the kinds of connection a user may come by.
	mqttConnection      = "MQTT"
	inProcessConnection = "IN_PROCESS"

	// maxStore is what the server may store of all accounts: more than any disk
	// holds, and than all limits and budgets below it together, or the server
	// would refuse to start with them. nats-server's own default is three quarters
	// of what is free at the start, which would refuse a journal budget for a disk
	// that is extended later, and change at every start.
	maxStore = 1 << 62

	// unlimited is nats-server's word for an account without a limit.
	unlimited = -1

	// maxAckPending bounds the QoS 1 messages sent to one subscription and not
	// acknowledged. A session's subscriptions may have 65,535 together and a
	// filter that ends in # counts twice: this allows three plain ones, or one
	// with # and one plain.
	maxAckPending = 20000
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
	// Limits of an account can only be set before the start by way of the
	// configuration language; after the start MQTT clients would already be in.
	err := opts.ProcessConfigString(fmt.Sprintf(
		"accounts { %s { jetstream { max_store: %d } }, %s { jetstream: enabled } }",
		mqttAccount, b.mqttLimit(), journalAccount))
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
	if b.opts.MQTTAddr == "" {
		return opts, nil
	}
	host, port, err := net.SplitHostPort(b.opts.MQTTAddr)
	if err != nil {
		return nil, fmt.Errorf("parse MQTT address %q of --mqtt: %w", b.opts.MQTTAddr, err)
	}
	opts.MQTT.Host = host
	if opts.MQTT.Port, err = strconv.Atoi(port); err != nil {
		return nil, fmt.Errorf("parse port of MQTT address %q of --mqtt: %w", b.opts.MQTTAddr, err)
	}
	opts.MQTT.NoAuthUser = mqttUser
	opts.MQTT.AckWait = b.opts.AckWait
	opts.MQTT.MaxAckPending = maxAckPending
	return opts, nil
}

// users are the two that exist: every MQTT client, and the journal. A callback
// that checks the credentials of devices will take the place of the first
// (server.Options.CustomClientAuthentication).
func users(accounts []*server.Account, password string) []*server.User {
	byName := make(map[string]*server.Account, len(accounts))
	for _, a := range accounts {
		byName[a.Name] = a
	}
	// What NATS and its MQTT layer use inside. MQTT's own sessions pass by these
	// rules, except for the subscriptions below $MQTT.sub and $MQTT.deliver.
	internal := []string{"$JS.>", "$SYS.>", "$KV.>", "$O.>", "$NRG.>", "$SRV.>", "$JSC.>", "_INBOX.>", "_R_.>", "_GR_.>"}
	return []*server.User{
		{
			Username: mqttUser,
			Account:  byName[mqttAccount],
			Permissions: &server.Permissions{
				Publish:   &server.SubjectPermission{Deny: append([]string{"$MQTT.>"}, internal...)},
				Subscribe: &server.SubjectPermission{Deny: internal},
			},
			AllowedConnectionTypes: map[string]struct{}{mqttConnection: {}},
		},
		{
			Username:               journalUser,
			Password:               password,
			Account:                byName[journalAccount],
			AllowedConnectionTypes: map[string]struct{}{inProcessConnection: {}},
		},
	}
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
