package api

import (
	"context"
	"fmt"
	"time"

	"github.com/haidang-iot/haidang/devices"
	"github.com/haidang-iot/haidang/ingest/telemetry"
)

// evidence is all that is known of whether a device works.
type evidence struct {
	placed     devices.Placed
	registered bool
	good       *Reading // the newest valid reading since it stands there
	waiting    []Waiting
	refused    *Refused
	heard      *devices.Heard
	silence    devices.DeviceSilence
}

func (a *API) check(ctx context.Context, in *DevicePath) (*out[Check], error) {
	if err := a.mayDevice(ctx, in.ID); err != nil {
		return nil, a.fail(ctx, err)
	}
	e, err := a.gather(ctx, in.ID)
	if err != nil {
		return nil, a.fail(ctx, err)
	}
	c := Check{Device: in.ID, Registered: e.registered, Checked: a.Now().UTC()}
	if e.placed.Site != nil {
		c.Site = e.placed.Site.ID
	}
	e.judge(&c)
	for _, w := range e.waiting {
		c.Waiting += w.Count
	}
	if c.State == Receiving {
		c.First = a.firstReading(ctx, e)
	}
	c.LastSeen = moment(e.lastSeen())
	c.TextVI, c.TextEN = checkText(&c)
	for _, h := range a.unitHints(&c) {
		c.TextVI, c.TextEN = c.TextVI+" "+h.Vietnamese(), c.TextEN+" "+h.English()
	}
	return &out[Check]{c}, nil
}

// unitHints ask about units that seem to be others than the catalogue's: where the
// first and the newest reading say the same, for one alone may be wrong by itself.
// Those of its first day, where there are any, go before.
func (a *API) unitHints(c *Check) (hints []telemetry.UnitHint) {
	_, states := a.board.silences()
	if day := states[c.Device].Units; len(day) > 0 {
		return day
	}
	if c.State != Receiving || c.First == nil || c.Last == nil || c.First.Kind != c.Last.Kind {
		return nil
	}
	kind := a.Registry.Catalogue.Kind(c.Last.Kind)
	for _, m := range kind.Metrics {
		v, there := c.Last.Values[m.Name]
		first, was := c.First.Values[m.Name]
		if !there || !was {
			continue
		}
		h, odd := telemetry.HintUnit(kind.Kind, &m, v)
		if _, before := telemetry.HintUnit(kind.Kind, &m, first); odd && before {
			hints = append(hints, h)
		}
	}
	return hints
}

// gather asks all who may know something of a device.
func (a *API) gather(ctx context.Context, id telemetry.Device) (e evidence, err error) {
	e.placed, err = a.Registry.Device(ctx, id)
	e.registered = err == nil
	if err != nil && devices.CodeOf(err) != devices.NotFound {
		return e, err
	}
	if e.placed.Installation != nil {
		if e.good, err = a.goodReading(ctx, e.placed); err != nil {
			return e, err
		}
	}
	if a.Quarantine != nil {
		if e.waiting, err = a.Quarantine.Waiting(ctx, id); err != nil {
			return e, fmt.Errorf("read quarantine of device: %w", err)
		}
	}
	if a.Refusals != nil {
		r, ok, err := a.Refusals.Refused(ctx, id)
		if err != nil {
			return e, fmt.Errorf("read refusals of device: %w", err)
		}
		if ok {
			e.refused = &r
		}
	}
	heard, _, err := a.Registry.Heard(ctx, devices.HeardFilter{Device: id, Limit: 1})
	if err == nil && len(heard) > 0 {
		e.heard = &heard[0]
	}
	_, states := a.board.silences()
	e.silence = states[id]
	if e.silence.State == "" && e.placed.Installation != nil { // nobody judges, or not yet
		for _, s := range devices.NewSilence(a.Now()).At(a.Now(), a.board.at()[e.placed.Installation.Site]).Devices {
			if s.Device == id {
				e.silence = s
			}
		}
	}
	return e, err
}

// goodReading is the newest reading of what the device measures, since it stands
// where it stands.
func (a *API) goodReading(ctx context.Context, p devices.Placed) (*Reading, error) {
	readings, err := a.newestAt(ctx, p.Installation.Site)
	if err != nil {
		return nil, err
	}
	var best *Reading
	for i, r := range readings {
		if r.Device == p.Device.ID && r.Kind != telemetry.Status && measures(r) && p.Installation.Holds(r.Time) && (best == nil || r.Time.After(best.Time)) {
			best = &readings[i]
		}
	}
	return best, nil
}

