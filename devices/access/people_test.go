package access_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/haidang-iot/haidang/devices/access"
	"github.com/haidang-iot/haidang/ingest/telemetry"
)

func TestLogIn(t *testing.T) {
	w := newWorld(t)
	ctx := t.Context()
	w.person("lan", access.Operator)
	for _, c := range []struct {
		name     string
		password access.Secret
		want     access.Reason
	}{
		{"lan", good, ""},
		{" LAN ", good, ""},
		// The same letters, composed otherwise.
		{"lan", "so\u0301ng biê\u0309n Nha Trang 27", ""},
		{"lan", "sai mật khẩu rồi", access.ReasonWrongLogIn},
		{"lan", "", access.ReasonWrongLogIn},
		{"nobody", good, access.ReasonWrongLogIn},
		{"", good, access.ReasonWrongLogIn},
		{"lan\x00", good, access.ReasonWrongLogIn},
		{"lan", good + access.Secret(strings.Repeat("x", 2000)), access.ReasonWrongLogIn},
	} {
		in, err := w.LogIn(ctx, c.name, c.password, from("10.0.0.2"))
		wants(t, fmt.Sprintf("log in %q", c.name), err, c.want)
		if c.want == "" && (in.Account.Name != "lan" || !access.ParseSecret(string(in.Secret))) {
			t.Errorf("log in %q: have %v", c.name, in)
		}
	}
	if n := w.count(access.EventFilter{Action: access.LoggedIn}); n != 3 {
		t.Errorf("have %d log-ins in the journal, want 3", n)
	}
	for reason, want := range map[string]int64{"wrong_password": 3, "unknown_account": 3} {
		if n := w.count(access.EventFilter{Action: access.LogInFailed, Reason: reason}); n != want {
			t.Errorf("have %d failures for %s in the journal, want %d", n, reason, want)
		}
	}
	lan := account(t, w, "lan")
	if strings.Contains(fmt.Sprintf("%v %+v %#v", good, good, struct{ S access.Secret }{good}), "biển") {
		t.Error("a secret was printed")
	}
	no, yes := false, true
	lan = change(t, w, lan, access.AccountChange{Disabled: &yes})
	_, err := w.LogIn(ctx, "lan", good, from("10.0.0.2"))
	wants(t, "log in of a disabled account", err, access.ReasonWrongLogIn)
	change(t, w, lan, access.AccountChange{Disabled: &no})
	_, err = w.LogIn(ctx, "lan", good, from("10.0.0.2"))
	wants(t, "log in again", err, "")
}

func account(t testing.TB, w *world, name string) access.Account {
	t.Helper()
	all, err := w.Accounts(t.Context(), root())
	if err != nil {
		t.Fatal(err)
	}
	for _, a := range all {
		if a.Name == name {
			return a
		}
	}
	t.Fatalf("no account %s", name)
	return access.Account{}
}

