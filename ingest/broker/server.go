package broker

import (
	"context"
	"fmt"
	"net"
	"os"
	"strconv"
	"time"

	"github.com/nats-io/nats-server/v2/server"
)

const (
	mqttAccount    = "MQTT"
	journalAccount = "JOURNAL"
	mqttUser       = "mqtt"
	journalUser    = "journal"
	// doorUser is who counts MQTT's messages, from within the process.
	doorUser = "door"

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

	// spareConnections are for the journal, the gateways and those that have not
	// said yet who they are.
	spareConnections = 64
)

// startServer starts a server on the broker's folder and waits until it serves.
func (b *Broker) startServer(ctx context.Context) (*server.Server, error) {
	entrance := &gate{b: b}
	opts, err := b.serverOptions(entrance)
	if err != nil {
		return nil, err
	}
	srv, err := server.NewServer(opts)
	if err != nil {
		return nil, fmt.Errorf("configure broker: %w", err)
	}
	entrance.srv = srv
	logger := &serverLogger{log: b.log, srv: srv}
	if opts.CustomClientAuthentication != nil {
		logger.violation = b.reports.add
	}
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
func (b *Broker) serverOptions(entrance *gate) (*server.Options, error) {
	opts := &server.Options{}
	// Limits of an account can only be set before the start by way of the
	// configuration language; after the start MQTT clients would already be in.
	accounts := journalAccount + " { jetstream: enabled }"
	if _, err := os.Stat(b.oldFolder()); err == nil || b.opts.MQTTAddr != "" {
		accounts += fmt.Sprintf(", %s { jetstream { max_store: %d } }", mqttAccount, b.mqttLimit())
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
	if b.opts.Authenticator == nil {
		opts.Users = users(opts.Accounts, b.password)
	} else {
		opts.CustomClientAuthentication = entrance
	}
	if b.opts.MQTTAddr == "" {
		return opts, nil
	}
	return opts, b.mqttOptions(opts)
}

// mqttOptions are those of the MQTT listener.
func (b *Broker) mqttOptions(opts *server.Options) error {
	host, port, err := net.SplitHostPort(b.opts.MQTTAddr)
	if err != nil {
		return fmt.Errorf("parse MQTT address %q of --mqtt: %w", b.opts.MQTTAddr, err)
	}
	opts.MQTT.Host = host
	if opts.MQTT.Port, err = strconv.Atoi(port); err != nil {
		return fmt.Errorf("parse port of MQTT address %q of --mqtt: %w", b.opts.MQTTAddr, err)
	}
	if b.opts.Authenticator == nil {
		opts.MQTT.NoAuthUser = mqttUser
	}
	opts.MQTT.AckWait = b.opts.AckWait
	opts.MQTT.MaxAckPending = maxAckPending
	opts.MQTT.AuthTimeout = b.opts.ConnectTimeout.Seconds()
	if b.opts.MaxConnections > 0 {
		opts.MaxConn = b.opts.MaxConnections + spareConnections
	}
	if b.opts.TLS != nil {
		opts.MQTT.TLSConfig = b.opts.TLS.Clone()
		opts.MQTT.TLSTimeout = b.opts.ConnectTimeout.Seconds()
		// The one listener looks at the first bytes; the gate turns away who is
		// not on this machine and does not encrypt.
		opts.AllowNonTLS = true
	}
	return nil
}

// users are those that exist without an authenticator: every MQTT client, and, from
// within the process, the journal and who counts at the door.
func users(accounts []*server.Account, password string) []*server.User {
	byName := make(map[string]*server.Account, len(accounts))
	for _, a := range accounts {
		byName[a.Name] = a
	}
	internal := internalSubjects()
	all := []*server.User{
		{
			Username:               journalUser,
			Password:               password,
			Account:                byName[journalAccount],
			AllowedConnectionTypes: map[string]struct{}{inProcessConnection: {}},
		},
	}
	if byName[mqttAccount] == nil {
		return all
	}
	return append(all, []*server.User{
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
			Username:               doorUser,
			Password:               password,
			Account:                byName[mqttAccount],
			AllowedConnectionTypes: map[string]struct{}{inProcessConnection: {}},
		},
	}...)
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
