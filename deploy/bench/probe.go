package main

import (
	"context"
	"fmt"
	"slices"
	"time"

	mqtt "github.com/eclipse/paho.mqtt.golang"
)

const (
	probeDevice = "bench-probe"
	// probeEvery is how often a probe is sent, askEvery how often it is asked for, and
	// givenUp when it counts as that late.
	probeEvery = 250 * time.Millisecond
	askEvery   = 5 * time.Millisecond
	givenUp    = 30 * time.Second
)

// probe sends a message now and then and asks the store until it shows it, for so long. It
// returns how long each took from its sending on, in milliseconds, in order of size.
func (s *stack) probe(ctx context.Context, long time.Duration) ([]float64, error) {
	client := mqtt.NewClient(mqtt.NewClientOptions().AddBroker("tcp://" + s.mqtt).SetClientID(probeDevice))
	if token := client.Connect(); token.Wait() && token.Error() != nil {
		return nil, fmt.Errorf("connect the probe: %w", token.Error())
	}
	defer client.Disconnect(100)
	var took []float64
	// The first makes the probe's series, which some stores show late; it does not count.
	end := time.Now()
	for first := true; first || time.Now().Before(end); first = false {
		value, began := float64(time.Now().UnixMilli()%1_000_000)/1000, time.Now()
		payload := fmt.Sprintf(`{"ts":%d,"pm25":%g,"pm10":30.1,"seq":1}`, began.UnixMilli(), value)
		client.Publish("kh/nha-trang/air_quality/"+probeDevice, 1, false, payload)
		for time.Since(began) < givenUp {
			if have, err := s.store.latest(ctx, probeDevice); err == nil && have == value {
				break
			}
			if ctx.Err() != nil {
				return nil, ctx.Err()
			}
			time.Sleep(askEvery)
		}
		if first {
			end = time.Now().Add(long)
			continue
		}
		took = append(took, time.Since(began).Seconds()*1000)
		time.Sleep(time.Until(began.Add(probeEvery)))
	}
	slices.Sort(took)
	return took, nil
}

// quantile of numbers in order of size; 0 of none.
func quantile(sorted []float64, q float64) float64 {
	if len(sorted) == 0 {
		return 0
	}
	return sorted[min(len(sorted)-1, int(q*float64(len(sorted))))]
}
