package seed

import (
	"strings"

	"github.com/haidang-iot/haidang/devices"
)

// localities is the table of wards by locality. Codes: Decision 19/2025/QĐ-TTg.
// Areas, boxes (west, south, east, north) and former units: the public set of
// boundaries after Resolution 1667/NQ-UBTVQH15, and press on it; boxes are rounded
// to 0.001°, some 100 m.
func localities() []locality {
	return []locality{
		{"nha-trang", "Nha Trang", "Nha Trang", devices.Box{West: 109.1115, South: 12.1408, East: 109.3708, North: 12.3795}, []ward{
			{"22333", devices.Phuong, "Bắc Nha Trang", 97, devices.Box{West: 109.111, South: 12.259, East: 109.246, North: 12.379},
				"Vĩnh Hòa, Vĩnh Hải, Vĩnh Phước, Vĩnh Thọ, Vĩnh Lương, Vĩnh Phương"},
			{"22366", devices.Phuong, "Nha Trang", 47.1, devices.Box{West: 109.181, South: 12.162, East: 109.371, North: 12.285},
				"Vạn Thạnh, Lộc Thọ, Vĩnh Nguyên, Tân Tiến, Phước Hòa"},
			{"22390", devices.Phuong, "Tây Nha Trang", 27.9, devices.Box{West: 109.119, South: 12.226, East: 109.195, North: 12.293},
				"Ngọc Hiệp, Phương Sài, Vĩnh Ngọc, Vĩnh Thạnh, Vĩnh Hiệp, Vĩnh Trung"},
			{"22402", devices.Phuong, "Nam Nha Trang", 82.2, devices.Box{West: 109.115, South: 12.141, East: 109.224, North: 12.254},
				"Phước Hải, Phước Long, Vĩnh Trường, Vĩnh Thái, Phước Đồng"},
		}},
		{"cam-ranh", "Cam Ranh", "Cam Ranh", devices.Box{West: 109.0002, South: 11.7719, East: 109.2841, North: 12.025}, []ward{
			{"22411", devices.Phuong, "Bắc Cam Ranh", 134, devices.Box{West: 109.130, South: 11.860, East: 109.284, North: 12.025},
				"Cam Nghĩa, Cam Phúc Bắc, Cam Thành Nam"},
			{"22420", devices.Phuong, "Cam Ranh", 17.5, devices.Box{West: 109.130, South: 11.915, East: 109.188, North: 11.957},
				"Cam Phú, Cam Lộc, Cam Phúc Nam"},
			{"22423", devices.Phuong, "Ba Ngòi", 78.2, devices.Box{West: 109.000, South: 11.897, East: 109.147, North: 11.972},
				"Ba Ngòi, Cam Phước Đông"},
			{"22432", devices.Phuong, "Cam Linh", 4.8, devices.Box{West: 109.134, South: 11.896, East: 109.167, North: 11.923},
				"Cam Thuận, Cam Lợi, Cam Linh"},
			{"22480", devices.Xa, "Nam Cam Ranh", 92.6, devices.Box{West: 109.047, South: 11.772, East: 109.257, North: 11.919},
				"Cam Lập, Cam Bình, Cam Thịnh Đông, Cam Thịnh Tây"},
		}},
		{"cam-lam", "Cam Lâm", "Cam Lam", devices.Box{West: 108.9404, South: 11.9365, East: 109.3279, North: 12.2141}, []ward{
			{"22453", devices.Xa, "Cam Lâm", 149.9, devices.Box{West: 109.057, South: 11.989, East: 109.328, North: 12.174},
				"Cam Đức, Cam Hải Đông, Cam Hải Tây, Cam Thành Bắc, một phần các xã lân cận"},
			{"22435", devices.Xa, "Cam Hiệp", 115.1, devices.Box{West: 108.944, South: 12.014, East: 109.125, North: 12.127},
				"Sơn Tân, Cam Hiệp Bắc (một phần), Cam Hiệp Nam (một phần), Cam Hòa (một phần), Cam Tân (một phần), Suối Tân (một phần)"},
			{"22465", devices.Xa, "Cam An", 122, devices.Box{West: 108.993, South: 11.937, East: 109.145, North: 12.053},
				"Cam Phước Tây, Cam An Bắc, Cam An Nam"},
			{"22708", devices.Xa, "Suối Dầu", 160.1, devices.Box{West: 108.940, South: 12.075, East: 109.167, North: 12.214},
				"Suối Cát, Cam Hòa (một phần), Cam Tân (một phần), Suối Tân (một phần)"},
		}},
		{"ninh-hoa", "Ninh Hòa", "Ninh Hoa", devices.Box{West: 108.8715, South: 12.3362, East: 109.38, North: 12.7537}, []ward{
			{"22528", devices.Phuong, "Ninh Hòa", 35.8, devices.Box{West: 109.080, South: 12.476, East: 109.198, North: 12.549},
				"Ninh Hiệp, Ninh Đa, Ninh Đông, Ninh Phụng"},
			{"22561", devices.Phuong, "Đông Ninh Hòa", 134.2, devices.Box{West: 109.174, South: 12.336, East: 109.380, North: 12.594},
				"Ninh Diêm, Ninh Hải, Ninh Thủy, Ninh Phước"},
			{"22591", devices.Phuong, "Hòa Thắng", 78.6, devices.Box{West: 109.123, South: 12.403, East: 109.264, North: 12.493},
				"Ninh Giang, Ninh Hà, Ninh Phú"},
			{"22546", devices.Xa, "Bắc Ninh Hòa", 237, devices.Box{West: 108.986, South: 12.489, East: 109.213, North: 12.754},
				"Ninh An, Ninh Sơn, Ninh Thọ"},
			{"22552", devices.Xa, "Tây Ninh Hòa", 275.9, devices.Box{West: 108.872, South: 12.461, East: 109.041, North: 12.687},
				"Ninh Tây, Ninh Sim"},
			{"22558", devices.Xa, "Hòa Trí", 109.4, devices.Box{West: 108.978, South: 12.509, East: 109.132, North: 12.689},
				"Ninh Thượng, Ninh Trung, Ninh Thân"},
			{"22576", devices.Xa, "Tân Định", 92.4, devices.Box{West: 108.980, South: 12.446, East: 109.130, North: 12.564},
				"Ninh Xuân, Ninh Quang, Ninh Bình"},
			{"22597", devices.Xa, "Nam Ninh Hòa", 201.4, devices.Box{West: 108.943, South: 12.343, East: 109.201, North: 12.485},
				"Ninh Lộc, Ninh Ích, Ninh Hưng, Ninh Tân"},
		}},
	}
}

