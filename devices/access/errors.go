package access

import (
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/haidang-iot/haidang/devices"
)

// Code says what kind of thing went wrong.
type Code string

// The codes; status maps them to HTTP.
const (
	Unauthenticated Code = "unauthenticated"
	Forbidden       Code = "forbidden"
	Invalid         Code = "invalid"
	NotFound        Code = "not_found"
	Conflict        Code = "conflict"
	TooMany         Code = "too_many"
	Busy            Code = "busy"
	Internal        Code = "internal"
)

// Reason is the stable word for what is wrong.
type Reason string

// The reasons that people and programs are told.
const (
	ReasonLogInNeeded   Reason = "log_in_needed"
	ReasonWrongLogIn    Reason = "wrong_name_or_password"
	ReasonBadToken      Reason = "bad_token"
	ReasonDevice        Reason = "wrong_device_or_secret"
	ReasonRole          Reason = "role_too_low"
	ReasonEverywhere    Reason = "admin_everywhere"
	ReasonPerson        Reason = "person_needed"
	ReasonNoRole        Reason = "operation_without_role"
	ReasonScope         Reason = "scope_too_low"
	ReasonRights        Reason = "rights_changed"
	ReasonForged        Reason = "csrf_token_missing"
	ReasonCrossOrigin   Reason = "cross_origin"
	ReasonPlainHTTP     Reason = "not_encrypted"
	ReasonTooMany       Reason = "too_many_attempts"
	ReasonBusy          Reason = "busy"
	ReasonTooManyAtOnce Reason = "too_many_at_once"
	ReasonBadName       Reason = "bad_name"
	ReasonNameTaken     Reason = "name_taken"
	ReasonWeakPassword  Reason = "weak_password"
	ReasonGuessable     Reason = "guessable_password"
	ReasonBadRole       Reason = "bad_role"
	ReasonBadScope      Reason = "bad_scope"
	ReasonBadExpiry     Reason = "bad_expiry"
	ReasonBadLink       Reason = "bad_link"
	ReasonLastAdmin     Reason = "last_admin"
	ReasonStale         Reason = "changed_meanwhile"
	ReasonNotFound      Reason = "not_found"
	ReasonNoAccount     Reason = "no_account"
	ReasonForeign       Reason = "logs_in_elsewhere"
	ReasonRetired       Reason = "retired"
	ReasonOIDC          Reason = "oidc_failed"
	ReasonNoOIDCRole    Reason = "oidc_without_role"
	ReasonInternal      Reason = "internal"
)

// Error is why an operation was refused, told to a person in both languages. It
// is also the body of the HTTP answer, as problem details (RFC 9457).
type Error struct {
	Code   Code   `json:"code"`
	Reason Reason `json:"reason"`
	// Field is where in the input, where it concerns one.
	Field string `json:"field,omitempty"`
	VI    string `json:"vi"`
	EN    string `json:"en"`
	// Title, Status and Detail are the English sentence in the form of the RFC.
	Title  string `json:"title"`
	Status int    `json:"status"`
	Detail string `json:"detail"`
	// RetryAfter is when another attempt makes sense.
	RetryAfter time.Duration `json:"-"`
	// Err is the cause of an internal error, for the log.
	Err error `json:"-"`
}

// Error gives the English sentence.
func (e *Error) Error() string {
	if e.Err != nil {
		return string(e.Reason) + ": " + e.EN + ": " + e.Err.Error()
	}
	return string(e.Reason) + ": " + e.EN
}

// Unwrap gives the cause.
func (e *Error) Unwrap() error { return e.Err }

// GetStatus implements huma.StatusError.
func (e *Error) GetStatus() int { return e.Status }

// ContentType implements huma.ContentTypeFilter.
func (*Error) ContentType(string) string { return "application/problem+json" }

// GetHeaders implements huma.HeadersError.
func (e *Error) GetHeaders() http.Header {
	h := http.Header{"Cache-Control": {"no-store"}}
	if e.RetryAfter > 0 {
		h.Set("Retry-After", fmt.Sprint(int64((e.RetryAfter+time.Second-1)/time.Second)))
	}
	if e.Code == Unauthenticated {
		h.Set("WWW-Authenticate", `Bearer realm="haidang"`)
	}
	return h
}

