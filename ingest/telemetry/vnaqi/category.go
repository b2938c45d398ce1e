package vnaqi

// Category is a band of the index with its legal name and colour.
type Category struct {
	// From and To are the first and the last index of the band.
	From, To int
	// NameVI is the legal name, NameEN our translation.
	NameVI, NameEN string
	// Colour is the legal one, as #RRGGBB; ColourVI its legal name.
	Colour, ColourVI string
}

// Categories lists the bands from the best to the worst (Decision
// 1459/QĐ-TCMT, table 1).
func Categories() []Category {
	return []Category{
		{0, 50, "Tốt", "Good", "#00E400", "Xanh"},
		{51, 100, "Trung bình", "Moderate", "#FFFF00", "Vàng"},
		{101, 150, "Kém", "Poor", "#FF7E00", "Da cam"},
		{151, 200, "Xấu", "Bad", "#FF0000", "Đỏ"},
		{201, 300, "Rất xấu", "Very bad", "#8F3F97", "Tím"},
		{301, Max, "Nguy hại", "Hazardous", "#7E0023", "Nâu"},
	}
}

// CategoryOf is the band of an index.
func CategoryOf(index int) Category {
	all := Categories()
	for _, c := range all {
		if index <= c.To {
			return c
		}
	}
	return all[len(all)-1]
}
