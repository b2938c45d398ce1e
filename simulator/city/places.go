package city

import (
	"slices"

	"github.com/haidang-iot/haidang/ingest/telemetry"
)

// Setting says what surrounds a place, as far as its signals depend on it.
type Setting string

// The settings.
const (
	Centre      Setting = "centre"
	Residential Setting = "residential"
	Market      Setting = "market"
	Beach       Setting = "beach"
	Road        Setting = "road"
	Highway     Setting = "highway"
	Industrial  Setting = "industrial"
	Port        Setting = "port"
	Airport     Setting = "airport"
	River       Setting = "river"
	Estuary     Setting = "estuary"
	Lagoon      Setting = "lagoon"
	Reservoir   Setting = "reservoir"
	Sea         Setting = "sea"
	Aquaculture Setting = "aquaculture"
	Landfill    Setting = "landfill"
	Mountain    Setting = "mountain"
	Rural       Setting = "rural"
)

// Settings lists the settings.
func Settings() []Setting {
	return []Setting{
		Centre, Residential, Market, Beach, Road, Highway, Industrial, Port, Airport,
		River, Estuary, Lagoon, Reservoir, Sea, Aquaculture, Landfill, Mountain, Rural,
	}
}

// Kinds are what is sensibly measured in a setting, most important first.
func (s Setting) Kinds() []telemetry.Kind {
	const (
		air, weather, level   = telemetry.AirQuality, telemetry.Weather, telemetry.WaterLevel
		traffic, noise, water = telemetry.Traffic, telemetry.Noise, telemetry.WaterQuality
		light, energy         = telemetry.StreetLight, telemetry.Energy
		waste, parking        = telemetry.Waste, telemetry.Parking
	)
	switch s {
	case Centre:
		return []telemetry.Kind{traffic, air, light, noise, energy, waste, parking, weather}
	case Residential:
		return []telemetry.Kind{light, waste, energy, noise, air, traffic}
	case Market:
		return []telemetry.Kind{waste, noise, traffic, parking, air, light, energy}
	case Beach:
		return []telemetry.Kind{parking, waste, light, weather, noise, water, traffic, air, energy}
	case Road:
		return []telemetry.Kind{traffic, light, air, noise, energy, waste}
	case Highway:
		return []telemetry.Kind{traffic, noise, air, light}
	case Industrial:
		return []telemetry.Kind{air, energy, water, noise, traffic, light, weather}
	case Port:
		return []telemetry.Kind{level, air, traffic, energy, water, noise, light, weather, parking}
	case Airport:
		return []telemetry.Kind{weather, noise, parking, air, traffic, energy, light}
	case River, Estuary:
		return []telemetry.Kind{level, water, weather, light}
	case Lagoon, Aquaculture:
		return []telemetry.Kind{water, level, weather}
	case Reservoir:
		return []telemetry.Kind{level, water, weather}
	case Sea:
		return []telemetry.Kind{level, water, weather}
	case Landfill:
		return []telemetry.Kind{air, water, weather, traffic}
	case Mountain:
		return []telemetry.Kind{weather, air}
	default: // Rural
		return []telemetry.Kind{weather, energy, light, air, waste}
	}
}

// Place is somewhere in the city where things are measured.
type Place struct {
	Site     telemetry.Site
	Name     string
	Locality telemetry.Locality
	// Ward is the ward's official code.
	Ward     string
	Lat, Lon float64
	Setting  Setting
	// Kinds are what is sensibly measured there, most important first.
	Kinds []telemetry.Kind
}

// Places are those of the four localities and their watersheds, with the ids
// and names that a new registry has for them. Settings are our assumption.
func Places() []Place {
	places := make([]Place, 0, 64)
	for _, p := range table() {
		p.Kinds = slices.Clone(p.Setting.Kinds())
		if p.Site == "trung-tam-ninh-hoa" { // the town's centre has the river's gauge
			p.Kinds = append([]telemetry.Kind{telemetry.WaterLevel}, p.Kinds...)
		}
		places = append(places, p)
	}
	return places
}