// measures reports whether a reading tells of more than the device itself.
func measures(r Reading) bool {
	for m := range r.Values {
		if !telemetry.OfDevice(m) {
			return true
		}
	}
	return false
}

// firstReading is the first since the device stands there; the newest where the
// store does not say.
func (a *API) firstReading(ctx context.Context, e evidence) *Reading {
	if a.Readings == nil {
		return e.good
	}
	first, ok, err := a.Readings.First(ctx, e.placed.Device.ID, e.placed.Installation.Site, e.placed.Installation.From)
	if err != nil {
		a.Logger.Warn("cannot read first reading", "device", e.placed.Device.ID, "error", err)
	}
	if err != nil || !ok || first.Time.After(e.good.Time) || first.Values[telemetry.QualityCode] > float64(telemetry.Measuring) {
		return e.good
	}
	return &first
}

// judge finds the state. What happened last counts: a device that was received
// and is refused since is not received.
func (e *evidence) judge(c *Check) {
	var good time.Time
	c.Online, c.LastContact = e.silence.Online, moment(e.silence.LastContact)
	if e.good != nil {
		good = e.good.Time
		c.Last = e.good
		switch {
		case e.silence.Faulty, !e.overdue(c.Checked) && e.good.Values[telemetry.QualityCode] >= float64(telemetry.InstrumentError):
			c.State = FaultyValue
			return
		case !e.overdue(c.Checked):
			c.State = Receiving
			return
		}
	}
	held, reason := e.heldBack()
	switch {
	case e.refused != nil && e.refused.At.After(good) && !held.After(e.refused.At):
		c.State, c.Reason, c.Detail = refusalState(e.refused.Reason), e.refused.Reason, e.refused.Detail
	case reason != "" && held.After(good):
		c.State = Quarantined
		e.explain(c, reason)
	case e.good != nil:
		c.State = LateReading
		c.Missing = c.Checked.Sub(good).Seconds()
	default:
		c.State = NeverHeard
	}
}

// waitingLate is after how many cadences a reading is overdue of which the judge of
// silence was not told.
const waitingLate = 3

// overdue reports whether the next reading is overdue. The judge of silence goes by
// when the last was received, so that a device that sends what it had stored is not
// late.
func (e *evidence) overdue(now time.Time) bool {
	switch e.silence.State {
	case devices.Late, devices.Silent:
		return true
	case devices.Waiting:
		return e.silence.Cadence > 0 && now.Sub(e.good.Time) > waitingLate*e.silence.Cadence
	default:
		return false
	}
}

// heldBack is when something of the device was last kept from the store, and why.
func (e *evidence) heldBack() (at time.Time, reason string) {
	if len(e.waiting) > 0 {
		at, reason = e.waiting[0].Received, string(e.waiting[0].Reason)
	}
	if e.heard != nil && !e.heard.Provisional && e.heard.Last.After(at) {
		at, reason = e.heard.Last, string(e.heard.Reason)
	}
	return at, reason
}

// explain adds why and a sample.
func (e *evidence) explain(c *Check, reason string) {
	c.Reason = reason
	if len(e.waiting) > 0 {
		w := e.waiting[0]
		c.Detail, c.Topic = w.Detail, w.Topic
		c.Sample, c.Binary = payload(w.Payload)
		return
	}
	c.Topic = e.heard.Topic
	c.Sample, c.Binary = payload(e.heard.Sample)
}

// lastSeen is the last sign of the device of any sort.
func (e *evidence) lastSeen() time.Time {
	at, _ := e.heldBack()
	times := []time.Time{e.silence.LastReceived, e.silence.LastContact}
	if e.good != nil {
		times = append(times, e.good.Time)
	}
	if e.refused != nil {
		times = append(times, e.refused.At)
	}
	for _, t := range times {
		if t.After(at) {
			at = t
		}
	}
	return at
}

