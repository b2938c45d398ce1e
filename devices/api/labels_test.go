package api_test

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"testing"

	"github.com/haidang-iot/haidang/devices"
	"github.com/haidang-iot/haidang/devices/api"
	"github.com/haidang-iot/haidang/ingest/telemetry"
)

type credentials struct{ by devices.By }

func (c *credentials) Issue(_ context.Context, by devices.By, ids []telemetry.Device) (map[telemetry.Device]string, error) {
	c.by = by
	out := map[telemetry.Device]string{}
	for _, id := range ids {
		out[id] = "secret-of-" + string(id)
	}
	return out, nil
}

func TestLabels(t *testing.T) {
	c := newTown(t)
	var ids []string
	for i := range 30 {
		id := fmt.Sprintf("aq-%04d", i)
		r := registration("r-"+id, id, "site-"+id, "air_quality", "noise")
		r["site"] = merge(r["site"].(object), object{"name": "Ngã tư Nguyễn Thị Minh Khai – Lê Thánh Tôn, cột đèn số " + fmt.Sprint(i)})
		c.do("POST", "/registrations", r).want(200)
		ids = append(ids, id)
	}
	a := c.do("POST", "/labels", object{"devices": ids, "skip": 2}).want(200)
	if a.header.Get("Content-Type") != "application/pdf" || a.header.Get("Cache-Control") != "no-store" || !bytes.HasPrefix(a.body, []byte("%PDF-")) {
		t.Errorf("headers: %v", a.header)
	}
	if pages := bytes.Count(a.body, []byte("/Type /Page\n")); pages != 2 {
		t.Errorf("%d pages", pages)
	}
	if out := os.Getenv("LABELS_PDF"); out != "" { // to be looked at
		if err := os.WriteFile(out, a.body, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	again := c.do("POST", "/labels", object{"devices": ids, "skip": 2}).want(200)
	if len(again.body) != len(a.body) {
		t.Errorf("the second sheet has %d bytes, the first %d", len(again.body), len(a.body))
	}
	c.do("POST", "/labels", object{"devices": []string{"none"}}).want(404)
	c.do("POST", "/labels", object{"devices": []string{}}).want(422)
	c.do("POST", "/labels", object{"devices": ids[:1], "issue_secrets": true}).want(503)
	issuer := &credentials{}
	c.api.Credentials = issuer
	c.do("POST", "/labels", object{"devices": ids[:1], "issue_secrets": true, "why": "in lại"}).want(200)
	if issuer.by.Who != "lan" || issuer.by.Why != "in lại" {
		t.Errorf("issued by %+v", issuer.by)
	}
}

func TestRegistrationLink(t *testing.T) {
	if got, want := api.RegistrationLink("https://h.example/", "a:1", ""), "https://h.example/register?device=a%3A1"; got != want {
		t.Errorf("link %s, want %s", got, want)
	}
	if got, want := api.RegistrationLink("https://h.example", "a", "s&x"), "https://h.example/register?device=a#secret=s%26x"; got != want {
		t.Errorf("link %s, want %s", got, want)
	}
}
