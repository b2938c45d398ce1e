package devices

// Reason is the stable word for what is wrong; its sentences are in messages.go
// and nowhere else.
type Reason string

// The reasons.
const (
	ReasonRequired         Reason = "required"
	ReasonTooLong          Reason = "too_long"
	ReasonBadID            Reason = "bad_id"
	ReasonBadText          Reason = "bad_text"
	ReasonBadNumber        Reason = "bad_number"
	ReasonBadValue         Reason = "bad_value"
	ReasonBadCoordinates   Reason = "bad_coordinates"
	ReasonSwapped          Reason = "swapped_coordinates"
	ReasonOutside          Reason = "outside_province"
	ReasonUnknownLocality  Reason = "unknown_locality"
	ReasonUnknownWard      Reason = "unknown_ward"
	ReasonWardEnded        Reason = "ward_not_in_force"
	ReasonUnknownKind      Reason = "unknown_kind"
	ReasonUnknownMetric    Reason = "unknown_metric"
	ReasonUnknownProfile   Reason = "unknown_profile"
	ReasonBadPeriod        Reason = "bad_period"
	ReasonFuture           Reason = "in_the_future"
	ReasonDuplicateID      Reason = "duplicate_id"
	ReasonDuplicateSerial  Reason = "duplicate_serial"
	ReasonStale            Reason = "changed_meanwhile"
	ReasonVersionRequired  Reason = "version_required"
	ReasonStandsElsewhere  Reason = "stands_elsewhere"
	ReasonKindTaken        Reason = "kind_taken"
	ReasonAlreadyThere     Reason = "already_registered"
	ReasonRequestReused    Reason = "request_reused"
	ReasonNotFound         Reason = "not_found"
	ReasonNotInstalled     Reason = "not_installed"
	ReasonRetired          Reason = "retired"
	ReasonNoCommonKind     Reason = "no_common_kind"
	ReasonBadPhoto         Reason = "bad_photo"
	ReasonPhotoTooLarge    Reason = "photo_too_large"
	ReasonPhotoPixels      Reason = "photo_too_many_pixels"
	ReasonPhotoScans       Reason = "photo_too_many_scans"
	ReasonPhotoSlow        Reason = "photo_too_slow"
	ReasonTooManyPhotos    Reason = "too_many_photos"
	ReasonUseOperation     Reason = "use_operation"
	ReasonLocalityMismatch Reason = "locality_in_use"
	ReasonTwoAreas         Reason = "two_noise_areas"
	ReasonBadCode          Reason = "bad_code"
	ReasonSourceNeeded     Reason = "source_needed"
	ReasonNoStatistic      Reason = "no_statistic"
	ReasonBadStatistic     Reason = "bad_statistic"
	ReasonBadWindow        Reason = "bad_window"
	ReasonOutOfMetric      Reason = "outside_metric"
	ReasonLevelOrder       Reason = "level_order"
	ReasonLimitInForce     Reason = "limit_in_force"
	ReasonTooManyLimits    Reason = "too_many_limits"
	ReasonOtherLocality    Reason = "other_locality"
	ReasonCityWide         Reason = "city_wide"
	ReasonInStock          Reason = "in_stock"
	ReasonNobodyAsks       Reason = "nobody_asks"
	ReasonInternal         Reason = "internal"
)

// Reasons lists every reason, for documentation and translations.
func Reasons() []Reason {
	return []Reason{
		ReasonRequired, ReasonTooLong, ReasonBadID, ReasonBadText, ReasonBadNumber, ReasonBadValue, ReasonBadCoordinates,
		ReasonSwapped, ReasonOutside, ReasonUnknownLocality, ReasonUnknownWard, ReasonWardEnded, ReasonUnknownKind,
		ReasonUnknownMetric, ReasonUnknownProfile, ReasonBadPeriod, ReasonFuture, ReasonDuplicateID, ReasonDuplicateSerial,
		ReasonStale, ReasonVersionRequired, ReasonStandsElsewhere, ReasonKindTaken, ReasonAlreadyThere, ReasonRequestReused,
		ReasonNotFound, ReasonNotInstalled, ReasonRetired, ReasonNoCommonKind, ReasonBadPhoto, ReasonPhotoTooLarge,
		ReasonPhotoPixels, ReasonPhotoScans, ReasonPhotoSlow, ReasonTooManyPhotos,
		ReasonUseOperation, ReasonLocalityMismatch,
		ReasonTwoAreas, ReasonBadCode, ReasonSourceNeeded, ReasonNoStatistic, ReasonBadStatistic, ReasonBadWindow, ReasonOutOfMetric,
		ReasonLevelOrder, ReasonLimitInForce, ReasonTooManyLimits,
		ReasonOtherLocality, ReasonCityWide, ReasonInStock, ReasonNobodyAsks, ReasonInternal,
	}
}

