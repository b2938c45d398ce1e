package access_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/haidang-iot/haidang/devices"
	"github.com/haidang-iot/haidang/devices/access"
	"github.com/haidang-iot/haidang/ingest/telemetry"
)

// BenchmarkReconnect lets 100,000 devices come back after an outage: each once,
// as one operation.
func BenchmarkReconnect(b *testing.B) {
	const n = 100000
	w := newWorld(b)
	ctx := b.Context()
	const secret = access.Secret("abcdefghjkmnpqrstvwxyz0123456789")
	id := func(i int) telemetry.Device { return telemetry.Device(fmt.Sprintf("dev-%06d", i)) }
	err := w.store.Write(ctx, func(tx devices.Tx) error {
		for i := range n {
			if err := tx.PutDevice(ctx, devices.Device{ID: id(i), Kinds: []telemetry.Kind{"noise"}, State: devices.Active, Version: 1}); err != nil {
				return err
			}
			if _, err := tx.PutInstallation(ctx, devices.Installation{Device: id(i), Site: "site-nha-trang", From: w.now.Add(-time.Hour), Version: 1}); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		b.Fatal(err)
	}
	err = w.store.Access().Write(ctx, func(tx access.Tx) error {
		for i := range n {
			c := access.Credential{Device: id(i), Sealed: access.SealDevice(secret, []byte(id(i))), Issued: w.now, IssuedBy: "bench"}
			if _, err := tx.PutCredential(ctx, c); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		b.Fatal(err)
	}
	i := 0
	next := make(chan int, 1024)
	go func() {
		defer close(next)
		for range b.N {
			next <- i % n
			i += 7919 // no order
		}
	}()
	b.ResetTimer()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			d := string(id(<-next))
			if _, err := w.Authenticate(ctx, d, d, secret, addr(1)); err != nil {
				b.Error(d, err)
			}
		}
	})
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "devices/s")
}
