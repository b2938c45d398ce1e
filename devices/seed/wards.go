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

// upstream are wards outside the localities in which rivers are measured that
// flood them. Their boxes and areas are not known here.
func upstream() []ward {
	return []ward{
		{"22657", devices.Xa, "Diên Điền", 0, devices.Box{}, ""},
		{"22672", devices.Xa, "Diên Thọ", 0, devices.Box{}, ""},
	}
}

// ward makes a row an entity.
func (w ward) ward() devices.Ward {
	vi, en := "Xã ", " Commune"
	if w.form == devices.Phuong {
		vi, en = "Phường ", " Ward"
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