// sentences are a reason's templates in Vietnamese and English. Where the two
// need different arguments, the indexes say which.
func sentences(r Reason) (vi, en string) {
	switch r {
	case ReasonRequired:
		return "Cần điền mục này.", "This is needed."
	case ReasonTooLong:
		return "Dài %[1]d ký tự; tối đa %[2]d.", "It has %[1]d characters; %[2]d is the limit."
	case ReasonBadID:
		return "Mã chỉ gồm chữ a–z, A–Z, số và - _ . : (tối đa 64 ký tự).", "The id cannot be used: %[1]v."
	case ReasonBadText:
		return "Có ký tự không dùng được (ký tự điều khiển hoặc không phải UTF-8).",
			"It has characters that cannot be used (control characters, or not UTF-8)."
	case ReasonBadNumber:
		return "%[1]v nằm ngoài khoảng %[2]v đến %[3]v.", "%[1]v is outside %[2]v to %[3]v."
	case ReasonBadValue:
		return "%[1]q không phải là một trong: %[2]s.", "%[1]q is none of: %[2]s."
	case ReasonBadCoordinates:
		return "Không đọc được tọa độ %[1]q. Ví dụ đúng: 12.2389, 109.1967.", "The coordinates %[1]q cannot be read. For example: 12.2389, 109.1967."
	case ReasonSwapped:
		return "Vĩ độ và kinh độ có vẻ bị đảo: có phải là %[1]s?", "Latitude and longitude seem to be swapped: is it %[1]s?"
	case ReasonOutside:
		return "Tọa độ %[1]s nằm ngoài tỉnh. Nếu đúng như vậy, hãy ghi lý do.", "The coordinates %[1]s are outside the province. If that is right, give a reason."
	case ReasonUnknownLocality:
		return "Không có địa phương %[1]q.", "There is no locality %[1]q."
	case ReasonUnknownWard:
		return "Không có phường, xã mang mã %[1]q.", "There is no ward with the code %[1]q."
	case ReasonWardEnded:
		return "Phường, xã %[1]s không còn (hoặc chưa có) hiệu lực.", "Ward %[1]s is not in force at this time."
	case ReasonUnknownKind:
		return "Không có loại đo %[1]q.", "There is no kind %[1]q."
	case ReasonUnknownMetric:
		return "Loại đo %[2]s không có đại lượng %[1]q.", "Kind %[2]s has no metric %[1]q."
	case ReasonUnknownProfile:
		return "Không có mẫu thiết bị %[1]q.", "There is no profile %[1]q."
	case ReasonBadPeriod:
		return "Thời điểm kết thúc phải sau thời điểm bắt đầu.", "The end must come after the beginning."
	case ReasonFuture:
		return "Thời điểm %[1]s nằm trong tương lai; hãy kiểm tra đồng hồ.", "The time %[1]s is in the future; check the clock."
	default:
		return conflictSentences(r)
	}
}