// others are the province's wards outside the four localities. Sources: code, name
// and box of the public set of the province's units (Decision 19/2025/QĐ-TTg),
// boxes to 0.0001°; areas of the press's file of boundaries.
func others() []ward {
	return []ward{
		{"22489", devices.Xa, "Vạn Ninh", 130.5, devices.Box{West: 109.0851, South: 12.657, East: 109.2649, North: 12.813}, ""},
		{"22498", devices.Xa, "Tu Bông", 99.6, devices.Box{West: 109.2125, South: 12.7308, East: 109.3316, North: 12.844}, ""},
		{"22504", devices.Xa, "Đại Lãnh", 171, devices.Box{West: 109.2794, South: 12.5466, East: 109.4691, North: 12.8691}, ""},
		{"22516", devices.Xa, "Vạn Thắng", 74.8, devices.Box{West: 109.1551, South: 12.6988, East: 109.2768, North: 12.8319}, ""},
		{"22525", devices.Xa, "Vạn Hưng", 86.1, devices.Box{West: 109.1039, South: 12.5823, East: 109.2205, North: 12.7201}, ""},
		{"22609", devices.Xa, "Khánh Vĩnh", 192.4, devices.Box{West: 108.8357, South: 12.0875, East: 108.9757, North: 12.2935}, ""},
		{"22612", devices.Xa, "Trung Khánh Vĩnh", 338.5, devices.Box{West: 108.6693, South: 12.3092, East: 108.9441, North: 12.5056}, ""},
		{"22615", devices.Xa, "Bắc Khánh Vĩnh", 144.2, devices.Box{West: 108.8606, South: 12.3335, East: 109.065, North: 12.5056}, ""},
		{"22624", devices.Xa, "Tây Khánh Vĩnh", 294.3, devices.Box{West: 108.6764, South: 12.2172, East: 108.9516, North: 12.3994}, ""},
		{"22648", devices.Xa, "Nam Khánh Vĩnh", 197.1, devices.Box{West: 108.7102, South: 12.1357, East: 108.919, North: 12.2826}, ""},
		{"22651", devices.Xa, "Diên Khánh", 18.4, devices.Box{West: 109.085, South: 12.2131, East: 109.1301, North: 12.2718}, ""},
		{"22657", devices.Xa, "Diên Điền", 63.7, devices.Box{West: 109.0508, South: 12.2612, East: 109.143, North: 12.3616}, ""},
		{"22660", devices.Xa, "Diên Lâm", 117.8, devices.Box{West: 108.9331, South: 12.2614, East: 109.0924, North: 12.3892}, ""},
		{"22672", devices.Xa, "Diên Thọ", 73.6, devices.Box{West: 108.9524, South: 12.1715, East: 109.0604, North: 12.2859}, ""},
		{"22678", devices.Xa, "Diên Lạc", 14.9, devices.Box{West: 109.0148, South: 12.2355, East: 109.0986, North: 12.2652}, ""},
		{"22702", devices.Xa, "Suối Hiệp", 55.3, devices.Box{West: 108.9849, South: 12.166, East: 109.1136, North: 12.2456}, ""},
		{"22714", devices.Xa, "Khánh Sơn", 98.7, devices.Box{West: 108.8651, South: 11.9474, East: 108.9566, North: 12.1023}, ""},
		{"22720", devices.Xa, "Tây Khánh Sơn", 125.6, devices.Box{West: 108.7835, South: 11.9638, East: 108.9042, North: 12.1603}, ""},
		{"22732", devices.Xa, "Đông Khánh Sơn", 114.3, devices.Box{West: 108.8993, South: 11.9148, East: 109.0079, North: 12.0775}, ""},
		{"22736", devices.DacKhu, "Trường Sa", 7.7, devices.Box{West: 109.4694, South: 7.1809, East: 117.8355, North: 11.5316}, ""},
		{"22738", devices.Phuong, "Đô Vinh", 62, devices.Box{West: 108.8697, South: 11.5919, East: 108.9726, North: 11.6823}, ""},
		{"22741", devices.Phuong, "Bảo An", 18.5, devices.Box{West: 108.929, South: 11.5691, East: 109.0036, North: 11.6236}, ""},
		{"22759", devices.Phuong, "Phan Rang", 9.4, devices.Box{West: 108.972, South: 11.5419, East: 109.008, North: 11.5877}, ""},
		{"22780", devices.Phuong, "Đông Hải", 11.09, devices.Box{West: 108.9981, South: 11.5363, East: 109.0363, North: 11.5803}, ""},
		{"22786", devices.Xa, "Bác Ái Tây", 478.7, devices.Box{West: 108.6598, South: 11.8217, East: 108.8651, North: 12.1648}, ""},
		{"22795", devices.Xa, "Bác Ái", 188.5, devices.Box{West: 108.7918, South: 11.7358, East: 108.9475, North: 11.9678}, ""},
		{"22801", devices.Xa, "Bác Ái Đông", 235.2, devices.Box{West: 108.8667, South: 11.785, East: 109.0582, North: 11.9525}, ""},
		{"22810", devices.Xa, "Ninh Sơn", 99.3, devices.Box{West: 108.6629, South: 11.7073, East: 108.8197, North: 11.7974}, ""},
		{"22813", devices.Xa, "Lâm Sơn", 191.5, devices.Box{West: 108.6194, South: 11.7728, East: 108.7984, North: 11.9215}, ""},
		{"22822", devices.Xa, "Mỹ Sơn", 248.1, devices.Box{West: 108.7583, South: 11.6307, East: 108.9993, North: 11.8051}, ""},
		{"22828", devices.Xa, "Anh Dũng", 320.6, devices.Box{West: 108.5515, South: 11.5007, East: 108.8038, North: 11.7352}, ""},
		{"22834", devices.Phuong, "Ninh Chử", 20.4, devices.Box{West: 108.994, South: 11.5752, East: 109.0505, North: 11.6259}, ""},
		{"22840", devices.Xa, "Công Hải", 124.3, devices.Box{West: 108.9883, South: 11.728, East: 109.1954, North: 11.8608}, ""},
		{"22846", devices.Xa, "Vĩnh Hải", 83.75, devices.Box{West: 109.0745, South: 11.5628, East: 109.2335, North: 11.7868}, ""},
		{"22849", devices.Xa, "Thuận Bắc", 137.2, devices.Box{West: 108.9678, South: 11.6613, East: 109.1136, North: 11.7945}, ""},
		{"22852", devices.Xa, "Ninh Hải", 100.1, devices.Box{West: 109.0282, South: 11.5816, East: 109.1306, North: 11.7482}, ""},
		{"22861", devices.Xa, "Xuân Hải", 43.4, devices.Box{West: 108.9552, South: 11.6096, East: 109.0405, North: 11.6885}, ""},
		{"22870", devices.Xa, "Ninh Phước", 65.4, devices.Box{West: 108.9111, South: 11.468, East: 108.9908, North: 11.5902}, ""},
		{"22873", devices.Xa, "Phước Hậu", 74.7, devices.Box{West: 108.8015, South: 11.5512, East: 108.9428, North: 11.6556}, ""},
		{"22888", devices.Xa, "Phước Dinh", 154, devices.Box{West: 108.9179, South: 11.3154, East: 109.028, North: 11.5618}, ""},
		{"22891", devices.Xa, "Phước Hữu", 177.7, devices.Box{West: 108.7329, South: 11.4793, East: 108.9186, North: 11.6493}, ""},
		{"22897", devices.Xa, "Thuận Nam", 140.8, devices.Box{West: 108.8016, South: 11.3758, East: 108.9597, North: 11.5123}, ""},
		{"22900", devices.Xa, "Phước Hà", 230, devices.Box{West: 108.6638, South: 11.3833, East: 108.8658, North: 11.5971}, ""},
		{"22909", devices.Xa, "Cà Ná", 63.9, devices.Box{West: 108.844, South: 11.3069, East: 108.9613, North: 11.3974}, ""},
	}
}

// ward makes a row an entity.
func (w ward) ward() devices.Ward {
	vi, en := "Xã ", " Commune"
	switch w.form {
	case devices.Phuong:
		vi, en = "Phường ", " Ward"
	case devices.DacKhu:
		vi, en = "Đặc khu ", " Special Zone"
	}
	made := devices.Ward{Code: w.code, NameVI: vi + w.name, NameEN: plainLatin(w.name) + en, Form: w.form, Box: w.box, AreaKM2: w.area, ValidFrom: Since()}
	if w.former != "" {
		made.Former = strings.Split(w.former, ", ")
	}
	return made
}

// plainLatin writes a Vietnamese name as English texts do: "Ninh Hoa".
func plainLatin(name string) string {
	parts := strings.Split(devices.SearchKey(name), " ")
	for i, p := range parts {
		parts[i] = strings.ToUpper(p[:1]) + p[1:]
	}
	return strings.Join(parts, " ")
}
