package city

// climate is Nha Trang's monthly normals. Means of high and low, and rain, are
// those of 1937–1994; wet days, humidity, wind, cloud and dust are assumptions of
// the usual order [M], the dust such that PM2.5 in Nha Trang is 16 µg/m³ in March
// (IQAir's data of 2025).
type climate struct {
	high, low, rain, wetDays, humidity, cloud monthly
	// windFrom and windSpeed are the monsoon without the sea breeze: degrees and m/s.
	windEast, windNorth monthly // m/s towards east and north
	dust                monthly // regional PM2.5, µg/m³
	soak                monthly // how wet the ground is: the share of rain that runs off
	sea                 monthly // °C of the sea's surface
}

func normals() *climate {
	return &climate{
		high:     monthly{27.8, 28.9, 30.0, 31.7, 32.8, 33.3, 32.8, 32.8, 31.7, 30.0, 28.9, 27.8},
		low:      monthly{20.6, 20.6, 21.7, 23.3, 24.4, 24.4, 24.4, 24.4, 23.9, 23.3, 22.2, 21.7},
		rain:     monthly{46, 18, 31, 38, 61, 46, 41, 53, 165, 323, 363, 178},
		wetDays:  monthly{9.4, 4.4, 4.0, 5.0, 8.8, 8.6, 9.0, 10.1, 15.8, 18.2, 17.9, 14.5},
		humidity: monthly{78, 79, 80, 81, 80, 78, 78, 78, 81, 83, 82, 79},
		cloud:    monthly{0.55, 0.45, 0.38, 0.36, 0.42, 0.48, 0.48, 0.50, 0.56, 0.62, 0.66, 0.64},
		// November to January from the north (a little east), February and March
		// from east to north-east, April to October from east to south-east.
		windEast:  monthly{-1.0, -1.8, -1.9, -1.5, -1.0, -0.5, -0.4, -0.4, -0.6, -1.0, -1.0, -0.9},
		windNorth: monthly{-2.9, -1.6, -0.8, 0.1, 0.6, 0.8, 0.8, 0.8, 0.4, -0.5, -2.2, -3.1},
		dust:      monthly{12.2, 11.2, 10, 8.4, 7.3, 6.7, 6.7, 6.7, 7.8, 8.9, 10, 11.6},
		soak:      monthly{0.7, 0.5, 0.4, 0.35, 0.35, 0.35, 0.35, 0.4, 0.6, 0.85, 1.0, 1.0},
		sea:       monthly{24.2, 24.6, 25.8, 27.4, 28.8, 29.2, 28.6, 28.4, 28.8, 28.2, 27.0, 25.2},
	}
}