// status is the one mapping to HTTP.
func (c Code) status() int {
	switch c {
	case Unauthenticated:
		return http.StatusUnauthorized
	case Forbidden:
		return http.StatusForbidden
	case Invalid:
		return http.StatusUnprocessableEntity
	case NotFound:
		return http.StatusNotFound
	case Conflict:
		return http.StatusConflict
	case TooMany:
		return http.StatusTooManyRequests
	case Busy:
		return http.StatusServiceUnavailable
	default:
		return http.StatusInternalServerError
	}
}

// fault makes the error of a reason; the arguments fill its sentences.
func fault(r Reason, field string, args ...any) *Error {
	code, vi, en := sentences(r)
	e := &Error{Code: code, Reason: r, Field: field, VI: fmt.Sprintf(vi, args...), EN: fmt.Sprintf(en, args...), Status: code.status()}
	e.Title, e.Detail = http.StatusText(e.Status), e.EN
	return e
}

// outside is the registry's error of acting outside one's localities, as this
// package answers.
func outside(d *devices.Error) *Error {
	e := &Error{Code: Forbidden, Reason: Reason(d.Reason), VI: d.VI, EN: d.EN, Status: Forbidden.status()}
	e.Title, e.Detail = http.StatusText(e.Status), e.EN
	return e
}

// wrapped leaves errors of this package as they are and makes all others
// internal; "verb object" says what was being done.
func wrapped(what string, err error) error {
	var e *Error
	if err == nil || errors.As(err, &e) {
		return err
	}
	e = fault(ReasonInternal, "")
	e.Err = fmt.Errorf("%s: %w", what, err)
	return e
}

// ReasonOf is the reason of an error; "" for one that is not of this package.
func ReasonOf(err error) Reason {
	var e *Error
	if errors.As(err, &e) {
		return e.Reason
	}
	return ""
}

// sentences are a reason's code and its templates in Vietnamese and English.
func sentences(r Reason) (code Code, vi, en string) {
	switch r {
	case ReasonLogInNeeded:
		return Unauthenticated, "Hãy đăng nhập để tiếp tục.", "Log in to go on."
	case ReasonWrongLogIn:
		return Unauthenticated, "Tên hoặc mật khẩu không đúng.", "The name or the password is wrong."
	case ReasonBadToken:
		return Unauthenticated, "Mã truy cập không đúng, đã hết hạn hoặc đã bị thu hồi.", "The token is wrong, has expired or was revoked."
	case ReasonDevice:
		return Unauthenticated, "Tên hoặc mật khẩu của thiết bị không đúng, hoặc hiện thiết bị không được gửi; nhật ký truy cập ghi rõ lý do.",
			"The device's user name or secret is wrong, or it may not send now; the access events say why."
	case ReasonRole:
		return Forbidden, "Việc này cần vai trò %[1]s; bạn có vai trò %[2]s.", "This needs the role %[1]s; yours is %[2]s."
	case ReasonNoRole:
		return Forbidden, "Thao tác này chưa được cho phép với ai cả.", "Nobody has been given leave to do this."
	case ReasonPerson:
		return Forbidden, "Việc này phải do người đăng nhập làm, không dùng mã truy cập.", "This is for a person who has logged in, not for a token."
	case ReasonScope:
		return Forbidden, "Quyền của mã truy cập này không đủ cho việc này. Hãy đăng nhập, hoặc dùng mã có quyền cao hơn.",
			"The scopes of this token do not reach this. Log in, or use a token with higher ones."
	case ReasonRights:
		return Conflict, "Quyền của bạn vừa thay đổi nên yêu cầu này đã dừng. Hãy thử lại.", "Your rights have just changed, so this request was ended. Try again."
	case ReasonForged:
		return Forbidden, "Yêu cầu thiếu mã chống giả mạo. Hãy tải lại trang rồi thử lại.", "The request lacks its CSRF token. Reload the page and try again."
	case ReasonCrossOrigin:
		return Forbidden, "Yêu cầu đến từ một trang khác nên bị từ chối.", "The request came from another site's page and was refused."
	case ReasonPlainHTTP:
		return Forbidden, "Chỉ đăng nhập được qua kết nối mã hóa (https).", "Logging in needs an encrypted connection (https)."
	case ReasonTooMany:
		return TooMany, "Quá nhiều lần thử. Hãy thử lại sau %[1]d giây.", "Too many attempts. Try again in %[1]d seconds."
	case ReasonTooManyAtOnce:
		return TooMany, "Quá nhiều yêu cầu cùng lúc từ bạn. Hãy đợi các yêu cầu trước xong rồi thử lại.", "Too many of your requests are being answered at once. Let those before end, then try again."
	case ReasonBusy:
		return Busy, "Hệ thống đang bận. Hãy thử lại sau vài giây.", "The system is busy. Try again in a few seconds."
	case ReasonOIDC:
		return Unauthenticated, "Đăng nhập qua nhà cung cấp danh tính không thành công. Hãy thử lại.", "Logging in through the identity provider failed. Try again."
	case ReasonNoOIDCRole:
		return Forbidden, "Tài khoản này chưa được cấp quyền. Hãy hỏi quản trị viên.", "This account has been given no role. Ask an administrator."
	default:
		return inputSentences(r)
	}
}

