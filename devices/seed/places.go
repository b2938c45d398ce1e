package seed

import "github.com/haidang-iot/haidang/ingest/telemetry"

// place is a row of the table of places.
type place struct {
	id, name, nameEN string
	locality         telemetry.Locality
	ward             string
	lat, lon         float64
	accuracy         float64 // m; 0 is the usual 300
	tags, notes      string
}

// places is the table. The ward of a place on land was found by the boundaries;
// that of airport, waterside and lagoon is assigned, as their notes say. A place
// upstream belongs to the locality that it warns and has the tag watershed, a
// reservoir the tag reservoir. The other tags say of which use a place is, as far as limits ask for it: river,
// bathing, aquaculture. The word ordinary is no tag but the noise area of where
// people live and trade (which its name tells and nobody has surveyed).
func places() []place {
	return []place{
		{"thap-tram-huong", "Tháp Trầm Hương", "Tram Huong Tower", "nha-trang", "22366", 12.2389, 109.1967, 0, "ordinary", ""},
		{"bai-bien-tran-phu", "Bãi biển Trần Phú", "Tran Phu Beach", "nha-trang", "22366", 12.227, 109.201, 0, "bathing", ""},
		{"cau-tran-phu", "Cầu Trần Phú", "Tran Phu Bridge", "nha-trang", "22366", 12.2588, 109.1985, 0, "river", ""},
		{"thap-ba", "Tháp Bà", "Ponagar Tower", "nha-trang", "22333", 12.2654, 109.1954, 0, "", ""},
		{"hon-chong", "Hòn Chồng", "Hon Chong", "nha-trang", "22333", 12.2725, 109.206, 0, "bathing", ""},
		{"cho-dam", "Chợ Đầm", "Dam Market", "nha-trang", "22366", 12.2552, 109.1918, 0, "ordinary", ""},
		{"ga-nha-trang", "Ga Nha Trang", "Nha Trang Railway Station", "nha-trang", "22366", 12.2485, 109.1842, 0, "ordinary", ""},
		{"cau-da", "Cầu Đá, Viện Hải dương học", "Cau Da, Institute of Oceanography", "nha-trang", "22366", 12.2076, 109.2147, 0, "bathing", ""},
		{"ma-vong", "Mả Vòng", "Ma Vong", "nha-trang", "22390", 12.253, 109.1822, 0, "", ""},
		{"vinh-phuong", "Vĩnh Phương, sông Cái", "Vinh Phuong, Cai River", "nha-trang", "22390", 12.285, 109.165, 0, "river", "Sát ranh giới phường."},
		{"binh-tan", "Bình Tân, sông Quán Trường", "Binh Tan, Quan Truong River", "nha-trang", "22402", 12.21, 109.192, 0, "river", ""},
		{"vinh-truong", "Vĩnh Trường", "Vinh Truong", "nha-trang", "22402", 12.1975, 109.2091, 0, "", ""},
		{"bai-rac-luong-hoa", "Bãi rác Lương Hòa", "Luong Hoa Landfill", "nha-trang", "22333", 12.311, 109.133, 0, "", ""},
		{"dong-trang", "Đồng Trăng, sông Cái Nha Trang", "Dong Trang, Cai Nha Trang River", "nha-trang", "22672", 12.282, 109.007, 0, "river watershed", "Trạm thủy văn, thượng nguồn; ngoài ranh giới địa phương."},
		{"dien-phu", "Diên Phú, sông Cái Nha Trang", "Dien Phu, Cai Nha Trang River", "nha-trang", "22657", 12.286, 109.12, 1000, "river watershed", "Vị trí ước chừng; ngoài ranh giới địa phương."},
		{"trung-tam-cam-ranh", "Trung tâm Cam Ranh", "Cam Ranh Centre", "cam-ranh", "22420", 11.9214, 109.159, 0, "ordinary", ""},
		{"san-bay-cam-ranh", "Sân bay quốc tế Cam Ranh", "Cam Ranh International Airport", "cam-ranh", "22411", 11.998, 109.219, 0, "", "Không nằm trong đa giác phường nào; mã phường được gán."},
		{"cang-ba-ngoi", "Cảng Ba Ngòi", "Ba Ngoi Port", "cam-ranh", "22432", 11.899, 109.144, 0, "", "Mép nước; mã phường được gán."},
		{"cam-linh", "Cam Linh", "Cam Linh", "cam-ranh", "22432", 11.903, 109.146, 0, "ordinary", ""},
		{"ba-ngoi", "Ba Ngòi", "Ba Ngoi", "cam-ranh", "22423", 11.915, 109.128, 0, "ordinary", ""},
		{"cau-long-ho", "Cầu Long Hồ", "Long Ho Bridge", "cam-ranh", "22411", 11.99, 109.19, 0, "", ""},
		{"my-ca", "Mỹ Ca", "My Ca", "cam-ranh", "22411", 11.978, 109.187, 0, "ordinary", ""},
		{"cam-phuc-bac", "Cam Phúc Bắc, quốc lộ 1", "Cam Phuc Bac, National Road 1", "cam-ranh", "22411", 11.97, 109.175, 0, "", ""},
		{"cam-thinh-dong", "Cam Thịnh Đông", "Cam Thinh Dong", "cam-ranh", "22480", 11.84, 109.115, 0, "", ""},
		{"vung-nuoi-cam-thinh", "Vùng nuôi Cam Thịnh", "Cam Thinh Aquaculture", "cam-ranh", "22480", 11.88, 109.12, 0, "aquaculture", ""},
		{"binh-ba", "Bình Ba", "Binh Ba Island", "cam-ranh", "22480", 11.8394, 109.237, 0, "bathing", ""},
		{"cam-duc", "Cam Đức", "Cam Duc", "cam-lam", "22453", 12.078, 109.155, 0, "ordinary", ""},
		{"bai-dai", "Bãi Dài", "Bai Dai Beach", "cam-lam", "22453", 12.09, 109.193, 0, "bathing", ""},
		{"dam-thuy-trieu", "Đầm Thủy Triều", "Thuy Trieu Lagoon", "cam-lam", "22453", 12.05, 109.176, 0, "", ""},
		{"cam-hai-tay", "Cam Hải Tây", "Cam Hai Tay", "cam-lam", "22453", 12.07, 109.175, 0, "ordinary", ""},
		{"cam-thanh-bac", "Cam Thành Bắc", "Cam Thanh Bac", "cam-lam", "22453", 12.03, 109.15, 0, "", ""},
		{"kcn-suoi-dau", "Khu công nghiệp Suối Dầu", "Suoi Dau Industrial Park", "cam-lam", "22708", 12.172, 109.075, 2000, "", "Vị trí ước chừng: 12.160, 109.085 thuộc phường, xã 22453."},
		{"ho-suoi-dau", "Hồ Suối Dầu", "Suoi Dau Reservoir", "cam-lam", "22708", 12.1522, 109.0511, 0, "river watershed reservoir", ""},
		{"nut-cao-toc-cam-lam", "Nút cao tốc Cam Lâm", "Cam Lam Expressway Junction", "cam-lam", "22435", 12.05, 109.1, 1000, "", "Vị trí ước chừng."},
		{"cam-an", "Cam An", "Cam An", "cam-lam", "22465", 11.995, 109.09, 0, "", ""},
		{"ho-cam-ranh", "Hồ Cam Ranh", "Cam Ranh Reservoir", "cam-lam", "22465", 11.965, 109.09, 0, "river reservoir", ""},
		{"hon-ba", "Hòn Bà", "Hon Ba", "cam-lam", "22708", 12.12, 108.95, 0, "", ""},
		{"trung-tam-ninh-hoa", "Trung tâm Ninh Hòa, sông Dinh", "Ninh Hoa Centre, Dinh River", "ninh-hoa", "22528", 12.492, 109.126, 0, "ordinary", ""},
		{"nga-ba-ql1-ql26", "Ngã ba quốc lộ 1 – quốc lộ 26", "Junction of National Roads 1 and 26", "ninh-hoa", "22576", 12.496, 109.113, 0, "", ""},
		{"doc-let", "Dốc Lết", "Doc Let Beach", "ninh-hoa", "22561", 12.56, 109.228, 0, "bathing", ""},
		{"hon-khoi", "Muối Hòn Khói", "Hon Khoi Salt Fields", "ninh-hoa", "22561", 12.55, 109.212, 0, "aquaculture", ""},
		{"kcn-ninh-thuy", "Khu công nghiệp Ninh Thủy", "Ninh Thuy Industrial Park", "ninh-hoa", "22561", 12.503, 109.233, 0, "", ""},
		{"my-giang", "Mỹ Giang", "My Giang", "ninh-hoa", "22561", 12.482, 109.285, 0, "", ""},
		{"van-phong-1", "Vân Phong 1", "Van Phong 1 Power Plant", "ninh-hoa", "22561", 12.46, 109.29, 1000, "", "Vị trí ước chừng."},
		{"cua-song-dinh", "Cửa sông Dinh", "Dinh River Mouth", "ninh-hoa", "22591", 12.47, 109.19, 0, "river", ""},
		{"ninh-ich", "Ninh Ích, quốc lộ 1", "Ninh Ich, National Road 1", "ninh-hoa", "22597", 12.39, 109.155, 0, "", ""},
		{"dam-nha-phu", "Đầm Nha Phu", "Nha Phu Lagoon", "ninh-hoa", "22597", 12.42, 109.19, 0, "", "Mặt nước; mã phường, xã được gán."},
		{"duc-my", "Dục Mỹ, sông Dinh", "Duc My, Dinh River", "ninh-hoa", "22552", 12.53, 108.96, 0, "river watershed", ""},
		{"ho-da-ban", "Hồ Đá Bàn", "Da Ban Reservoir", "ninh-hoa", "22546", 12.645, 109.105, 0, "river watershed reservoir", ""},
	}
}
