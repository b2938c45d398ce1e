package api

import "slices"

// refusalState tells a refused secret, for which the remedy is another one, from all else.
func refusalState(reason string) CheckState {
	if slices.Contains([]string{"wrong_secret", "revoked_or_expired_secret", "no_credential"}, reason) {
		return WrongSecret
	}
	return Rejected
}

// refusalText is why a device is refused, in words, and what to do. The words are those
// of access control, which has them of MQTT's reason codes.
func refusalText(reason string) (vi, en string) {
	switch reason {
	case "not_installed":
		return "thiết bị chưa được đặt ở điểm đo nào. Hãy lắp nó vào một điểm đo.", "it stands nowhere. Install it at a site."
	case "retired":
		return "thiết bị đã thanh lý.", "it is retired."
	case "protocol_version":
		return "phiên bản MQTT của thiết bị không được hỗ trợ; hãy chọn MQTT 3.1.1 hoặc 5.", "its version of MQTT is not spoken here; set 3.1.1 or 5."
	case "bad_client_id":
		return "mã client không dùng được: để trống thì phải bật Clean Session; nếu không, đặt một mã ngắn.", "its client id cannot be used: an empty one needs Clean Session; otherwise set a short one."
	case "client_id_of_another":
		return "mã client là của thiết bị khác; hãy đặt mã riêng.", "its client id is another device's; set one of its own."
	case "session_taken_over":
		return "một kết nối khác cùng tài khoản và mã client đã thay thế nó; hãy đặt mã client khác nhau cho từng kết nối.",
			"another connection of the same user and client id has taken its session over; give each connection a client id of its own."
	case "not_its_topic", "not_authorized":
		return "chủ đề không phải của thiết bị; phải là kh/<địa phương>/<loại đo>/<thiết bị>, với địa phương của điểm đo và loại đo đã đăng ký.",
			"the topic is not its own; it must be kh/<locality>/<kind>/<device>, with its site's locality and a kind it is registered for."
	case "wildcard", "bad_topic":
		return "chủ đề gửi lên không hợp lệ (có ký tự đại diện, hoặc sai).", "it publishes to a topic that is none (a wildcard, or malformed)."
	case "packet_too_large":
		return "bản tin quá lớn; hãy gửi nhỏ hơn.", "its message is too large; send smaller ones."
	case "too_many_messages", "quota_reached", "too_many_in_flight":
		return "thiết bị gửi nhiều hơn mức cho phép; hãy gửi thưa hơn.", "it sends more than it may; send less often."
	case "too_many_connections":
		return "quá nhiều kết nối cùng lúc với tài khoản này.", "it has too many connections at a time."
	case "server_busy":
		return "máy chủ đang bận; thiết bị nên thử lại.", "the server is busy; it should try again."
	case "silent_too_long":
		return "thiết bị im lặng lâu hơn chu kỳ keep-alive của nó; kiểm tra sóng.", "it was silent for longer than its keep-alive; check its signal."
	case "malformed_packet", "protocol_error", "not_offered":
		return "thiết bị gửi gói tin sai giao thức MQTT; kiểm tra cổng và thư viện.", "it sends what is not MQTT, or not right; check port and library."
	}
	return reason + ".", reason + "."
}