// inputSentences are those about what somebody entered.
func inputSentences(r Reason) (code Code, vi, en string) {
	switch r {
	case ReasonBadName:
		return Invalid, "Tên chỉ gồm chữ a–z, số và . - _ @ +, tối đa 64 ký tự, và không phải tên dành riêng.",
			"A name has the letters a–z, digits and . - _ @ + only, 64 at most, and is none of the reserved ones."
	case ReasonNameTaken:
		return Conflict, "Tên %[1]q đã có người dùng.", "The name %[1]q is taken."
	case ReasonWeakPassword:
		return Invalid, "Mật khẩu cần từ %[1]d đến %[2]d ký tự và không chứa tên đăng nhập.",
			"A password has %[1]d to %[2]d characters and does not contain the name."
	case ReasonGuessable:
		return Invalid, "Mật khẩu này dễ đoán: kẻ dò mật khẩu thử trước những từ, tên, ngày tháng và dãy phím như vậy. Hãy ghép vài từ không liên quan với nhau.",
			"This password is easily guessed: such words, names, dates or rows of keys are tried first. Join a few words that have nothing to do with each other."
	case ReasonBadRole:
		return Invalid, "Không có vai trò %[1]q.", "There is no role %[1]q."
	case ReasonEverywhere:
		return Invalid, "Quản trị viên có quyền ở mọi địa phương; hãy để trống mục này.", "An administrator is one everywhere; leave the localities empty."
	case ReasonBadScope:
		return Invalid, "Quyền %[1]q không có hoặc vượt quá vai trò của bạn.", "The scope %[1]q does not exist, or is more than your role."
	case ReasonBadExpiry:
		return Invalid, "Thời hạn phải từ %[1]s đến %[2]s.", "The time must be from %[1]s to %[2]s."
	case ReasonBadLink:
		return NotFound, "Liên kết này không đúng, đã dùng hoặc đã hết hạn.", "This link is wrong, used already, or has expired."
	case ReasonLastAdmin:
		return Conflict, "Đây là quản trị viên cuối cùng; hãy chỉ định người khác trước.", "This is the last administrator; appoint another first."
	case ReasonStale:
		return Conflict, "Có người vừa sửa mục này. Hãy xem lại rồi lưu.", "Somebody changed this meanwhile. Look again, then save."
	case ReasonNotFound:
		return NotFound, "Không tìm thấy %[1]q.", "There is no %[1]q."
	case ReasonNoAccount:
		return Conflict, "Việc này cần có tài khoản; hãy tạo tài khoản quản trị trước.", "This needs an account; make the administrator's first."
	case ReasonForeign:
		return Conflict, "Tài khoản này đăng nhập qua nhà cung cấp danh tính, không có mật khẩu ở đây.", "This account logs in through the identity provider and has no password here."
	case ReasonRetired:
		return Conflict, "Thiết bị %[1]s đã ngừng sử dụng.", "Device %[1]s is retired."
	default:
		return Internal, "Hệ thống gặp lỗi. Hãy thử lại; nếu vẫn lỗi, báo cho quản trị viên.", "Something went wrong on our side. Try again; if it stays, tell an administrator."
	}
}