// checkText is what the technician reads.
func checkText(c *Check) (vi, en string) {
	switch c.State {
	case Receiving:
		if c.Last.Values[telemetry.QualityCode] >= float64(telemetry.Calibrating) {
			return "Đã nhận dữ liệu; thiết bị đang hiệu chuẩn.", "Data is being received; the instrument is calibrating."
		}
		return "Đã nhận dữ liệu.", "Data is being received."
	case FaultyValue:
		return "Có nhận dữ liệu, nhưng thiết bị báo lỗi: các giá trị không dùng được. Kiểm tra đầu đo và dây nối.",
			"Data is being received, but the instrument reports an error: its values are not to be used. Check the probe and its wiring."
	case LateReading:
		if c.Online {
			return "Thiết bị có kết nối nhưng không gửi số liệu. Kiểm tra cấu hình, đầu đo và đồng hồ của thiết bị.",
				"The device is online and sends no readings. Check its settings, its probe and its clock."
		}
		return "Đã từng nhận dữ liệu, nhưng đang trễ. Kiểm tra nguồn điện và sóng.", "Data was received before, and is overdue. Check power and signal."
	case WrongSecret:
		return "Thiết bị có kết nối nhưng bị từ chối: mật khẩu sai hoặc đã thu hồi. Nạp lại mật khẩu, hoặc cấp mật khẩu mới.",
			"The device connects and is refused: its secret is wrong or revoked. Enter it again, or issue a new one."
	case Rejected:
		vi, en = refusalText(c.Reason)
		return "Thiết bị có kết nối nhưng bị từ chối: " + vi, "The device connects and is refused: " + en
	case Quarantined:
		vi, en = reasonText(c.Reason)
		return "Đã nghe thấy thiết bị, nhưng dữ liệu chưa lưu được: " + vi, "The device is heard, but its data cannot be stored: " + en
	}
	if !c.Registered {
		return "Thiết bị chưa được đăng ký và chưa nghe thấy gì từ nó.", "The device is not registered, and nothing has been heard of it."
	}
	if c.Online {
		return "Thiết bị có kết nối nhưng chưa gửi số liệu nào. Kiểm tra cấu hình và đầu đo.", "The device is online and has sent no reading yet. Check its settings and its probe."
	}
	return "Chưa nghe thấy gì từ thiết bị. Kiểm tra nguồn điện, sóng và địa chỉ máy chủ.", "Nothing has been heard of the device yet. Check power, signal and the server's address."
}

// reasonText is a reason of quarantine or admission in words.
func reasonText(reason string) (vi, en string) {
	switch reason {
	case string(telemetry.BadTopic):
		return "chủ đề MQTT sai; phải là kh/<địa phương>/<loại đo>/<thiết bị>.", "the MQTT topic is wrong; it must be kh/<locality>/<kind>/<device>."
	case string(telemetry.Empty):
		return "tin nhắn rỗng.", "the message is empty."
	case string(telemetry.TooLarge):
		return "tin nhắn quá dài.", "the message is too long."
	case string(telemetry.NotJSON):
		return "nội dung không phải JSON hợp lệ.", "the payload is not valid JSON."
	case string(telemetry.WrongType), string(telemetry.RepeatedField):
		return "một trường sai kiểu hoặc bị lặp.", "a field is of the wrong type, or there twice."
	case string(telemetry.NotFinite), string(telemetry.OutOfRange):
		return "giá trị nằm ngoài khoảng có thể có.", "a value is outside what is possible."
	case string(telemetry.UnknownMetric):
		return "có đại lượng không thuộc loại đo này.", "a metric is not of this kind."
	case string(telemetry.BadTime), string(telemetry.NoTime):
		return "thời gian trong tin nhắn không đọc được.", "the time in the message cannot be read."
	case string(telemetry.MisnamedTime):
		return "thời gian đo không ở trường ts; hãy đổi tên trường thành ts.", "its time is not under ts; rename the field ts."
	case string(telemetry.FutureTime):
		return "đồng hồ của thiết bị chạy nhanh; hãy chỉnh giờ.", "the device's clock is ahead; set it."
	case string(telemetry.TooOld):
		return "thời gian quá xa trong quá khứ; hãy chỉnh giờ của thiết bị.", "the time is too long ago; set the device's clock."
	case string(telemetry.UnknownLocality):
		return "không có địa phương như trong chủ đề MQTT; sửa chủ đề trong thiết bị.", "there is no locality as in its MQTT topic; mend the topic in the device."
	case string(devices.WrongLocality):
		return "địa phương trong chủ đề MQTT không phải địa phương của điểm đo.", "the locality in the MQTT topic is not the site's."
	case string(telemetry.UnknownKind), string(devices.WrongKind):
		return "thiết bị chưa được đăng ký cho loại đo này.", "the device is not registered for this kind."
	case string(telemetry.Unregistered):
		return "thiết bị chưa được đăng ký, hoặc chưa đặt ở điểm nào vào lúc đo.", "the device is not registered, or stood nowhere when it measured."
	case string(devices.NotStanding):
		return "thiết bị chưa đặt ở điểm nào vào lúc đo.", "the device stood nowhere when it measured."
	case string(devices.CapReached):
		return "đã có quá nhiều thiết bị chưa đăng ký.", "there are too many unregistered devices already."
	default:
		return reason + ".", reason + "."
	}
}