// conflictSentences are those about what the registry already has.
func conflictSentences(r Reason) (vi, en string) {
	switch r {
	case ReasonDuplicateID:
		return "Mã %[1]q đã được dùng.", "The id %[1]q is already taken."
	case ReasonDuplicateSerial:
		return "Số sê-ri %[1]q đã thuộc về thiết bị %[2]s.", "The serial number %[1]q already belongs to device %[2]s."
	case ReasonStale:
		return "Có người vừa sửa mục này (bản %[1]d, bạn đang sửa bản %[2]d). Hãy xem lại rồi lưu.",
			"Somebody changed this meanwhile (it is at version %[1]d, your change is of version %[2]d). Look again, then save."
	case ReasonVersionRequired:
		return "Thiếu số phiên bản của mục đang sửa.", "The version of what is being changed is missing."
	case ReasonStandsElsewhere:
		return "Thiết bị %[1]s đang đặt tại %[2]s từ %[3]s.", "Device %[1]s stands at %[2]s since %[3]s."
	case ReasonKindTaken:
		return "Điểm %[1]s đã có thiết bị %[2]s đo %[3]s. Hãy thay thiết bị đó, hoặc khai báo là thiết bị dự phòng.",
			"Site %[1]s already has device %[2]s for %[3]s. Swap it, or declare this one redundant."
	case ReasonAlreadyThere:
		return "Thiết bị %[1]s đã được %[2]s đăng ký tại %[3]s lúc %[4]s. Không có gì bị ghi đè.",
			"Device %[1]s was registered by %[2]s at %[3]s on %[4]s. Nothing was overwritten."
	case ReasonRequestReused:
		return "Mã yêu cầu %[1]q đã dùng cho một nội dung khác.", "The request id %[1]q was used for something else."
	case ReasonNotFound:
		return "Không tìm thấy %[1]s %[2]q.", "There is no %[3]s %[4]q."
	case ReasonNotInstalled:
		return "Thiết bị %[1]s không đặt ở điểm nào.", "Device %[1]s does not stand anywhere."
	case ReasonRetired:
		return "%[1]s đã ngừng sử dụng. Hãy đưa vào sử dụng lại trước.", "%[1]s is retired. Take it into use again first."
	case ReasonNoCommonKind:
		return "Thiết bị %[1]s không đo loại nào mà %[2]s đã đo.", "Device %[1]s measures none of the kinds of %[2]s."
	case ReasonBadPhoto:
		return "Ảnh phải là JPEG, PNG hoặc WebP.", "The photo must be JPEG, PNG or WebP."
	case ReasonPhotoTooLarge:
		return "Ảnh có %[1]d byte; tối đa %[2]d.", "The photo has %[1]d bytes; %[2]d is the limit."
	case ReasonPhotoPixels:
		return "Ảnh có %[1]d × %[2]d điểm ảnh; tối đa %[3]d triệu.", "The photo has %[1]d × %[2]d pixels; %[3]d million is the limit."
	case ReasonPhotoScans:
		return "Ảnh JPEG có %[1]d lượt quét; với kích thước này tối đa %[2]d. Hãy lưu lại thành JPEG thường (baseline).",
			"The JPEG has %[1]d scans; %[2]d is the limit at its size. Save it again as a plain (baseline) JPEG."
	case ReasonPhotoSlow:
		return "Đọc ảnh mất hơn %[1]d giây. Hãy lưu lại thành JPEG thường, nhỏ hơn.", "Reading the photo takes more than %[1]d seconds. Save it again as a plain, smaller JPEG."
	case ReasonTooManyPhotos:
		return "Lần lắp đặt này đã có %[1]d ảnh; hãy xóa bớt.", "This installation already has %[1]d photos; delete some."
	case ReasonUseOperation:
		return "Trạng thái đổi bằng thao tác riêng: lắp đặt, bảo trì, ngừng sử dụng.",
			"The state changes by its own operations: install, maintain, resume, retire."
	case ReasonLocalityMismatch:
		return "Điểm %[1]s có thiết bị đang hoạt động; gỡ thiết bị trước khi đổi địa phương.",
			"Site %[1]s has devices at work; its locality is part of their topics and cannot change under them."
	default:
		return limitSentences(r)
	}
}

