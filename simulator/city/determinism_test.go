package city

import (
	"encoding/binary"
	"hash/fnv"
	"math"
	"runtime"
	"sync"
	"testing"

	"github.com/haidang-iot/haidang/ingest/telemetry"
)

// asked is a station's kind with the channels to ask.
type asked struct {
	kind     *telemetry.KindSpec
	place    Place
	channels []Channel
}

func ask(c *City) (all []asked) {
	kinds := telemetry.NewCatalogue().Kinds()
	for i, p := range Places() {
		for k := range kinds[:10] {
			if (i+k)%4 == 0 {
				s := Station{Place: p, Salt: uint64(i), Size: 0.8, Every: kinds[k].Cadence}
				all = append(all, asked{&kinds[k], p, c.Channels(s, kinds[k].Kind)})
			}
		}
	}
	return all
}

// fingerprint asks stations for the same moments in an order.
func fingerprint(all []asked, backwards bool) []uint64 {
	sums := make([]uint64, len(all))
	for i, a := range all {
		const moments = 40
		values := make([][]byte, moments)
		for n := range moments {
			if backwards {
				n = moments - 1 - n
			}
			at := anyTime(uint64(n))
			for _, ch := range a.channels {
				values[n] = binary.LittleEndian.AppendUint64(values[n], math.Float64bits(ch.Signal.At(at)))
			}
		}
		h := fnv.New64a()
		for _, v := range values {
			h.Write(v)
		}
		sums[i] = h.Sum64()
	}
	return sums
}

func TestSameSeedSameCity(t *testing.T) {
	want := fingerprint(ask(New(9, everything()...)), false)
	again := fingerprint(ask(New(9, everything()...)), true) // of another city, in another order
	other := fingerprint(ask(New(10, everything()...)), false)
	same := 0
	for i := range want {
		if want[i] != again[i] {
			t.Fatalf("station %d differs from run to run", i)
		}
		if want[i] == other[i] {
			same++
		}
	}
	if same > 0 {
		t.Errorf("%d stations are the same for another seed", same)
	}
	// Many workers on the same signals.
	all := ask(New(9, everything()...))
	var wait sync.WaitGroup
	for w := range 2 * runtime.NumCPU() {
		wait.Add(1)
		go func() {
			defer wait.Done()
			got := fingerprint(all, w%2 == 1)
			for i := range want {
				if got[i] != want[i] {
					t.Errorf("worker %d got another station %d", w, i)
					return
				}
			}
		}()
	}
	wait.Wait()
}

// BenchmarkValue is the cost of a value when whole messages are asked for one
// after the other, as a fleet does, averaged over kinds by their cadence.
func BenchmarkValue(b *testing.B) {
	c := New(1, Event{Kind: Flood, From: local(2025, 11, 15, 0, 0), To: local(2025, 11, 23, 0, 0), Strength: 1})
	kinds := telemetry.NewCatalogue().Kinds()
	for _, kind := range kinds[:10] {
		b.Run(string(kind.Kind), func(b *testing.B) {
			var stations [][]Channel
			for i, p := range Places() {
				stations = append(stations, c.Channels(Station{Place: p, Salt: uint64(i), Every: kind.Cadence}, kind.Kind))
			}
			at, sum, values := local(2025, 11, 16, 0, 0), 0.0, 0
			for n := 0; values < b.N; n++ {
				if n == len(stations) {
					n, at = 0, at.Add(kind.Cadence)
				}
				for _, ch := range stations[n] {
					sum += ch.Signal.At(at)
					values++
				}
			}
			if math.IsNaN(sum) {
				b.Fatal("not a number")
			}
		})
	}
}

func BenchmarkNew(b *testing.B) {
	for range b.N {
		New(1)
	}
}
