package devices

// Sentences lets tests see the templates.
func Sentences(r Reason) (vi, en string) { return sentences(r) }