// limitSentences are those about limits of sites.
func limitSentences(r Reason) (vi, en string) {
	switch r {
	case ReasonTwoAreas:
		return "Nhãn %[1]q và khu vực tiếng ồn %[2]q trái nhau; hãy bỏ nhãn, và chọn khu vực tiếng ồn.",
			"The tag %[1]q and the noise area %[2]q contradict each other: leave the tag out, and say the noise area."
	case ReasonBadCode:
		return "Mã ngưỡng %[1]q phải gồm a–z, 0–9, _ và bắt đầu bằng chữ (tối đa 32 ký tự), ví dụ bd1, oxy_thap.",
			"The code %[1]q must be of a-z, 0-9 and _, begin with a letter and have at most 32 characters, such as bd1 or low_oxygen."
	case ReasonSourceNeeded:
		return "Ngưỡng theo quy định hoặc nguồn thứ cấp phải ghi nguồn (số quyết định, bản tin).",
			"A limit whose basis is %[1]v needs its source: name the decision or the bulletin."
	case ReasonNoStatistic:
		return "%[1]s chỉ tăng mãi, không đặt ngưỡng được.", "%[1]s only counts up: no limit makes sense of it."
	case ReasonBadStatistic:
		return "Phép tính %[1]q không dùng được cho %[2]s; hãy chọn: %[3]s.", "The statistic %[1]q makes no sense of %[2]s: choose of %[3]s."
	case ReasonBadWindow:
		return "Khoảng tính %[1]s phải là số phút tròn, từ 1 phút đến 7 ngày.", "The window %[1]s must be whole minutes, from 1 minute to 7 days."
	case ReasonOutOfMetric:
		return "%[1]v nằm ngoài khoảng %[2]v đến %[3]v %[4]s mà %[5]s có thể đạt.", "%[1]v is outside %[2]v to %[3]v %[4]s, which is all that %[5]s can be."
	case ReasonLevelOrder:
		return "%[1]s (%[2]v) phải thấp hơn %[3]s (%[4]v); hãy sửa cả hai cùng lúc.", "%[5]s (%[2]v) must be lower than %[6]s (%[4]v); change both at once."
	case ReasonLimitInForce:
		return "Ngưỡng %[1]q đã có hiệu lực trong thời gian %[2]s; hãy sửa ngưỡng đó hoặc đặt ngày kết thúc.",
			"The limit %[1]q is in force already (%[2]s): change that one, or give it an end."
	case ReasonTooManyLimits:
		return "Điểm đo có %[1]d ngưỡng; tối đa %[2]d.", "The site has %[1]d limits; %[2]d is the most."
	default:
		return scopeSentences(r)
	}
}

// scopeSentences are those about where somebody may act.
func scopeSentences(r Reason) (vi, en string) {
	switch r {
	case ReasonOtherLocality:
		return "Không được phép: %[1]s %[2]s thuộc %[3]s, còn tài khoản của bạn chỉ dành cho %[4]s. Hãy nhờ người phụ trách %[3]s hoặc quản trị viên.",
			"Not allowed: %[5]s %[2]s belongs to %[6]s, and your account is for %[7]s only. Ask somebody who is responsible for %[6]s, or an administrator."
	case ReasonCityWide:
		return "Không được phép: %[1]s %[2]s là của toàn thành phố, còn tài khoản của bạn chỉ dành cho %[3]s. Hãy nhờ quản trị viên hoặc người phụ trách mọi địa phương.",
			"Not allowed: %[4]s %[2]s is the whole city's, and your account is for %[5]s only. Ask an administrator, or somebody whose account is for all localities."
	case ReasonInStock:
		return "Không được phép: thiết bị %[1]s chưa đặt ở đâu và là của toàn thành phố, còn tài khoản của bạn chỉ dành cho %[2]s. Hãy lắp đặt thiết bị tại một điểm ở đó trước, hoặc nhờ quản trị viên.",
			"Not allowed: device %[1]s has stood nowhere yet and is the whole city's, and your account is for %[3]s only. Install it at a site there first, or ask an administrator."
	case ReasonNobodyAsks:
		return "Không được phép: không rõ ai yêu cầu. Hãy đăng nhập.", "Not allowed: nobody has said who asks. Log in."
	default:
		return "Lỗi trong hệ thống; hãy thử lại.", "A fault in the system; try again."
	}
}