// table is the places without their kinds. Coordinates are good to some 300 m.
func table() []Place {
	return []Place{
		{"thap-tram-huong", "Tháp Trầm Hương", "nha-trang", "22366", 12.2389, 109.1967, Centre, nil},
		{"bai-bien-tran-phu", "Bãi biển Trần Phú", "nha-trang", "22366", 12.227, 109.201, Beach, nil},
		{"cau-tran-phu", "Cầu Trần Phú", "nha-trang", "22366", 12.2588, 109.1985, Estuary, nil},
		{"thap-ba", "Tháp Bà", "nha-trang", "22333", 12.2654, 109.1954, Road, nil},
		{"hon-chong", "Hòn Chồng", "nha-trang", "22333", 12.2725, 109.206, Beach, nil},
		{"cho-dam", "Chợ Đầm", "nha-trang", "22366", 12.2552, 109.1918, Market, nil},
		{"ga-nha-trang", "Ga Nha Trang", "nha-trang", "22366", 12.2485, 109.1842, Centre, nil},
		{"cau-da", "Cầu Đá, Viện Hải dương học", "nha-trang", "22366", 12.2076, 109.2147, Sea, nil},
		{"ma-vong", "Mả Vòng", "nha-trang", "22390", 12.253, 109.1822, Road, nil},
		{"vinh-phuong", "Vĩnh Phương, sông Cái", "nha-trang", "22390", 12.285, 109.165, River, nil},
		{"binh-tan", "Bình Tân, sông Quán Trường", "nha-trang", "22402", 12.21, 109.192, Estuary, nil},
		{"vinh-truong", "Vĩnh Trường", "nha-trang", "22402", 12.1975, 109.2091, Port, nil},
		{"bai-rac-luong-hoa", "Bãi rác Lương Hòa", "nha-trang", "22333", 12.311, 109.133, Landfill, nil},
		{"dong-trang", "Đồng Trăng, sông Cái Nha Trang", "nha-trang", "22672", 12.282, 109.007, River, nil},
		{"dien-phu", "Diên Phú, sông Cái Nha Trang", "nha-trang", "22657", 12.286, 109.12, River, nil},
		{"trung-tam-cam-ranh", "Trung tâm Cam Ranh", "cam-ranh", "22420", 11.9214, 109.159, Centre, nil},
		{"san-bay-cam-ranh", "Sân bay quốc tế Cam Ranh", "cam-ranh", "22411", 11.998, 109.219, Airport, nil},
		{"cang-ba-ngoi", "Cảng Ba Ngòi", "cam-ranh", "22432", 11.899, 109.144, Port, nil},
		{"cam-linh", "Cam Linh", "cam-ranh", "22432", 11.903, 109.146, Market, nil},
		{"ba-ngoi", "Ba Ngòi", "cam-ranh", "22423", 11.915, 109.128, Residential, nil},
		{"cau-long-ho", "Cầu Long Hồ", "cam-ranh", "22411", 11.99, 109.19, Lagoon, nil},
		{"my-ca", "Mỹ Ca", "cam-ranh", "22411", 11.978, 109.187, Residential, nil},
		{"cam-phuc-bac", "Cam Phúc Bắc, quốc lộ 1", "cam-ranh", "22411", 11.97, 109.175, Highway, nil},
		{"cam-thinh-dong", "Cam Thịnh Đông", "cam-ranh", "22480", 11.84, 109.115, Highway, nil},
		{"vung-nuoi-cam-thinh", "Vùng nuôi Cam Thịnh", "cam-ranh", "22480", 11.88, 109.12, Aquaculture, nil},
		{"binh-ba", "Bình Ba", "cam-ranh", "22480", 11.8394, 109.237, Sea, nil},
		{"cam-duc", "Cam Đức", "cam-lam", "22453", 12.078, 109.155, Centre, nil},
		{"bai-dai", "Bãi Dài", "cam-lam", "22453", 12.09, 109.193, Beach, nil},
		{"dam-thuy-trieu", "Đầm Thủy Triều", "cam-lam", "22453", 12.05, 109.176, Lagoon, nil},
		{"cam-hai-tay", "Cam Hải Tây", "cam-lam", "22453", 12.07, 109.175, Residential, nil},
		{"cam-thanh-bac", "Cam Thành Bắc", "cam-lam", "22453", 12.03, 109.15, Highway, nil},
		{"kcn-suoi-dau", "Khu công nghiệp Suối Dầu", "cam-lam", "22708", 12.172, 109.075, Industrial, nil},
		{"ho-suoi-dau", "Hồ Suối Dầu", "cam-lam", "22708", 12.1522, 109.0511, Reservoir, nil},
		{"nut-cao-toc-cam-lam", "Nút cao tốc Cam Lâm", "cam-lam", "22435", 12.05, 109.1, Highway, nil},
		{"cam-an", "Cam An", "cam-lam", "22465", 11.995, 109.09, Rural, nil},
		{"ho-cam-ranh", "Hồ Cam Ranh", "cam-lam", "22465", 11.965, 109.09, Reservoir, nil},
		{"hon-ba", "Hòn Bà", "cam-lam", "22708", 12.12, 108.95, Mountain, nil},
		{"trung-tam-ninh-hoa", "Trung tâm Ninh Hòa, sông Dinh", "ninh-hoa", "22528", 12.492, 109.126, Centre, nil},
		{"nga-ba-ql1-ql26", "Ngã ba quốc lộ 1 – quốc lộ 26", "ninh-hoa", "22576", 12.496, 109.113, Highway, nil},
		{"doc-let", "Dốc Lết", "ninh-hoa", "22561", 12.56, 109.228, Beach, nil},
		{"hon-khoi", "Muối Hòn Khói", "ninh-hoa", "22561", 12.55, 109.212, Aquaculture, nil},
		{"kcn-ninh-thuy", "Khu công nghiệp Ninh Thủy", "ninh-hoa", "22561", 12.503, 109.233, Industrial, nil},
		{"my-giang", "Mỹ Giang", "ninh-hoa", "22561", 12.482, 109.285, Port, nil},
		{"van-phong-1", "Vân Phong 1", "ninh-hoa", "22561", 12.46, 109.29, Industrial, nil},
		{"cua-song-dinh", "Cửa sông Dinh", "ninh-hoa", "22591", 12.47, 109.19, Estuary, nil},
		{"ninh-ich", "Ninh Ích, quốc lộ 1", "ninh-hoa", "22597", 12.39, 109.155, Highway, nil},
		{"dam-nha-phu", "Đầm Nha Phu", "ninh-hoa", "22597", 12.42, 109.19, Lagoon, nil},
		{"duc-my", "Dục Mỹ, sông Dinh", "ninh-hoa", "22552", 12.53, 108.96, River, nil},
		{"ho-da-ban", "Hồ Đá Bàn", "ninh-hoa", "22546", 12.645, 109.105, Reservoir, nil},
	}
}