func change(t testing.TB, w *world, a access.Account, c access.AccountChange) access.Account {
	t.Helper()
	c.Version = a.Version
	a, err := w.ChangeAccount(t.Context(), root(), a.Name, c, from("10.0.0.1"))
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func TestLogInIsLimited(t *testing.T) {
	w := newWorld(t)
	w.person("lan", access.Viewer)
	w.person("minh", access.Viewer)
	lan := account(t, w, "lan")
	try := func(name, addr string, p, sign access.Secret) error {
		c := from(addr)
		c.Familiar = sign
		_, err := w.LogIn(t.Context(), name, p, c)
		return err
	}
	const wrong, stranger, office = "wrong wrong wrong", "192.0.2.7", "10.0.0.9"
	sign := access.Familiarize(lan, "")
	// A stranger's waits grow, whatever is tried while waiting.
	for range 5 {
		wants(t, "an early failure", try("lan", stranger, wrong, ""), access.ReasonWrongLogIn)
	}
	for wait := 2 * time.Second; wait < 16*time.Minute; wait = min(2*wait, 16*time.Minute) {
		err := try("lan", stranger, good, "")
		wants(t, "the right password while waiting", err, access.ReasonTooMany)
		var e *access.Error
		if errors.As(err, &e) && (e.RetryAfter != min(wait, 15*time.Minute) || e.GetHeaders().Get("Retry-After") == "" || !strings.Contains(e.VI, "giây")) {
			t.Errorf("have %+v, want to wait %s, said in both languages", e, wait)
		}
		w.pass(wait)
		wants(t, "a failure after waiting", try("lan", stranger, wrong, ""), access.ReasonWrongLogIn)
	}
	wants(t, "lan elsewhere", try("lan", office, good, ""), "")
	wants(t, "lan at the stranger's address, in a browser of hers", try("lan", stranger, good, sign), "")
	wants(t, "lan at the stranger's address, with the sign of minh's", try("lan", stranger, good, access.Familiarize(account(t, w, "minh"), "")), access.ReasonTooMany)
	// By address: all names together, and IPv6 by its /64.
	for i := range 30 {
		wants(t, "a name guessed", try(fmt.Sprintf("name%d", i), fmt.Sprintf("2001:db8::%x", i+1), good, ""), access.ReasonWrongLogIn)
	}
	wants(t, "the 31st from the network", try("lan", "2001:db8::ffff", good, ""), access.ReasonTooMany)
	wants(t, "the 31st, in a browser of lan's", try("lan", "2001:db8::ffff", good, sign), "")
	wants(t, "another network", try("lan", "2001:db8:0:1::1", good, ""), "")
	// A sign that was stolen is counted by itself, and lets in nobody.
	for range 5 {
		wants(t, "a failure with the sign", try("lan", stranger, wrong, sign), access.ReasonWrongLogIn)
	}
	wants(t, "one more with the sign", try("lan", office, good, sign), access.ReasonTooMany)
	wants(t, "lan without it", try("lan", office, good, ""), "")
	if w.count(access.EventFilter{Reason: "too_many_attempts"}) < 10 {
		t.Error("refused attempts are not in the journal")
	}
}

// A browser's sign serves several people and ends with the password.
func TestFamiliarBrowser(t *testing.T) {
	w := newWorld(t)
	for _, n := range []string{"lan", "minh", "a1", "a2", "a3"} {
		w.person(n, access.Viewer)
	}
	lan, minh := account(t, w, "lan"), account(t, w, "minh")
	sign := access.Familiarize(minh, access.Familiarize(lan, ""))
	if again := access.Familiarize(minh, sign); again != sign {
		t.Errorf("a second log-in of the same account changes the sign")
	}
	for _, a := range []access.Account{lan, minh} {
		if access.FamiliarOf(a, sign) == "" {
			t.Errorf("%s is a stranger in a browser of theirs", a.Name)
		}
	}
	lan.Password += "x"
	for name, s := range map[string]access.Secret{"none": "", "a nonce alone": sign[:22], "cut": sign[:len(sign)-1], "long": access.Secret(strings.Repeat(string(sign)+".", 9)), "not of base64": "é." + sign} {
		if access.FamiliarOf(minh, s) != "" && name != "cut" || access.FamiliarOf(lan, s) != "" {
			t.Errorf("%s is taken for a sign", name)
		}
	}
	if access.FamiliarOf(lan, sign) != "" {
		t.Error("the sign outlives the password")
	}
	url := w.serve(t, true)
	b := newBrowser(t, url)
	b.logIn("lan")
	b.is(204, "DELETE", "/api/v1/session", nil, nil)
	kept := ""
	for _, k := range b.client.Jar.Cookies(mustURL(t, url)) {
		kept += " " + k.Name
	}
	if !strings.Contains(kept, "__Host-haidang-known") || strings.Contains(kept+" ", "__Host-haidang ") {
		t.Errorf("after logging out the browser keeps%s, want the sign alone", kept)
	}
}

// Many at once are counted as many.
func TestLogInIsLimitedConcurrently(t *testing.T) {
	w := newWorld(t)
	w.person("lan", access.Viewer)
	var wrong, limited atomic.Int32
	var wg sync.WaitGroup
	for range 60 {
		wg.Go(func() {
			_, err := w.LogIn(t.Context(), "lan", "wrong wrong wrong", from("192.0.2.7"))
			switch access.ReasonOf(err) {
			case access.ReasonWrongLogIn, access.ReasonBusy:
				wrong.Add(1)
			case access.ReasonTooMany:
				limited.Add(1)
			default:
				t.Errorf("have %v", err)
			}
		})
	}
	wg.Wait()
	// Whoever found no place in the queue was not looked at, and may try again.
	if wrong.Load() < 5 || limited.Load() < 30 {
		t.Errorf("%d were looked at or found no place, and %d refused; want 5 looked at and most refused", wrong.Load(), limited.Load())
	}
}

func TestMemoryIsBounded(t *testing.T) {
	w := newWorld(t)
	for i := range 25000 {
		// Refused before the password is looked at is not needed here: the limits
		// and the journal are what grows.
		w.NoteRefused(access.Refusal{Kind: "connect", Username: fmt.Sprintf("dev-%d", i), ClientID: "c", Reason: "password longer than 1024 bytes", Remote: addr(i)})
	}
	_, tallies, waiting := w.Remembered()
	if tallies > 1010 || waiting > 1100 {
		t.Errorf("the journal holds %d tallies and %d entries after 25,000 different refusals", tallies, waiting)
	}
	if err := w.Look(t.Context()); err != nil {
		t.Fatal(err)
	}
	w.pass(11 * time.Minute)
	if n := w.count(access.EventFilter{Action: access.CredentialRefused}); n != 25000 {
		t.Errorf("the journal counts %d of 25,000 refusals", n)
	}
	all, _ := w.Events(t.Context(), access.EventFilter{Action: access.CredentialRefused, Limit: 1})
	if all[0].Seq > 1010 {
		t.Errorf("25,000 refusals made %d entries", all[0].Seq)
	}
}

func TestPasswordRules(t *testing.T) {
	w := newWorld(t, func(o *access.Options) { o.Words = []string{"thanhpho.example"} })
	try := func(name string, p access.Secret) error {
		n := access.NewAccount{Name: name, Display: "Nguyễn Thị Lan", Role: access.Viewer, Password: p}
		_, err := w.CreateAccount(t.Context(), root(), n, from("10.0.0.1"))
		return err
	}
	for _, p := range []access.Secret{"", "short", "nguyenlan2026!", access.Secret(strings.Repeat("ab3$x", 60)), "bad \xff utf-8 here"} {
		wants(t, fmt.Sprintf("password %q", string(p)), try("nguyenlan", p), access.ReasonWeakPassword)
	}
	for _, p := range []access.Secret{"aaaaaaaaaaaaaaaa", "123456789012345", "password1234", "P@ssw0rd1234", "qwertyuiop123", "1q2w3e4r5t6y", "iloveyou123456",
		"matkhau123456", "Mật khẩu 123456", "anhyeuem123456", "Anh yêu em 2024", "emyeuanhnhieu", "haidang2026!!", "Hải Đăng Nha Trang", "khanhhoa123456", "nhatrang@2025",
		"NguyenThiLan1990", "nguyễn thị lan", "vietnamvodich", "thanhpho.example", "abcdefghijkl", "hochiminh1975"} {
		wants(t, fmt.Sprintf("password %q", string(p)), try("ql", p), access.ReasonGuessable)
	}
	for i, p := range []access.Secret{good, "ngọn đèn khuya 37 sóng vỗ", "correct horse battery staple", "vWq8#kLm2!xZ", "!#%&(=?`>*;:_<", "con mèo xanh gặm bút chì", access.Secret(strings.Repeat("ệ", 4)) + "q7#Vw0zR"} {
		wants(t, fmt.Sprintf("password %q", string(p)), try(fmt.Sprintf("ql%d", i), p), "")
	}
	for _, n := range []string{"", "local", "a b", "a/b", "LẠN", "terminal", "a\nb", strings.Repeat("x", 65)} {
		_, err := w.CreateAccount(t.Context(), root(), access.NewAccount{Name: n, Role: access.Viewer, Password: good}, from("10.0.0.1"))
		wants(t, fmt.Sprintf("name %q", n), err, access.ReasonBadName)
	}
	_, err := w.CreateAccount(t.Context(), root(), access.NewAccount{Name: "x", Role: "root", Password: good}, from("10.0.0.1"))
	wants(t, "an unknown role", err, access.ReasonBadRole)
	w.person("lan", access.Viewer)
	_, err = w.CreateAccount(t.Context(), root(), access.NewAccount{Name: "Lan", Role: access.Admin, Password: good}, from("10.0.0.1"))
	wants(t, "a taken name", err, access.ReasonNameTaken)
	_, err = w.CreateAccount(t.Context(), access.Principal{Account: "op", Role: access.Operator}, access.NewAccount{Name: "y", Role: access.Admin, Password: good}, from("10.0.0.1"))
	wants(t, "an operator", err, access.ReasonRole)
	_, err = w.CreateAccount(t.Context(), access.Principal{}, access.NewAccount{Name: "y", Role: access.Admin, Password: good}, from("10.0.0.1"))
	wants(t, "nobody", err, access.ReasonLogInNeeded)
}

func TestLastAdminStays(t *testing.T) {
	w := newWorld(t)
	w.person("an", access.Admin)
	viewer, yes := access.Viewer, true
	for _, c := range []access.AccountChange{{Role: &viewer}, {Disabled: &yes}} {
		c.Version = 1
		_, err := w.ChangeAccount(t.Context(), root(), "an", c, from("10.0.0.1"))
		wants(t, "the last admin", err, access.ReasonLastAdmin)
	}
	_, err := w.ChangeAccount(t.Context(), root(), "an", access.AccountChange{Version: 1, Localities: &[]telemetry.Locality{"cam-ranh"}}, from("10.0.0.1"))
	wants(t, "an admin of one locality", err, access.ReasonEverywhere)
	w.person("binh", access.Admin)
	_, err = w.ChangeAccount(t.Context(), root(), "an", access.AccountChange{Version: 7, Role: &viewer}, from("10.0.0.1"))
	wants(t, "a stale version", err, access.ReasonStale)
	change(t, w, account(t, w, "an"), access.AccountChange{Role: &viewer})
	all, err := w.Events(t.Context(), access.EventFilter{Action: access.RoleChanged})
	if err != nil || len(all) != 1 || all[0].Detail != "admin → viewer" || all[0].Who != "terminal:root" {
		t.Errorf("have %+v, %v", all, err)
	}
}

func TestFirstLink(t *testing.T) {
	w := newWorld(t)
	ctx := t.Context()
	old, ok, err := w.FirstLink(ctx)
	if err != nil || !ok {
		t.Fatal(ok, err)
	}
	l, _, err := w.FirstLink(ctx) // another start
	if err != nil || !strings.HasPrefix(l.URL("https://h/"), "https://h/welcome#") {
		t.Fatal(l.URL("https://h/"), err)
	}
	redeem := func(s access.Secret, name string) error {
		_, err := w.Redeem(ctx, s, name, "", good, from("10.0.0.1"))
		return err
	}
	wants(t, "the link of the start before", redeem(old.Secret, "an"), access.ReasonBadLink)
	wants(t, "no link", redeem("", "an"), access.ReasonBadLink)
	_, err = w.Redeem(ctx, l.Secret, "an", "", "weak", from("10.0.0.1"))
	wants(t, "a weak password", err, access.ReasonWeakPassword)
	w.pass(25 * time.Hour)
	wants(t, "after a day", redeem(l.Secret, "an"), access.ReasonBadLink)
	l, _, _ = w.FirstLink(ctx)
	// Of many at once one makes the account.
	var made atomic.Int32
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			switch err := redeem(l.Secret, fmt.Sprintf("admin%d", i)); access.ReasonOf(err) {
			case "":
				made.Add(1)
			case access.ReasonBadLink:
			default:
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if made.Load() != 1 {
		t.Errorf("the link made %d accounts", made.Load())
	}
	if _, ok, _ := w.FirstLink(ctx); ok {
		t.Error("there is an administrator, and another first link")
	}
	if n := w.count(access.EventFilter{Action: access.LinkUsed}); n != 1 {
		t.Errorf("the journal has %d uses of the link", n)
	}
	if w.count(access.EventFilter{Action: access.LinkRefused}) == 0 {
		t.Error("the journal has no refused links")
	}
}

func TestInvitation(t *testing.T) {
	w := newWorld(t)
	ctx := t.Context()
	l, err := w.Invite(ctx, root(), access.Invitation{Role: access.Field, Localities: []telemetry.Locality{"cam-ranh"}}, from("10.0.0.1"))
	if err != nil {
		t.Fatal(err)
	}
	in, err := w.Redeem(ctx, l.Secret, "Tuan", "Trần Tuấn", good, from("10.0.0.1"))
	if err != nil || in.Account.Role != access.Field || len(in.Account.Localities) != 1 {
		t.Fatal(in, err)
	}
	_, err = w.Redeem(ctx, l.Secret, "other", "", good, from("10.0.0.1"))
	wants(t, "a used link", err, access.ReasonBadLink)
	reset, err := w.Invite(ctx, root(), access.Invitation{Account: "tuan"}, from("10.0.0.1"))
	if err != nil {
		t.Fatal(err)
	}
	const other = access.Secret("gió mùa đông bắc 88")
	if _, err = w.Redeem(ctx, reset.Secret, "", "", other, from("10.0.0.1")); err != nil {
		t.Fatal(err)
	}
	_, err = w.LogIn(ctx, "tuan", good, from("10.0.0.1"))
	wants(t, "the old password", err, access.ReasonWrongLogIn)
	if a := account(t, w, "tuan"); a.Role != access.Field {
		t.Errorf("a new password made tuan %s", a.Role)
	}
	_, err = w.LogIn(ctx, "tuan", other, from("10.0.0.1"))
	wants(t, "the new password", err, "")
	_, err = w.Invite(ctx, access.Principal{Account: "tuan", Role: access.Field}, access.Invitation{Role: access.Admin}, from("10.0.0.1"))
	wants(t, "an invitation by a field person", err, access.ReasonRole)
}

// A flood of log-ins cannot take more than two hashes' memory at a time, and
// those who cannot be served are told so.
func TestHashingIsBounded(t *testing.T) {
	w := newWorld(t)
	ctx, cancel := context.WithCancel(t.Context())
	var busy, other atomic.Int32
	var wg sync.WaitGroup
	for range 400 {
		wg.Go(func() {
			if _, err := w.Verify(ctx, good, ""); access.ReasonOf(err) == access.ReasonBusy {
				busy.Add(1)
			} else {
				other.Add(1)
			}
		})
	}
	wg.Wait()
	cancel()
	if busy.Load()+other.Load() != 400 || other.Load() == 0 {
		t.Errorf("%d busy, %d other", busy.Load(), other.Load())
	}
}

func TestBadHashesNeverMatch(t *testing.T) {
	w := newWorld(t)
	hash, err := w.Hash(t.Context(), good)
	if err != nil {
		t.Fatal(err)
	}
	if ok, err := w.Verify(t.Context(), good, hash); !ok || err != nil {
		t.Fatal(ok, err)
	}
	for _, h := range []string{"", "x", strings.Replace(hash, "argon2id", "argon2i", 1), strings.Replace(hash, "m=64", "m=4294967295", 1),
		strings.Replace(hash, "t=1", "t=0", 1), strings.Replace(hash, "p=1", "p=0", 1), hash[:len(hash)-30], hash + "$", hash[1:]} {
		if ok, err := w.Verify(t.Context(), good, h); ok || err != nil {
			t.Errorf("%q: have %v, %v", h, ok, err)
		}
	}
}

func BenchmarkLogInHash(b *testing.B) {
	w := newWorld(b)
	c, err := access.New(access.Options{Store: w.store.Access()})
	if err != nil {
		b.Fatal(err)
	}
	hash, err := c.Hash(b.Context(), good)
	if err != nil {
		b.Fatal(err)
	}
	b.Run("right", func(b *testing.B) {
		for b.Loop() {
			c.Verify(b.Context(), good, hash)
		}
	})
	b.Run("unknown account", func(b *testing.B) {
		for b.Loop() {
			c.Verify(b.Context(), good, "")
		}
	})
}
