package access

import (
	"strings"
	"unicode"

	"github.com/ccojocar/zxcvbn-go"

	"github.com/haidang-iot/haidang/devices"
)

const (
	// leastScore is zxcvbn's "safely unguessable" of 0 to 4: 10^8 guesses and more.
	leastScore = 3
	// scored is how many bytes of a password are looked at; what is strong so far
	// does not become weak by more.
	scored = 100
)

// guessable reports whether a password is one that is tried first: by zxcvbn, which
// knows the most frequent passwords, words, names, dates and patterns of keyboards,
// and by what people here choose. Signs above letters count nothing: who guesses
// tries both spellings.
func guessable(p Secret, known ...string) bool {
	text := string(plainText(p))
	words := chosenHere()
	for _, k := range known {
		words = append(words, strings.Fields(devices.SearchKey(k))...)
		words = append(words, bare(k))
	}
	for _, candidate := range []string{text, bare(text)} {
		candidate = strings.ToValidUTF8(candidate[:min(len(candidate), scored)], "")
		if zxcvbn.PasswordStrength(candidate, words).Score < leastScore {
			return true
		}
	}
	return false
}

// bare is a text without the signs above its letters and without spaces, as it is
// typed where there is no Vietnamese keyboard.
func bare(s string) string {
	var b strings.Builder
	for _, r := range s {
		switch {
		case r == ' ':
		case r > unicode.MaxASCII && unicode.IsLetter(r):
			b.WriteString(devices.SearchKey(string(r)))
		default:
			b.WriteRune(r)
		}
	}
	return b.String()
}

// chosenHere are words that passwords in Vietnam are made of, the most frequent
// first, and this program's own.
func chosenHere() []string {
	return strings.Fields(`matkhau anhyeuem emyeuanh yeuem yeuanh maiyeuem maiyeuanh anhnhoem emnhoanh khongbiet khongco khongcopass
		hoilamgi chiyeuminhem mottinhyeu tinhyeu hanhphuc giadinh congaiyeu contraiyeu conyeume conyeuba bame bome
		vietnam vietnamvodich saigon hanoi danang hue haiphong cantho dalat nhatrang khanhhoa camranh camlam ninhhoa dienkhanh
		vanninh khanhvinh khanhson phanrang ninhthuan truongsa hoangsa haidang bachdang quantri quanly nhanvien vanhanh
		kythuat giamsat thietbi quantrac moitruong doanhnghiep congty truonghoc sinhvien hocsinh
		nguyen tran le pham hoang huynh phan vu vo dang bui do ho ngo duong ly nguyenvan nguyenthi tranvan tranthi levan lethi
		anhem banbe thanhcong maymanh binhyen xinchao toiyeu toilanguoivietnam yeunuocvietnam bacho hochiminh chelsea mualanh
		admin administrator operator viewer haidangiot sensor mqtt city password passw0rd letmein welcome changeme`)
}
