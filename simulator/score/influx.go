package score

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/haidang-iot/haidang/ingest/telemetry"
)

// Influx reads a store that answers InfluxQL at /query: InfluxDB 1.8, and 2 and 3
// by their compatibility with it.
type Influx struct {
	// URL is what /query comes after.
	URL string
	// Bucket is InfluxDB's bucket, in 1.8 "database" or "database/policy".
	Bucket string
	Client *http.Client
}

func (i *Influx) String() string { return "InfluxQL at " + redacted(i.URL) + ", bucket " + i.Bucket }

// Read implements [Store].
func (i *Influx) Read(ctx context.Context, q Query, yield func(s *Series, at int64, value float64)) error {
	from := `/^` + kindsPattern("") + `$/`
	if q.Kind != "" {
		from = `"` + string(q.Kind) + `"`
	}
	fields := "*"
	if q.Metric != "" {
		fields = `"` + string(q.Metric) + `"`
	}
	statement := fmt.Sprintf("SELECT %s FROM %s WHERE time >= %dms AND time < %dms", fields, from, q.From, q.To)
	if len(q.Devices) > 0 {
		any := make([]string, len(q.Devices))
		for i, d := range q.Devices { // ids have no quotes
			any[i] = `device='` + string(d) + `'`
		}
		statement += " AND (" + strings.Join(any, " OR ") + ")"
	}
	statement += " GROUP BY locality, site, device"
	form := i.form(statement)
	form.Set("epoch", "ms")
	// Whole answers could be cut at the server's max-row-limit.
	form.Set("chunked", "true")
	form.Set("chunk_size", "5000")
	return ask(ctx, i.Client, strings.TrimRight(i.URL, "/")+"/query", form.Encode(), func(d *jsontext.Decoder) error {
		for {
			if d.PeekKind() == 0 { // the end, or what ReadToken says
				_, err := d.ReadToken()
				if errors.Is(err, io.EOF) {
					return nil
				}
				return err
			}
			if err := readInflux(d, yield); err != nil {
				return err
			}
		}
	})
}

func (i *Influx) form(statement string) url.Values {
	database, policy, _ := strings.Cut(i.Bucket, "/")
	form := url.Values{"db": {database}, "q": {statement}}
	if policy != "" {
		form.Set("rp", policy)
	}
	return form
}

// readInflux reads one document: a chunk of the answer.
func readInflux(d *jsontext.Decoder, yield func(s *Series, at int64, value float64)) error {
	problem := ""
	err := object(d, func(key string) (err error) {
		switch key {
		case "error":
			problem, err = word(d)
			return err
		case "results":
			return array(d, func() error {
				return object(d, func(key string) (err error) {
					switch key {
					case "error":
						problem, err = word(d)
						return err
					case "series":
						return array(d, func() error { return readTable(d, yield) })
					}
					return d.SkipValue()
				})
			})
		}
		return d.SkipValue()
	})
	if err == nil && problem != "" {
		return fmt.Errorf("%s; --influx-bucket names the bucket, or the database of InfluxDB 1.8", problem)
	}
	return err
}

// readTable reads the values of one set of tags; its columns are fields.
func readTable(d *jsontext.Decoder, yield func(s *Series, at int64, value float64)) error {
	var tags Series
	var columns []Series
	return object(d, func(key string) (err error) {
		switch key {
		case "name":
			v, err := word(d)
			tags.Kind = telemetry.Kind(v)
			return err
		case "tags":
			return object(d, func(tag string) error {
				v, err := word(d)
				switch tag {
				case "locality":
					tags.Locality = telemetry.Locality(v)
				case "site":
					tags.Site = telemetry.Site(v)
				case "device":
					tags.Device = telemetry.Device(v)
				}
				return err
			})
		case "columns":
			return array(d, func() error {
				v, err := word(d)
				column := tags
				column.Metric = telemetry.Metric(v)
				columns = append(columns, column)
				return err
			})
		case "values":
			return array(d, func() error { return readRow(d, columns, yield) })
		}
		return d.SkipValue()
	})
}

// readRow reads a time and the fields at it; a field that is not there is null.
func readRow(d *jsontext.Decoder, columns []Series, yield func(s *Series, at int64, value float64)) error {
	var at int64
	i := 0
	return array(d, func() error {
		t, err := d.ReadToken()
		if err != nil {
			return err
		}
		column := i
		i++
		switch {
		case column >= len(columns):
			return errors.New("a row has more cells than there are columns")
		case t.Kind() != '0':
			return nil
		case column == 0:
			at, err = t.Int()
			return err
		}
		v, err := t.Float()
		if err == nil {
			yield(&columns[column], at, v)
		}
		return err
	})
}

// Retention implements [Store]. A bucket may have several policies, and 2 and 3
// keep theirs elsewhere: it does not say.
func (i *Influx) Retention(context.Context) time.Duration { return 0 }
