package media_test

import (
	"errors"
	"testing"

	"mmsdispatch/internal/media"
)

func TestNamesThatNoSlideCarries(t *testing.T) {
	t.Parallel()

	for address, sendable := range map[string]bool{
		"https://media.example.com/notes.txt":              false,
		"https://media.example.com/NOTES.TXT?size=large":   false,
		"https://media.example.com/page.html#top":          false,
		"https://media.example.com/a%2Ezip":                false,
		"https://media.example.com/table.csv":              false,
		"https://media.example.com/letter.docx":            false,
		"https://media.example.com/picture.jpg":            true,
		"https://media.example.com/picture.jpg?from=x.txt": true,
		"https://media.example.com/txt":                    true,
		"https://media.example.com/card.vcf":               true,
		"https://media.example.com/paper.pdf":              true,
		"https://media.example.com/photo.heic":             true,
		"https://media.example.com":                        true,
		"https://media.example.com/v1.2/picture":           true,
	} {
		err := media.CheckName(address)
		if bad, ok := errors.AsType[*media.Error](err); (err == nil) != sendable || err != nil && (!ok || bad.Code != media.CodeType) {
			t.Errorf("%s: %v", address, err)
		}
	}
}
