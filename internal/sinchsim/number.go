package sinchsim

import (
	"strconv"
	"strings"
)

const (
	minNumberLen = 7
	maxNumberLen = 15 // E.164
	minSenderLen = 3  // short codes
	magicLen     = 4
)

// OnlyDigits reports whether s consists of digits.
func OnlyDigits(s string) bool {
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return false
		}
	}
	return true
}

// IsNumber reports whether s is a bare number: country code first, digits only.
func IsNumber(s string) bool {
	return len(s) >= minNumberLen && len(s) <= maxNumberLen && s[0] != '0' && OnlyDigits(s)
}

// IsSender reports whether s is a bare number or a short code.
func IsSender(s string) bool {
	return len(s) >= minSenderLen && len(s) <= maxNumberLen && s[0] != '0' && OnlyDigits(s)
}

// Bare removes the international prefix, which the SMS REST API accepts and never
// returns.
func Bare(s string) string {
	if rest, ok := strings.CutPrefix(s, "+"); ok {
		return rest
	}
	return strings.TrimPrefix(s, "00")
}

// lastFour are the digits that choose a magic behaviour.
func lastFour(number string) string {
	return number[max(len(number)-magicLen, 0):]
}

// messageOf is the message that a reference belongs to: an attempt's reference
// is the message id, a hyphen and the attempt's number.
func messageOf(reference string) string {
	if i := strings.LastIndexByte(reference, '-'); i > 0 {
		return reference[:i]
	}
	return reference
}

// attemptOf is the attempt number in a reference of this service; ok is false for
// references of any other form.
func attemptOf(reference string) (n int, ok bool) {
	id, tail, found := strings.Cut(reference, "-")
	if !found || !strings.HasPrefix(id, "msg_") {
		return 0, false
	}
	n, err := strconv.Atoi(tail)
	return n, err == nil && n > 0 && strconv.Itoa(n) == tail
}
